"""Who wrote a nudge, what leads tell about their week, and free times that were offered."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_tenant_table

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TENANT = ("coach_checkin", "slot_offer")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("set local lock_timeout = '10s'")
    for column in (
        sa.Column("asked_at", _TIME, comment="business time: when a model was asked to write it, once; null: none was"),
        sa.Column(
            "written_by", sa.Text(), comment="model, studio (its own text) or coach (ours); null: there is no message"
        ),
        sa.Column("not_by_model", sa.Text(), comment="why no model wrote it though the studio wants that, in one word"),
        sa.Column("model", sa.Text(), comment="that was asked, as its provider names it"),
        sa.Column("tokens", sa.Integer(), comment="that the model took, read and written"),
    ):
        op.add_column("coach_nudge", column)
    before = "personal data; in: what the kind holds beside words: choice, file, place, reaction, contacts"
    op.alter_column(
        "message",
        "details",
        comment=f"{before}; out: buttons, and what a picture is drawn from",
        existing_type=postgresql.JSONB(),
        existing_comment=before,
    )
    _checkins()
    _offers()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)


def _owner() -> sa.Column[UUID]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _checkins() -> None:
    op.create_table(
        "coach_checkin",
        _owner(),
        sa.Column("nudge_id", sa.Uuid(), nullable=False, comment="the weekly check-in that was answered"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="the lead's words"),
        sa.Column("trainings", sa.SmallInteger(), comment="how many there were, by the lead; null: not told"),
        sa.Column(
            "feeling",
            sa.SmallInteger(),
            comment="1 (bad) to 5 (great), as the words are understood; null: not told",
        ),
        sa.Column("answered_at", _TIME, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "nudge_id", name=op.f("pk_coach_checkin")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_coach_checkin_workspace_id_lead_id_lead"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_coach_checkin_workspace_id_message_id_message"),
        ),
        comment="What leads told about their week.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_coach_checkin_workspace_id_lead_id_answered_at"),
        "coach_checkin",
        ["workspace_id", "lead_id", "answered_at"],
    )


def _offers() -> None:
    op.create_table(
        "slot_offer",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False, comment="the short name of what is offered"),
        sa.Column(
            "slots",
            postgresql.JSONB(),
            nullable=False,
            comment="list of moments of business time, in the order of their numbers",
        ),
        sa.Column("cause", sa.Text(), nullable=False, comment="what made it, once per studio"),
        sa.Column("made_at", _TIME, nullable=False, comment="business time"),
        sa.Column("expires_at", _TIME, nullable=False, comment="business time from when on it is good for nothing"),
        sa.Column("booking_id", sa.Uuid(), comment="what it led to; null: nothing yet"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_slot_offer")),
        sa.UniqueConstraint("workspace_id", "cause", name=op.f("uq_slot_offer_workspace_id_cause")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_slot_offer_workspace_id_lead_id_lead"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "booking_id"],
            ["booking.workspace_id", "booking.id"],
            name=op.f("fk_slot_offer_workspace_id_booking_id_booking"),
        ),
        comment="Free times that a lead may choose from.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_slot_offer_workspace_id_lead_id_made_at"), "slot_offer", ["workspace_id", "lead_id", "made_at"]
    )
