"""Conversations: kinds of messages, models that answer, notes, assignment and media."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_tenant_table

revision = "0026"
down_revision = "0023"
branch_labels = None
depends_on = None

TENANT = ("model_turn", "conversation_note", "message_media")


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("set local lock_timeout = '10s'")
    _messages()
    _turns()
    _inbox()
    _media()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)


def _owner() -> sa.Column[UUID]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _moment(name: str, comment: str, *, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _messages() -> None:
    op.add_column(
        "message",
        sa.Column(
            "details",
            postgresql.JSONB(),
            comment="personal data; in: what the kind holds beside words: choice, file, place, reaction, contacts",
        ),
    )
    op.add_column("message", _moment("edited_at", "in: when the lead changed its words, as the provider tells"))
    op.add_column("message", _moment("deleted_at", "in: when the lead took it back, as the provider tells"))


def _turns() -> None:
    op.create_table(
        "model_turn",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="the newest message that it answers"),
        sa.Column("state", sa.Text(), nullable=False, comment="collecting, asking, answered, handed_over or dropped"),
        sa.Column("reason", sa.Text(), comment="why the model did not answer, in one word"),
        sa.Column("answer_id", sa.Uuid(), comment="what was said, by the model or in its place"),
        sa.Column("provider", sa.Text(), comment="whose model answered"),
        sa.Column("model", sa.Text(), comment="as its provider names it"),
        sa.Column("input_tokens", sa.Integer(), nullable=False, comment="read by the model"),
        sa.Column("output_tokens", sa.Integer(), nullable=False, comment="written by the model"),
        _moment("opened_at", "business time", nullable=False),
        _moment("due_at", "business time from when on the model is asked", nullable=False),
        _moment("ended_at", "business time; null: it is open"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_model_turn")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_model_turn_workspace_id_lead_id_lead"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_model_turn_workspace_id_message_id_message"),
        ),
        comment="Messages of a lead that a model answers together.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "uq_model_turn_collecting",
        "model_turn",
        ["workspace_id", "lead_id"],
        unique=True,
        postgresql_where=sa.text("state = 'collecting'"),
    )
    op.add_column("rule_firing", sa.Column("turn_id", sa.Uuid(), comment="the turn in which a model answers it"))


def _inbox() -> None:
    op.add_column("conversation", sa.Column("assigned_to", sa.Uuid(), comment="the person who sees to it, if one does"))
    op.create_table(
        "conversation_note",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("text", sa.Text(), nullable=False, comment="personal data; never sent"),
        sa.Column(
            "form_id", sa.Text(), nullable=False, comment="of what it was typed into: sent twice, it counts once"
        ),
        _moment("written_at", "business time", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_conversation_note")),
        sa.UniqueConstraint("workspace_id", "form_id", name=op.f("uq_conversation_note_workspace_id_form_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_conversation_note_workspace_id_lead_id_lead"),
        ),
        comment="What staff tell each other about a conversation.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_conversation_note_workspace_id_lead_id_written_at"),
        "conversation_note",
        ["workspace_id", "lead_id", "written_at"],
    )


def _media() -> None:
    op.create_table(
        "message_media",
        _owner(),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="the message that it came with"),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, kept, too_large, gone or refused"),
        sa.Column("mime_type", sa.Text(), nullable=False, comment="as WhatsApp told it"),
        sa.Column("size", sa.Integer(), comment="bytes; null: not known"),
        sa.Column("content", sa.LargeBinary(), comment="personal data; null: it is not kept here"),
        _moment("asked_at", "business time when it was asked for", nullable=False),
        _moment("fetched_at", "business time; null: it was not fetched"),
        sa.PrimaryKeyConstraint("workspace_id", "message_id", name=op.f("pk_message_media")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_message_media_workspace_id_message_id_message"),
        ),
        comment="Pictures, sounds and files that leads sent.",
        info={"kind": "tenant"},
    )
