"""Templates that were made at WhatsApp, follow-ups that are sent, and session windows that are watched."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_analytics_table, protect_tenant_table

revision = "0028"
down_revision = "0030"
branch_labels = None
depends_on = None

TENANT = ("followup_step", "session_window")
ANALYTICS = ("analytics.followup_day", "analytics.template_day")
PENDING = "message_id is null and skipped is null"


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("set local lock_timeout = '10s'")
    _templates()
    _steps()
    _windows()
    _figures()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in ANALYTICS:
        for statement in protect_analytics_table(table, tenant=True):
            op.execute(statement)


def _owner() -> sa.Column[UUID]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _moment(name: str, comment: str, *, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, comment=comment)


def _templates() -> None:
    op.alter_column(
        "message_template",
        "language",
        existing_type=sa.Text(),
        comment="ISO 639-1; of an adopted one as WhatsApp has it, such as en_US",
        existing_comment="ISO 639-1",
        existing_nullable=False,
    )
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column(
            "adopted",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="made at WhatsApp, not here",
        ),
        sa.Column("unusable", sa.Text(), comment="why an adopted one can't be sent from here; null: it can"),
        sa.Column("quality", sa.Text(), comment="WhatsApp's score: green, yellow, red or unknown; null: never told"),
        _moment("seen_at", "business time when WhatsApp's list last held it"),
        _moment("gone_at", "business time when WhatsApp's list held it no more; null: it is there"),
    )
    for column in columns:
        op.add_column("message_template", column)
    op.add_column(
        "followup",
        sa.Column("time_of_day", sa.Text(), comment="HH:MM where the lead is; null: as soon as it is due, by day"),
    )


def _steps() -> None:
    op.create_table(
        "followup_step",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("followup_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number", sa.SmallInteger(), nullable=False, comment="of the lead's steps of this follow-up, from 1 on"
        ),
        _moment("silent_since", "business time of our answer that the lead left at that", nullable=False),
        _moment("due_at", "business time", nullable=False),
        sa.Column(
            "message_id", sa.Uuid(), comment="what was put into the outbox; whether it went is the message's to tell"
        ),
        _moment("made_at", "business time when it was"),
        sa.Column(
            "skipped",
            sa.Text(),
            comment="code of why no message was made: replied, with_person, opted_out, booked, not_a_lead, closed,"
            " turned_off, no_template, late or erased",
        ),
        _moment("planned_at", "business time", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_followup_step")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "followup_id"],
            ["followup.workspace_id", "followup.id"],
            name=op.f("fk_followup_step_workspace_id_followup_id_followup"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_followup_step_workspace_id_message_id_message"),
        ),
        sa.UniqueConstraint(
            "workspace_id",
            "lead_id",
            "followup_id",
            "number",
            name=op.f("uq_followup_step_workspace_id_lead_id_followup_id_number"),
        ),
        comment="A follow-up that was planned for a lead: one per lead, follow-up and number.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "uq_followup_step_pending",
        "followup_step",
        ["workspace_id", "lead_id", "followup_id"],
        unique=True,
        postgresql_where=sa.text(PENDING),
    )
    op.create_index("ix_followup_step_due_at", "followup_step", ["workspace_id", "due_at"])


def _windows() -> None:
    op.create_index(
        op.f("ix_conversation_workspace_id_last_inbound_at"), "conversation", ["workspace_id", "last_inbound_at"]
    )
    op.create_table(
        "session_window",
        _owner(),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        _moment("opened_at", "when the lead last wrote, as the provider tells", nullable=False),
        _moment("closes_at", "business time", nullable=False),
        _moment("closing_told_at", "business time when it was told that it closes soon"),
        sa.Column("last_text_id", sa.Uuid(), comment="the last free text that was put into the outbox for it"),
        sa.Column("ended", sa.Text(), comment="closed: unanswered; answered or renewed: before that; null: it is open"),
        _moment("ended_at", "business time"),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", "opened_at", name=op.f("pk_session_window")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "last_text_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_session_window_workspace_id_last_text_id_message"),
        ),
        comment="A 24-hour window that was about to close while its lead waited for an answer.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "ix_session_window_open",
        "session_window",
        ["workspace_id", "closes_at"],
        postgresql_where=sa.text("ended is null"),
    )


def _figures() -> None:
    op.create_table(
        "followup_day",
        _owner(),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC, business time, on which they were due"),
        sa.Column("name", sa.Text(), nullable=False, comment="the follow-up's"),
        _count("planned", "all of that day, those yet to come too"),
        _count("sent", "accepted by the provider"),
        _count("read", "of sent: the lead has read it"),
        _count("answered", "of sent: the lead wrote within 72 hours"),
        _count("booked", "of sent: the lead booked within 7 days"),
        _count("refused", "our own verdict was no"),
        _count("failed", "refused or lost by the provider"),
        _count("stopped", "no message was made: the lead replied, booked or opted out, …"),
        _moment("refreshed_at", "business time", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "day", "name", name=op.f("pk_followup_day")),
        schema="analytics",
        comment="A studio's follow-ups, by day and name.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "template_day",
        _owner(),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC, business time, on which it was queued"),
        sa.Column("name", sa.Text(), nullable=False, comment="as WhatsApp names it"),
        sa.Column("language", sa.Text(), nullable=False, comment="of the sibling that was sent; empty: none was"),
        _count("sent", "accepted by the provider"),
        _count("delivered", "of sent: it reached the telephone, read or not"),
        _count("read", "of sent: the lead has read it"),
        _count("answered", "of sent: the lead wrote within 72 hours"),
        _count("opted_out", "of sent: the lead withdrew consent within 24 hours"),
        _count("refused", "our own verdict was no, or it was withdrawn"),
        _count("failed", "refused or lost by the provider"),
        _count("blocked", "of failed: the lead, or WhatsApp for them, takes no such message"),
        _moment("refreshed_at", "business time", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "day", "name", "language", name=op.f("pk_template_day")),
        schema="analytics",
        comment="A studio's templates in use, by day, name and language.",
        info={"kind": "tenant"},
    )
