"""The coach: who is coached, what is planned for them, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_analytics_table, protect_tenant_table

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TENANT = ("coach_enrolment", "coach_nudge")
ANALYTICS = ("analytics.coach_activity", "analytics.coach_refusal")


def upgrade() -> None:
    _create_tables()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in ANALYTICS:
        for statement in protect_analytics_table(table, tenant=True):
            op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "coach_activity",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("day", sa.Date(), nullable=False, comment="where the lead is, business time"),
        sa.Column("type", sa.Text(), nullable=False, comment="of nudge"),
        sa.Column("planned", sa.Integer(), nullable=False, comment="all of that day, those yet to come too"),
        sa.Column("sent", sa.Integer(), nullable=False, comment="accepted by the provider"),
        sa.Column(
            "refused",
            sa.Integer(),
            nullable=False,
            comment="our own no: the verdict's, an opt-out's, or no message was made",
        ),
        sa.Column("answered", sa.Integer(), nullable=False, comment="of sent: the lead wrote within 12 hours"),
        sa.Column("dry_run", sa.Integer(), nullable=False, comment="decided, and on purpose not sent"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "day", "type", name=op.f("pk_coach_activity")),
        schema="analytics",
        comment="A studio's coaching, by day and type of nudge.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "coach_refusal",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("day", sa.Date(), nullable=False, comment="where the lead is, business time"),
        sa.Column("type", sa.Text(), nullable=False, comment="of nudge"),
        sa.Column("reason", sa.Text(), nullable=False, comment="code, of the verdict or of the nudge"),
        sa.Column(
            "count", sa.Integer(), nullable=False, comment="nudges; one that has several reasons is counted for each"
        ),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "day", "type", "reason", name=op.f("pk_coach_refusal")),
        schema="analytics",
        comment="Why nudges were not sent, by day and type.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "coach_enrolment",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column(
            "frequency",
            sa.Text(),
            nullable=False,
            comment="daily: as scheduled; weekly, bi-weekly: one of a type in so long",
        ),
        sa.Column(
            "time_of_day",
            sa.Text(),
            nullable=True,
            comment="HH:MM where the lead is, in place of the schedules' hours; null: theirs",
        ),
        sa.Column("motivation_style", sa.Text(), nullable=False, comment="encouraging, challenging or supportive"),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "ended_at", sa.DateTime(timezone=True), nullable=True, comment="business time; null: is being coached"
        ),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_coach_enrolment_workspace_id_lead_id_lead"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", name=op.f("pk_coach_enrolment")),
        comment="A lead who asked to be coached, and how they want it.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "coach_nudge",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False, comment="morning_nudge, weekly_checkin, …"),
        sa.Column("local_day", sa.Date(), nullable=False, comment="the day it is for, where the lead is"),
        sa.Column("time_zone", sa.Text(), nullable=False, comment="IANA name: where the lead was thought to be"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "message_id",
            sa.Uuid(),
            nullable=True,
            comment="what was put into the outbox; whether it went is the message's to tell",
        ),
        sa.Column(
            "skipped", sa.Text(), nullable=True, comment="code of why no message was made: ended, late, turned_off"
        ),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["coach_enrolment.workspace_id", "coach_enrolment.lead_id"],
            name=op.f("fk_coach_nudge_workspace_id_lead_id_coach_enrolment"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_coach_nudge_workspace_id_message_id_message"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_coach_nudge")),
        sa.UniqueConstraint(
            "workspace_id",
            "lead_id",
            "type",
            "local_day",
            name=op.f("uq_coach_nudge_workspace_id_lead_id_type_local_day"),
        ),
        comment="A coaching message that was planned: one per lead, type and day.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "ix_coach_nudge_message_id",
        "coach_nudge",
        ["workspace_id", "message_id"],
        unique=False,
        postgresql_where=sa.text("message_id is not null"),
    )
    op.create_index(
        "ix_coach_nudge_pending",
        "coach_nudge",
        ["workspace_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("message_id is null and skipped is null"),
    )
    op.create_index(
        op.f("ix_coach_nudge_workspace_id_local_day"), "coach_nudge", ["workspace_id", "local_day"], unique=False
    )
