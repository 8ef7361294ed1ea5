"""Messaging's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from pilar.database.schema import ANALYTICS, Timestamp, json_column, mixed_table, tenant_table, workspace_key

lead = tenant_table(
    "lead",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("provider_user_id", Text, nullable=False, comment="WhatsApp's id of the person; always there"),
    Column("phone", Text, comment="E.164; null where WhatsApp tells a user id only"),
    Column("name", Text, comment="as the person calls themself, or as staff wrote it"),
    Column("language", Text, nullable=False, comment="ISO 639-1"),
    Column("country", Text, comment="ISO 3166 alpha-2, of the number"),
    Column("time_zone", Text, comment="IANA name, if it was told; null: where the number may be"),
    json_column("tags", comment="list of words"),
    json_column("properties", comment="what rules may ask for"),
    Column("lifecycle", Text, nullable=False, comment="lead, customer, former, staff or erased"),
    Column("source", Text, nullable=False, comment="how they came to us: whatsapp, import, staff"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "provider_user_id"),
    # Over all studios: a person may ask every studio of the founder's for silence.
    Index("ix_lead_phone", "phone"),
    Index("uq_lead_phone", "workspace_id", "phone", unique=True, postgresql_where=text("phone is not null")),
    comment="Somebody a studio talks with.",
)

consent = tenant_table(
    "consent",
    workspace_key(),
    Column("id", Uuid, primary_key=True, comment="grows with time: the newest row of a scope counts"),
    Column("lead_id", Uuid, nullable=False),
    Column(
        "scope",
        Text,
        nullable=False,
        comment="marketing; all: any message; founder: any message of any studio, told as all too",
    ),
    Column("granted", Boolean, nullable=False, comment="false: withdrawn"),
    Column(
        "source",
        Text,
        nullable=False,
        comment="keyword, wording, model, provider, staff, import, founder or merge",
    ),
    Column("proof", Text, nullable=False, comment="what shows it: the message's id, a provider's code, a file"),
    Column("recorded_at", Timestamp, nullable=False, comment="business time"),
    Column(
        "moved_at",
        Timestamp,
        comment="business time; since when it counts for the lead it was merged into; null: it was always theirs",
    ),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    UniqueConstraint("workspace_id", "lead_id", "scope", "proof"),
    comment="What a person allowed or forbade us, append-only.",
)

conversation = tenant_table(
    "conversation",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True),
    Column("mode", Text, nullable=False, comment="bot, or person: the bot is silent"),
    Column("mode_since", Timestamp, nullable=False, comment="business time"),
    Column("mode_reason", Text, nullable=False, comment="why it is in that mode, in words"),
    Column("last_inbound_at", Timestamp, comment="when the lead last wrote, as the provider tells: opens the window"),
    Column("last_message_at", Timestamp, nullable=False, comment="business time"),
    Column("unread", Integer, nullable=False, comment="messages since staff or bot last answered"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    Index(None, "workspace_id", "mode", "last_message_at"),
    comment="A lead's thread: who answers, and how long free text is allowed.",
)

message = tenant_table(
    "message",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("direction", Text, nullable=False, comment="in or out"),
    Column("kind", Text, nullable=False, comment="in: as WhatsApp names it; out: text, or template once it is one"),
    Column("state", Text, nullable=False, comment="in: received; out: queued … read, see messaging/states.py"),
    Column("category", Text, comment="out: service, utility or marketing"),
    Column("origin", Text, nullable=False, comment="who wrote: lead, rule:…, coach:…, staff:…, notice:…, test"),
    Column("text", Text, comment="personal data; in: what was written; out: free text"),
    Column("template_name", Text, comment="out: what is sent where free text is not allowed"),
    Column("template_language", Text, comment="the approved sibling that was sent"),
    json_column("template_parameters", nullable=True, comment="list of texts"),
    Column("reply_to", Uuid, comment="the message it answers"),
    json_column("verdict", nullable=True, comment="facts and decision: whether and how it may go, and why"),
    Column("provider_message_id", Text, comment="WhatsApp's id"),
    Column("cause", Text, nullable=False, comment="what made it, once per studio; carries its period or cause"),
    Column("error_code", Text, comment="the provider's"),
    Column("error", Text),
    Column("correlation_id", Uuid),
    Column("occurred_at", Timestamp, nullable=False, comment="business time; in: written; out: queued"),
    Column("attempted_at", Timestamp, comment="business time; out: handed to the provider"),
    Column("received_at", Timestamp, comment="real time; in: at our door"),
    Column("accepted_at", Timestamp, comment="real time; out: the provider took it"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    UniqueConstraint("workspace_id", "cause"),
    Index(None, "workspace_id", "lead_id", "occurred_at"),
    Index(None, "workspace_id", "occurred_at"),
    Index(
        "ix_message_unsent",
        "workspace_id",
        "state",
        postgresql_where=text("state in ('queued', 'held', 'attempted', 'unknown')"),
    ),
    Index("ix_message_provider_message_id", "provider_message_id"),
    comment="Every message in and out, with the verdict on it.",
)

message_status = tenant_table(
    "message_status",
    workspace_key(),
    Column("message_id", Uuid, primary_key=True),
    Column("status", Text, primary_key=True, comment="as the provider has it: sent, delivered, read, failed"),
    Column("at", Timestamp, primary_key=True, comment="as the provider has it"),
    Column("error_code", Text),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    comment="What the provider told about a message, in any order, each once.",
)

message_template = tenant_table(
    "message_template",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, comment="as WhatsApp names it: lower case, digits, underscores"),
    Column("language", Text, nullable=False, comment="ISO 639-1"),
    Column("category", Text, nullable=False, comment="marketing, utility or authentication"),
    Column("body", Text, nullable=False, comment="with numbered variables: {{1}}"),
    Column("state", Text, nullable=False, comment="draft until it is submitted; then as WhatsApp has it, lower case"),
    Column("provider_id", Text, comment="WhatsApp's id"),
    Column("reason", Text, comment="why it was rejected, paused or disabled"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "name", "language"),
    comment="Texts that may open a conversation once WhatsApp has approved them.",
)

followup = tenant_table(
    "followup",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("template_name", Text, nullable=False),
    Column("after_minutes", Integer, nullable=False, comment="how long a lead may be silent"),
    Column("at_most", SmallInteger, nullable=False, comment="how often per lead"),
    Column("active", Boolean, nullable=False),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "name"),
    comment="When a lead who fell silent is written to again, and with which template.",
)

send_control = mixed_table(
    "send_control",
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", Uuid, comment="the studio; null: the whole fleet"),
    Column("channel", Text, comment="whatsapp; null: every channel"),
    Column("kind", Text, nullable=False, comment="pause: nothing goes; dry_run: decided and recorded, not sent"),
    Column("key", Text, nullable=False, comment="kind, studio and channel: one in force each"),
    Column("reason", Text, nullable=False),
    Column("began_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("began_at", Timestamp, nullable=False, comment="real time"),
    Column("ended_by", Text),
    Column("ended_at", Timestamp, comment="real time; null: in force"),
    Index("uq_send_control_in_force", "key", unique=True, postgresql_where=text("ended_at is null")),
    comment="The pause switch and the dry run, each for a studio, a channel or the whole fleet.",
)

messaging_day = tenant_table(
    "messaging_day",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="UTC, business time"),
    Column("messages_in", Integer, nullable=False, comment="written by leads"),
    Column("messages_out", Integer, nullable=False, comment="accepted by the provider"),
    Column("refused", Integer, nullable=False, comment="our own verdict"),
    Column("failed", Integer, nullable=False, comment="refused or lost by the provider"),
    Column("replies", Integer, nullable=False, comment="of messages_out: answers to a lead's message"),
    Column("reply_p50_ms", Integer, comment="door to provider's acceptance, in real milliseconds: one half was faster"),
    Column("reply_p95_ms", Integer, comment="the same: 95 of 100 were faster"),
    Column("opted_out", Integer, nullable=False, comment="leads who withdrew their consent"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="A studio's messages, by day.",
)
