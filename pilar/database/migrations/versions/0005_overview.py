"""What the founder's overview and the studios' pages read: rows of their own in schema `analytics`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_analytics_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BY_STUDIO = ("analytics.studio_overview", "analytics.studio_step")
OF_FLEET = ("analytics.fleet_overview", "analytics.open_incident")


def upgrade() -> None:
    """Make the tables with their policies; the first run over the fleet fills them."""
    _create_tables()
    for table in BY_STUDIO:
        for statement in protect_analytics_table(table, tenant=True):
            op.execute(statement)
    for table in OF_FLEET:
        for statement in protect_analytics_table(table, tenant=False):
            op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "fleet_overview",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("active", sa.Integer(), nullable=False, comment="studios that are open for business"),
        sa.Column("running", sa.Integer(), nullable=False, comment="studios that are being made"),
        sa.Column("waiting", sa.Integer(), nullable=False, comment="studios that wait on somebody while they are made"),
        sa.Column("failed", sa.Integer(), nullable=False, comment="studios whose making needs help"),
        sa.Column("suspended", sa.Integer(), nullable=False, comment="studios that are suspended"),
        sa.Column("closed", sa.Integer(), nullable=False, comment="studios that are closed"),
        sa.Column(
            "open_incidents", sa.Integer(), nullable=False, comment="incidents that are open or being looked into"
        ),
        sa.Column(
            "refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="real time when this row was last made"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fleet_overview")),
        schema="analytics",
        comment="The whole fleet in figures: one row.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "open_incident",
        sa.Column("id", sa.Uuid(), nullable=False, comment="the incident's"),
        sa.Column("workspace_id", sa.Uuid(), nullable=True, comment="the studio it concerns; null: the fleet"),
        sa.Column(
            "studio_name", sa.Text(), nullable=True, comment="that studio's name; null: the fleet, or not known yet"
        ),
        sa.Column("title", sa.Text(), nullable=False, comment="what is the matter; masked"),
        sa.Column("description", sa.Text(), nullable=False, comment="the same at more length; masked"),
        sa.Column("severity", sa.Text(), nullable=False, comment="low, medium, high or critical"),
        sa.Column("component", sa.Text(), nullable=False, comment="the part of the system that it is about"),
        sa.Column("occurrences", sa.Integer(), nullable=False, comment="how often it has happened"),
        sa.Column(
            "detected_at", sa.DateTime(timezone=True), nullable=False, comment="business time of the first occurrence"
        ),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), nullable=False, comment="business time of the last occurrence"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_incident")),
        schema="analytics",
        comment="What is the matter at present; an incident that is resolved is no longer here.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "studio_overview",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="the studio's name, as its customer gave it before there is a studio",
        ),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="its job's until it opens (running, waiting, failed), then its own (active, suspended, closed)",
        ),
        sa.Column("plan", sa.Text(), nullable=True, comment="BASIC or PRO; null: not known yet"),
        sa.Column("country", sa.Text(), nullable=True, comment="ISO 3166 alpha-2; null: not known yet"),
        sa.Column("time_zone", sa.Text(), nullable=True, comment="IANA name; null: not known yet"),
        sa.Column("phone_number", sa.Text(), nullable=True, comment="E.164; null: it has none yet"),
        sa.Column(
            "subscription_status",
            sa.Text(),
            nullable=True,
            comment="as Stripe has it: trialing, active, past_due, canceled, …",
        ),
        sa.Column(
            "integrations",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="state of each account at a provider, by provider",
        ),
        sa.Column("step", sa.Text(), nullable=True, comment="the provisioning step it is at; null: all are done"),
        sa.Column("step_title", sa.Text(), nullable=True, comment="the same, as people read it"),
        sa.Column("steps_done", sa.SmallInteger(), nullable=False, comment="provisioning steps that are completed"),
        sa.Column("steps_total", sa.SmallInteger(), nullable=False, comment="provisioning steps that there are"),
        sa.Column(
            "waits_on",
            sa.Text(),
            nullable=True,
            comment="who keeps that step waiting: studio, meta, twilio, stripe or us; null: nobody",
        ),
        sa.Column("wait_reason", sa.Text(), nullable=True, comment="for what"),
        sa.Column("wait_since", sa.DateTime(timezone=True), nullable=True, comment="real time since when"),
        sa.Column("step_error", sa.Text(), nullable=True, comment="why the last attempt at that step failed; masked"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time of the signup"),
        sa.Column(
            "activated_at", sa.DateTime(timezone=True), nullable=True, comment="business time when it first opened"
        ),
        sa.Column(
            "activity",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="the newest sentences told to the studio, newest first: [{at, text}]",
        ),
        sa.Column(
            "refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="real time when this row was last made"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_studio_overview")),
        schema="analytics",
        comment="Each studio at a glance, from its signup on.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_studio_overview_state"), "studio_overview", ["state"], unique=False, schema="analytics")
    op.create_table(
        "studio_step",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("name", sa.Text(), nullable=False, comment="the provisioning step"),
        sa.Column("title", sa.Text(), nullable=False, comment="the same, as people read it"),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False, comment="its place in the order of steps"),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, in_progress, waiting, completed or failed"),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="how often it was attempted"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True, comment="real time of the first attempt"),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True, comment="real time"),
        sa.Column("error", sa.Text(), nullable=True, comment="why the last attempt failed; masked"),
        sa.Column(
            "waits_on",
            sa.Text(),
            nullable=True,
            comment="who keeps it waiting: studio, meta, twilio, stripe or us; null: nobody",
        ),
        sa.Column("wait_reason", sa.Text(), nullable=True, comment="for what"),
        sa.Column("wait_since", sa.DateTime(timezone=True), nullable=True, comment="real time since when"),
        sa.PrimaryKeyConstraint("workspace_id", "name", name=op.f("pk_studio_step")),
        schema="analytics",
        comment="How each studio is made, step by step.",
        info={"kind": "tenant"},
    )
    op.add_column(
        "provisioning_step",
        sa.Column("title", sa.Text(), nullable=True, comment="as people read it; null: of before titles were kept"),
    )
