"""Refreshing the results of experiments, and ending those that are clear.

What belongs here: from counts to rows. What does not: what counts mean (`statistics.py`) and the SQL (`store.py`).

Results are made anew out of exposures and outcomes each time: schedule, backfill and click get the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isnan
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.experiments import store
from pilar.experiments.events import ExperimentDecided
from pilar.experiments.statistics import BROKEN, Arm, Comparison, Decision, compare, decide, sample_ratio
from pilar.experiments.store import Experiment


@dataclass(frozen=True)
class Refreshed:
    """How many rows were written."""

    rows: int


@dataclass(frozen=True)
class FleetResult:
    """What follows for one experiment; `decided`: it was ended by this very refresh."""

    experiment_id: UUID
    workspace_id: UUID | None
    name: str
    decision: str
    reasons: tuple[str, ...]
    decided: bool


@dataclass(frozen=True)
class Judged:
    """An experiment with what its counts say."""

    experiment: Experiment
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    srm_p_value: float
    decision: Decision


def refresh_results(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> Refreshed:
    """Refresh what is told of the studios' own experiments. Needs the fleet's scope.

    Raises:
        Invalid: an experiment's data contradict each other. Callers isolate the studio (`workspaces/chunks.py`), which
            keeps its last rows.
    """
    experiments = [store.as_experiment(row) for row in store.experiments_of(connection, studios)]
    counted = store.count_units(connection, [experiment.id for experiment in experiments])
    judged = judge([(experiment, arms_of(experiment, counted.get(experiment.id, {}))) for experiment in experiments])
    now = clocks.business.now()
    variants = [
        {**_key(one, arm.variant), **asdict(arm), "workspace_id": one.experiment.workspace_id, "refreshed_at": now}
        for one in judged
        for arm in one.arms
    ]
    results = [
        {
            **_key(one, comparison.variant),
            **_told(one, comparison, now),
            "workspace_id": one.experiment.workspace_id,
        }
        for one in judged
        for comparison in one.comparisons
    ]
    return Refreshed(store.save_studio_results(connection, variants, results))


def refresh_fleet_results(connection: Connection, clocks: Clocks) -> list[FleetResult]:
    """Refresh what is told of all experiments, summed over all studios, and end those that are clear.

    An experiment that ends has its decision written to its row, and the event `experiment.decided` tells of it. One
    whose data contradict each other is reported as broken and keeps its last rows. Needs the fleet's scope.
    """
    rows = store.experiments_to_judge(connection)
    counted = store.count_units(connection, [row.id for row in rows])
    readable, found = [], []
    for row in rows:
        try:
            experiment = store.as_experiment(row)
            readable.append((experiment, arms_of(experiment, counted.get(row.id, {}))))
        except Invalid as error:
            found.append(FleetResult(row.id, row.workspace_id, row.name, BROKEN, (error.message,), decided=False))
    now = clocks.business.now()
    judged = judge(readable)
    store.save_fleet_results(connection, [row for one in judged for row in _fleet_rows(one, now)])
    for one in judged:
        experiment, decision = one.experiment, one.decision
        decided = decision.ends and _end(connection, clocks, experiment, decision)
        found.append(
            FleetResult(
                experiment.id, experiment.workspace_id, experiment.name, decision.decision, decision.reasons, decided
            )
        )
    return found


def arms_of(experiment: Experiment, counted: Mapping[str, tuple[int, int]]) -> tuple[Arm, ...]:
    """An experiment's variants with their counts, in order; a variant that nobody has met has none.

    Raises:
        Invalid: units have met a variant that the experiment doesn't have.
    """
    unknown = counted.keys() - {variant.key for variant in experiment.variants}
    if unknown:
        raise Invalid(f"Units of {experiment.name!r} have met a variant that it doesn't have: {', '.join(unknown)}.")
    return tuple(Arm(variant.key, variant.weight, *counted.get(variant.key, (0, 0))) for variant in experiment.variants)


def judge(experiments: Sequence[tuple[Experiment, tuple[Arm, ...]]]) -> list[Judged]:
    """See what the counts of experiments say: all of them at once, in order."""
    if not experiments:
        return []
    counts = pd.DataFrame(
        [
            {
                "experiment_id": experiment.id,
                "alpha": experiment.alpha,
                "minimum": experiment.minimum_per_variant,
                **asdict(arm),
            }
            for experiment, arms in experiments
            for arm in arms
        ]
    )
    compared: dict[UUID, list[Comparison]] = {}
    for row in compare(counts).to_dict(orient="records"):
        values = {str(column): value for column, value in row.items()}
        compared.setdefault(values.pop("experiment_id"), []).append(Comparison(**values))
    srm = sample_ratio(counts).to_dict()
    judged = []
    for experiment, arms in experiments:
        comparisons, p_value = tuple(compared[experiment.id]), srm[experiment.id]
        decision = decide(arms, comparisons, p_value, experiment.minimum_per_variant)
        judged.append(Judged(experiment, arms, comparisons, p_value, decision))
    return judged


def _end(connection: Connection, clocks: Clocks, experiment: Experiment, decision: Decision) -> bool:
    document = {"decision": decision.decision, "reasons": list(decision.reasons)}
    if not store.end_experiment(connection, experiment.id, "decided", clocks.business.now(), document):
        return False
    event = Event(
        payload=ExperimentDecided(experiment_id=experiment.id, subject=experiment.subject, adopted=decision.adopted),
        key=f"{ExperimentDecided.type_name}:{experiment.id}",
        aggregate=("experiment", str(experiment.id)),
        workspace_id=experiment.workspace_id,
    )
    emit(connection, clocks, [event], Cause.new())
    return True


def _fleet_rows(one: Judged, now: datetime) -> list[dict[str, Any]]:
    comparisons = {comparison.variant: comparison for comparison in one.comparisons}
    return [
        {
            **_key(one, arm.variant),
            **asdict(arm),
            **_told(one, comparisons.get(arm.variant), now),
            "workspace_id": one.experiment.workspace_id,
            "name": one.experiment.name,
        }
        for arm in one.arms
    ]


def _key(one: Judged, variant: str) -> dict[str, Any]:
    return {"experiment_id": one.experiment.id, "variant": variant}


def _told(one: Judged, comparison: Comparison | None, now: datetime) -> dict[str, Any]:
    names = ("rate_baseline", "rate_variant", "effect", "low", "high", "p_value")
    return {
        "baseline": one.arms[0].variant,
        **{name: _number(getattr(comparison, name, None)) for name in names},
        "srm_p_value": one.srm_p_value,
        "decision": one.decision.decision,
        "reasons": list(one.decision.reasons),
        "refreshed_at": now,
    }


def _number(value: float | None) -> float | None:
    return None if value is None or isnan(value) else float(value)
