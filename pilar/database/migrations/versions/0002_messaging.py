"""Messaging: leads, consent, conversations, messages, and what holds them back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_analytics_table, protect_tenant_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT = ("lead", "consent", "conversation", "message", "message_status", "send_control")


def upgrade() -> None:
    _create_tables()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for statement in protect_analytics_table("analytics.messaging_day", tenant=True):
        op.execute(statement)
    # What was allowed or forbidden, and what the provider told, is never changed afterwards.
    for table in ("consent", "message_status"):
        op.execute(f"revoke update, delete on {table} from pilar_app, pilar_system")


def _create_tables() -> None:
    op.create_table(
        "messaging_day",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC, business time"),
        sa.Column("messages_in", sa.Integer(), nullable=False, comment="written by leads"),
        sa.Column("messages_out", sa.Integer(), nullable=False, comment="accepted by the provider"),
        sa.Column("refused", sa.Integer(), nullable=False, comment="our own verdict"),
        sa.Column("failed", sa.Integer(), nullable=False, comment="refused or lost by the provider"),
        sa.Column("replies", sa.Integer(), nullable=False, comment="of messages_out: answers to a lead's message"),
        sa.Column(
            "reply_p50_ms",
            sa.Integer(),
            nullable=True,
            comment="door to provider's acceptance, in real milliseconds: one half was faster",
        ),
        sa.Column("reply_p95_ms", sa.Integer(), nullable=True, comment="the same: 95 of 100 were faster"),
        sa.Column("opted_out", sa.Integer(), nullable=False, comment="leads who withdrew their consent"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "day", name=op.f("pk_messaging_day")),
        schema="analytics",
        comment="A studio's messages, by day.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "send_control",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True, comment="the studio; null: the whole fleet"),
        sa.Column("channel", sa.Text(), nullable=True, comment="whatsapp; null: every channel"),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="pause: nothing goes; dry_run: decided and recorded, not sent"
        ),
        sa.Column("key", sa.Text(), nullable=False, comment="kind, studio and channel: one in force each"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("began_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="real time; null: in force"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_send_control")),
        comment="The pause switch and the dry run, each for a studio, a channel or the whole fleet.",
        info={"kind": "mixed"},
    )
    op.create_index(
        "uq_send_control_in_force", "send_control", ["key"], unique=True, postgresql_where=sa.text("ended_at is null")
    )
    op.create_table(
        "lead",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider_user_id", sa.Text(), nullable=False, comment="WhatsApp's id of the person; always there"),
        sa.Column("phone", sa.Text(), nullable=True, comment="E.164; null where WhatsApp tells a user id only"),
        sa.Column("name", sa.Text(), nullable=True, comment="as the person calls themself, or as staff wrote it"),
        sa.Column("language", sa.Text(), nullable=False, comment="ISO 639-1"),
        sa.Column("country", sa.Text(), nullable=True, comment="ISO 3166 alpha-2, of the number"),
        sa.Column(
            "time_zone", sa.Text(), nullable=True, comment="IANA name, if it was told; null: where the number may be"
        ),
        sa.Column(
            "tags", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False, comment="list of words"
        ),
        sa.Column(
            "properties",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="what rules may ask for",
        ),
        sa.Column("lifecycle", sa.Text(), nullable=False, comment="lead, customer, former or staff"),
        sa.Column("source", sa.Text(), nullable=False, comment="how they came to us: whatsapp, import, staff"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_lead_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_lead")),
        sa.UniqueConstraint("workspace_id", "provider_user_id", name=op.f("uq_lead_workspace_id_provider_user_id")),
        comment="Somebody a studio talks with.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "uq_lead_phone", "lead", ["workspace_id", "phone"], unique=True, postgresql_where=sa.text("phone is not null")
    )
    op.create_table(
        "consent",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False, comment="grows with time: the newest row of a scope counts"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="marketing, or all: any message"),
        sa.Column("granted", sa.Boolean(), nullable=False, comment="false: withdrawn"),
        sa.Column("source", sa.Text(), nullable=False, comment="keyword, wording, provider, staff or import"),
        sa.Column(
            "proof", sa.Text(), nullable=False, comment="what shows it: the message's id, a provider's code, a file"
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_consent_workspace_id_lead_id_lead"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_consent")),
        sa.UniqueConstraint(
            "workspace_id", "lead_id", "scope", "proof", name=op.f("uq_consent_workspace_id_lead_id_scope_proof")
        ),
        comment="What a person allowed or forbade us, append-only.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "conversation",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False, comment="bot, or person: the bot is silent"),
        sa.Column("mode_since", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("mode_reason", sa.Text(), nullable=False, comment="why it is in that mode, in words"),
        sa.Column(
            "last_inbound_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the lead last wrote, as the provider tells: opens the window",
        ),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("unread", sa.Integer(), nullable=False, comment="messages since staff or bot last answered"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_conversation_workspace_id_lead_id_lead"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", name=op.f("pk_conversation")),
        comment="A lead's thread: who answers, and how long free text is allowed.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_conversation_workspace_id_mode_last_message_at"),
        "conversation",
        ["workspace_id", "mode", "last_message_at"],
        unique=False,
    )
    op.create_table(
        "message",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False, comment="in or out"),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="in: as WhatsApp names it; out: text, or template once it is one"
        ),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="in: received; out: queued … read, see messaging/states.py"
        ),
        sa.Column("category", sa.Text(), nullable=True, comment="out: service, utility or marketing"),
        sa.Column(
            "origin", sa.Text(), nullable=False, comment="who wrote: lead, rule:…, coach:…, staff:…, notice:…, test"
        ),
        sa.Column("text", sa.Text(), nullable=True, comment="personal data; in: what was written; out: free text"),
        sa.Column(
            "template_name", sa.Text(), nullable=True, comment="out: what is sent where free text is not allowed"
        ),
        sa.Column("template_language", sa.Text(), nullable=True, comment="the approved sibling that was sent"),
        sa.Column(
            "template_parameters",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="list of texts",
        ),
        sa.Column("reply_to", sa.Uuid(), nullable=True, comment="the message it answers"),
        sa.Column(
            "verdict",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="facts and decision: whether and how it may go, and why",
        ),
        sa.Column("provider_message_id", sa.Text(), nullable=True, comment="WhatsApp's id"),
        sa.Column(
            "cause", sa.Text(), nullable=False, comment="what made it, once per studio; carries its period or cause"
        ),
        sa.Column("error_code", sa.Text(), nullable=True, comment="the provider's"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), nullable=False, comment="business time; in: written; out: queued"
        ),
        sa.Column(
            "attempted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="business time; out: handed to the provider",
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True, comment="real time; in: at our door"),
        sa.Column(
            "accepted_at", sa.DateTime(timezone=True), nullable=True, comment="real time; out: the provider took it"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_message_workspace_id_lead_id_lead"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_message")),
        sa.UniqueConstraint("workspace_id", "cause", name=op.f("uq_message_workspace_id_cause")),
        comment="Every message in and out, with the verdict on it.",
        info={"kind": "tenant"},
    )
    op.create_index("ix_message_provider_message_id", "message", ["provider_message_id"], unique=False)
    op.create_index(
        "ix_message_unsent",
        "message",
        ["workspace_id", "state"],
        unique=False,
        postgresql_where=sa.text("state in ('queued', 'held', 'attempted', 'unknown')"),
    )
    op.create_index(
        op.f("ix_message_workspace_id_lead_id_occurred_at"),
        "message",
        ["workspace_id", "lead_id", "occurred_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_message_workspace_id_occurred_at"), "message", ["workspace_id", "occurred_at"], unique=False
    )
    op.create_table(
        "message_status",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="as the provider has it: sent, delivered, read, failed"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="as the provider has it"),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_message_status_workspace_id_message_id_message"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "message_id", "status", "at", name=op.f("pk_message_status")),
        comment="What the provider told about a message, in any order, each once.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_integration_provider_phone_number_id"), "integration", ["provider", "phone_number_id"], unique=False
    )
    op.add_column("message_template", sa.Column("provider_id", sa.Text(), nullable=True, comment="WhatsApp's id"))
    op.add_column(
        "message_template",
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was rejected, paused or disabled"),
    )
    op.alter_column(
        "message_template",
        "state",
        existing_type=sa.TEXT(),
        comment="draft until it is submitted; then as WhatsApp has it, lower case",
        existing_comment="draft until it is submitted; then as WhatsApp has it",
        existing_nullable=False,
    )
