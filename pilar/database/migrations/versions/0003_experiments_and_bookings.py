"""Experiments and bookings: their tables, with their policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_analytics_table, protect_tenant_table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TENANT = ("booking", "experiment_exposure", "experiment_outcome")
MIXED = ("experiment",)
ANALYTICS_BY_STUDIO = ("analytics.experiment_result", "analytics.experiment_variant")
ANALYTICS_OF_THE_FLEET = ("analytics.fleet_experiment_result",)


def upgrade() -> None:
    """Make tables, policies and grants."""
    _create_tables()
    for table in (*TENANT, *MIXED):
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in ANALYTICS_BY_STUDIO:
        for statement in protect_analytics_table(table, tenant=True):
            op.execute(statement)
    for table in ANALYTICS_OF_THE_FLEET:
        for statement in protect_analytics_table(table, tenant=False):
            op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "experiment_result",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("experiment_id", sa.Uuid(), nullable=False, comment="the experiment"),
        sa.Column("variant", sa.Text(), nullable=False, comment="what is compared with the baseline"),
        sa.Column("baseline", sa.Text(), nullable=False, comment="the experiment's first variant"),
        sa.Column(
            "rate_baseline",
            sa.Double(),
            nullable=True,
            comment="share of the baseline's units that have reached the goal",
        ),
        sa.Column(
            "rate_variant",
            sa.Double(),
            nullable=True,
            comment="share of the variant's units that have reached the goal",
        ),
        sa.Column("effect", sa.Double(), nullable=True, comment="the variant's rate less the baseline's"),
        sa.Column(
            "low",
            sa.Double(),
            nullable=True,
            comment="lower end of the effect's interval, which holds at all times with probability 1 - alpha",
        ),
        sa.Column("high", sa.Double(), nullable=True, comment="upper end of the same interval"),
        sa.Column(
            "p_value",
            sa.Double(),
            nullable=True,
            comment="of no effect: valid at any time, and for all comparisons together",
        ),
        sa.Column(
            "srm_p_value",
            sa.Double(),
            nullable=False,
            comment="of the units' shares by the weights (sample ratio mismatch)",
        ),
        sa.Column(
            "decision", sa.Text(), nullable=False, comment="keep_running, adopt:<variant>, keep_baseline or broken"
        ),
        sa.Column(
            "reasons",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="why, as a list of sentences",
        ),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "experiment_id", "variant", name=op.f("pk_experiment_result")),
        schema="analytics",
        comment="Each variant of a studio's own experiments compared with the baseline.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "experiment_variant",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("experiment_id", sa.Uuid(), nullable=False, comment="the experiment"),
        sa.Column("variant", sa.Text(), nullable=False, comment="the variant's key"),
        sa.Column("weight", sa.Integer(), nullable=False, comment="its share of the units, beside the others' weights"),
        sa.Column("exposed", sa.BigInteger(), nullable=False, comment="units that have met it"),
        sa.Column("converted", sa.BigInteger(), nullable=False, comment="units of these that have reached the goal"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "experiment_id", "variant", name=op.f("pk_experiment_variant")),
        schema="analytics",
        comment="What has come of each variant of a studio's own experiments.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "fleet_experiment_result",
        sa.Column("experiment_id", sa.Uuid(), nullable=False, comment="the experiment"),
        sa.Column("variant", sa.Text(), nullable=False, comment="the baseline has a row too, without a comparison"),
        sa.Column(
            "workspace_id",
            sa.Uuid(),
            nullable=True,
            comment="whose experiment it is; null: the founder's, over all studios",
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="the experiment's name"),
        sa.Column("baseline", sa.Text(), nullable=False, comment="the experiment's first variant"),
        sa.Column("weight", sa.Integer(), nullable=False, comment="its share of the units, beside the others' weights"),
        sa.Column("exposed", sa.BigInteger(), nullable=False, comment="units that have met it, over all studios"),
        sa.Column("converted", sa.BigInteger(), nullable=False, comment="units of these that have reached the goal"),
        sa.Column(
            "rate_baseline",
            sa.Double(),
            nullable=True,
            comment="share of the baseline's units that have reached the goal",
        ),
        sa.Column(
            "rate_variant",
            sa.Double(),
            nullable=True,
            comment="share of the variant's units that have reached the goal",
        ),
        sa.Column("effect", sa.Double(), nullable=True, comment="the variant's rate less the baseline's"),
        sa.Column(
            "low",
            sa.Double(),
            nullable=True,
            comment="lower end of the effect's interval, which holds at all times with probability 1 - alpha",
        ),
        sa.Column("high", sa.Double(), nullable=True, comment="upper end of the same interval"),
        sa.Column(
            "p_value",
            sa.Double(),
            nullable=True,
            comment="of no effect: valid at any time, and for all comparisons together",
        ),
        sa.Column(
            "srm_p_value",
            sa.Double(),
            nullable=False,
            comment="of the units' shares by the weights (sample ratio mismatch)",
        ),
        sa.Column(
            "decision", sa.Text(), nullable=False, comment="keep_running, adopt:<variant>, keep_baseline or broken"
        ),
        sa.Column(
            "reasons",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="why, as a list of sentences",
        ),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("experiment_id", "variant", name=op.f("pk_fleet_experiment_result")),
        schema="analytics",
        comment="Every experiment, the founder's and the studios', summed over all studios, with what follows from it.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "experiment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "workspace_id", sa.Uuid(), nullable=True, comment="whose it is; null: the founder's, over all studios"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what is varied: rule:trial, …"),
        sa.Column(
            "unit", sa.Text(), nullable=False, comment="what is assigned to a variant: lead, workspace or visitor"
        ),
        sa.Column("goal", sa.Text(), nullable=False, comment="the outcome that counts: booking.made, …"),
        sa.Column(
            "variants",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="list of {key, weight}; the first is the baseline",
        ),
        sa.Column("salt", sa.Text(), nullable=False, comment="hashed with a unit, gives its variant"),
        sa.Column("state", sa.Text(), nullable=False, comment="running, stopped or decided"),
        sa.Column(
            "alpha", sa.Double(), nullable=False, comment="how often a difference may be seen where there is none"
        ),
        sa.Column(
            "minimum_per_variant",
            sa.Integer(),
            nullable=False,
            comment="units to be exposed before anything is decided",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="business time when it was stopped or decided",
        ),
        sa.Column(
            "decision",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="{decision, reasons} once it is decided",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("created_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_experiment_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        comment="Something is varied, and what comes of it is compared; one at a time per subject.",
        info={"kind": "mixed"},
    )
    op.create_index(op.f("ix_experiment_workspace_id"), "experiment", ["workspace_id"], unique=False)
    op.create_index(
        "uq_experiment_running",
        "experiment",
        ["workspace_id", "subject"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "booking",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_type_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False, comment="who comes"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "busy_until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="business time: the end, and what is kept free after it",
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="booked or cancelled"),
        sa.Column("source", sa.Text(), nullable=False, comment="what led to it: rule:trial, …"),
        sa.Column("cause", sa.Text(), nullable=False, comment="idempotency key: the same cause books once"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True, comment="business time"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "event_type_id"],
            ["booking_event_type.workspace_id", "booking_event_type.id"],
            name=op.f("fk_booking_workspace_id_event_type_id_booking_event_type"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_booking")),
        sa.UniqueConstraint("workspace_id", "cause", name=op.f("uq_booking_workspace_id_cause")),
        comment="Who comes when, and for what.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "ix_booking_busy",
        "booking",
        ["workspace_id", "busy_until"],
        unique=False,
        postgresql_where=sa.text("state = 'booked'"),
    )
    op.create_index(op.f("ix_booking_workspace_id_lead_id"), "booking", ["workspace_id", "lead_id"], unique=False)
    op.create_table(
        "experiment_exposure",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False, comment="the lead's, workspace's or visitor's id"),
        sa.Column("variant", sa.Text(), nullable=False, comment="what the unit has met; it stays with it"),
        sa.Column("exposed_at", sa.DateTime(timezone=True), nullable=False, comment="business time of the first time"),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiment.id"], name=op.f("fk_experiment_exposure_experiment_id_experiment")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_experiment_exposure_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "experiment_id", "unit_id", name=op.f("pk_experiment_exposure")),
        comment="Who has met which variant.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_experiment_exposure_experiment_id"), "experiment_exposure", ["experiment_id"], unique=False
    )
    op.create_table(
        "experiment_outcome",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False, comment="business time of the first time"),
        sa.Column("value", sa.Double(), server_default=sa.text("1"), nullable=False, comment="what it is worth"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "experiment_id", "unit_id"],
            ["experiment_exposure.workspace_id", "experiment_exposure.experiment_id", "experiment_exposure.unit_id"],
            name="fk_experiment_outcome_exposure",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "experiment_id", "unit_id", name=op.f("pk_experiment_outcome")),
        comment="Who, after meeting a variant, has reached the experiment's goal.",
        info={"kind": "tenant"},
    )
