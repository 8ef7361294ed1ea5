"""Experiments' tables. What belongs here: their shape."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Double, ForeignKeyConstraint, Index, Integer, Text, Uuid
from sqlalchemy import text as sql

from pilar.database.schema import (
    ANALYTICS,
    Timestamp,
    fleet_table,
    json_column,
    mixed_table,
    tenant_table,
    workspace_key,
)

experiment = mixed_table(
    "experiment",
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", Uuid, comment="whose it is; null: the founder's, over all studios"),
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="what is varied: rule:trial, …"),
    Column("unit", Text, nullable=False, comment="what is assigned to a variant: lead, workspace or visitor"),
    Column("goal", Text, nullable=False, comment="the outcome that counts: booking.made, …"),
    json_column("variants", comment="list of {key, weight}; the first is the baseline"),
    Column("salt", Text, nullable=False, comment="hashed with a unit, gives its variant"),
    Column("state", Text, nullable=False, comment="running, stopped or decided"),
    Column("alpha", Double, nullable=False, comment="how often a difference may be seen where there is none"),
    Column("minimum_per_variant", Integer, nullable=False, comment="units to be exposed before anything is decided"),
    Column("started_at", Timestamp, nullable=False, comment="business time"),
    Column("ended_at", Timestamp, comment="business time when it was stopped or decided"),
    json_column("decision", nullable=True, comment="{decision, reasons} once it is decided"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("created_by", Text, nullable=False, comment="the actor, as in the audit log"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "workspace_id"),
    Index(
        "uq_experiment_running",
        "workspace_id",
        "subject",
        unique=True,
        postgresql_where=sql("state = 'running'"),
        postgresql_nulls_not_distinct=True,
    ),
    comment="Something is varied, and what comes of it is compared; one at a time per subject.",
)

experiment_exposure = tenant_table(
    "experiment_exposure",
    workspace_key(),
    Column("experiment_id", Uuid, primary_key=True),
    Column("unit_id", Text, primary_key=True, comment="the lead's, workspace's or visitor's id"),
    Column("variant", Text, nullable=False, comment="what the unit has met; it stays with it"),
    Column("exposed_at", Timestamp, nullable=False, comment="business time of the first time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    ForeignKeyConstraint(["experiment_id"], ["experiment.id"]),
    Index(None, "experiment_id"),
    comment="Who has met which variant.",
)

experiment_outcome = tenant_table(
    "experiment_outcome",
    workspace_key(),
    Column("experiment_id", Uuid, primary_key=True),
    Column("unit_id", Text, primary_key=True),
    Column("occurred_at", Timestamp, nullable=False, comment="business time of the first time"),
    Column("value", Double, nullable=False, server_default=sql("1"), comment="what it is worth"),
    ForeignKeyConstraint(
        ["workspace_id", "experiment_id", "unit_id"],
        ["experiment_exposure.workspace_id", "experiment_exposure.experiment_id", "experiment_exposure.unit_id"],
        name="fk_experiment_outcome_exposure",  # the name made of all columns is longer than PostgreSQL's names may be
    ),
    comment="Who, after meeting a variant, has reached the experiment's goal.",
)


def _comparison_columns() -> tuple[Column[Any], ...]:
    """What is told of a variant beside the baseline: null where one of the two has no unit yet."""
    return (
        Column("rate_baseline", Double, comment="share of the baseline's units that have reached the goal"),
        Column("rate_variant", Double, comment="share of the variant's units that have reached the goal"),
        Column("effect", Double, comment="the variant's rate less the baseline's"),
        Column(
            "low",
            Double,
            comment="lower end of the effect's interval, which holds at all times with probability 1 - alpha",
        ),
        Column("high", Double, comment="upper end of the same interval"),
        Column("p_value", Double, comment="of no effect: valid at any time, and for all comparisons together"),
        Column(
            "srm_p_value", Double, nullable=False, comment="of the units' shares by the weights (sample ratio mismatch)"
        ),
        Column("decision", Text, nullable=False, comment="keep_running, adopt:<variant>, keep_baseline or broken"),
        json_column("reasons", comment="why, as a list of sentences"),
        Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    )


experiment_variant = tenant_table(
    "experiment_variant",
    workspace_key(),
    Column("experiment_id", Uuid, primary_key=True, comment="the experiment"),
    Column("variant", Text, primary_key=True, comment="the variant's key"),
    Column("weight", Integer, nullable=False, comment="its share of the units, beside the others' weights"),
    Column("exposed", BigInteger, nullable=False, comment="units that have met it"),
    Column("converted", BigInteger, nullable=False, comment="units of these that have reached the goal"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="What has come of each variant of a studio's own experiments.",
)

experiment_result = tenant_table(
    "experiment_result",
    workspace_key(),
    Column("experiment_id", Uuid, primary_key=True, comment="the experiment"),
    Column("variant", Text, primary_key=True, comment="what is compared with the baseline"),
    Column("baseline", Text, nullable=False, comment="the experiment's first variant"),
    *_comparison_columns(),
    schema=ANALYTICS,
    comment="Each variant of a studio's own experiments compared with the baseline.",
)

fleet_experiment_result = fleet_table(
    "fleet_experiment_result",
    Column("experiment_id", Uuid, primary_key=True, comment="the experiment"),
    Column("variant", Text, primary_key=True, comment="the baseline has a row too, without a comparison"),
    Column("workspace_id", Uuid, comment="whose experiment it is; null: the founder's, over all studios"),
    Column("name", Text, nullable=False, comment="the experiment's name"),
    Column("baseline", Text, nullable=False, comment="the experiment's first variant"),
    Column("weight", Integer, nullable=False, comment="its share of the units, beside the others' weights"),
    Column("exposed", BigInteger, nullable=False, comment="units that have met it, over all studios"),
    Column("converted", BigInteger, nullable=False, comment="units of these that have reached the goal"),
    *_comparison_columns(),
    schema=ANALYTICS,
    comment="Every experiment, the founder's and the studios', summed over all studios, with what follows from it.",
)
