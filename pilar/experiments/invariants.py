"""What experiments promise, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "outcomes_follow_exposures",
        "An outcome is of a unit that had been exposed by then.",
        """
        select o.workspace_id, o.experiment_id, o.occurred_at
        from experiment_outcome o left join experiment_exposure x using (workspace_id, experiment_id, unit_id)
        where x.unit_id is null or x.exposed_at > o.occurred_at
        """,
    ),
    Invariant(
        "exposures_name_a_variant",
        "What a unit has met is a variant of its experiment.",
        """
        select x.experiment_id, x.variant, min(x.workspace_id::text) as workspace_id, count(*) as exposures
        from experiment_exposure x join experiment e on e.id = x.experiment_id
        where not e.variants @> jsonb_build_array(jsonb_build_object('key', x.variant))
        group by x.experiment_id, x.variant
        """,
    ),
    Invariant(
        "exposures_are_in_ones_own_experiments",
        "A studio's units take part in its own experiments and in the founder's, in no other studio's.",
        """
        select x.workspace_id, x.experiment_id, e.workspace_id as whose, count(*) as exposures
        from experiment_exposure x join experiment e on e.id = x.experiment_id
        where e.workspace_id <> x.workspace_id
        group by x.workspace_id, x.experiment_id, e.workspace_id
        """,
    ),
)
