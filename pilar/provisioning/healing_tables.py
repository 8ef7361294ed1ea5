"""The tables of channels that heal themselves. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKeyConstraint, Index, SmallInteger, Text, UniqueConstraint, Uuid, text

from pilar.database.schema import Timestamp, tenant_table, workspace_key

channel_look = tenant_table(
    "channel_look",
    workspace_key(),
    Column("look_at", Timestamp, nullable=False, comment="real time of the next look"),
    Column("looked_at", Timestamp, comment="real time of the last look that came to an end"),
    Column("trouble", Text, comment="number_gone, account_suspended, …; null: all is well"),
    Column("waits_on", Text, comment="studio, twilio or us: who has to act; null: nobody"),
    Column("reason", Text, comment="what has to be done, as a sentence"),
    Column("troubled_since", Timestamp, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "look_at"),
    comment="When a studio's channels at the providers were last looked at, and what ails them.",
)

channel_repair = tenant_table(
    "channel_repair",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("channel", Text, nullable=False, comment="whatsapp, sms or key"),
    Column("found", Text, nullable=False, comment="what differed from ours, in words"),
    Column("attempted_at", Timestamp, nullable=False, comment="real time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "workspace_id", "channel", "attempted_at"),
    comment="Each time that a channel's webhooks were pointed to us again, or a key was made anew.",
)

number_replacement = tenant_table(
    "number_replacement",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("why", Text, nullable=False, comment="what happened to the old number, as a sentence"),
    Column("old_number", Text, nullable=False, comment="E.164"),
    Column("old_number_sid", Text, nullable=False, comment="Twilio's id"),
    Column("old_whatsapp_id", Text, comment="WhatsApp's id; null: it was not on WhatsApp"),
    Column("new_number", Text, comment="E.164; null: it is not bought yet"),
    Column("new_number_sid", Text, comment="Twilio's id"),
    Column("new_whatsapp_id", Text, comment="WhatsApp's id"),
    Column("waits_on", Text, comment="studio, meta, twilio or us; null: it waits on nobody"),
    Column("wait_reason", Text, comment="for what, as a sentence"),
    Column("begun_at", Timestamp, nullable=False, comment="real time"),
    Column("begun_on", Date, nullable=False, comment="UTC, business time: one may begin on a day"),
    Column("moved_at", Timestamp, comment="business time when the studio changed over to the new number"),
    Column("ended_at", Timestamp, comment="business time; null: it is under way"),
    Column("outcome", Text, comment="replaced, or why it was given up"),
    Column("correlation_id", Uuid, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "begun_on"),
    Index("uq_number_replacement_under_way", "workspace_id", unique=True, postgresql_where=text("ended_at is null")),
    comment="A number that was lost, and the one that takes its place.",
)

number_wait = tenant_table(
    "number_wait",
    workspace_key(),
    Column("matter", Text, primary_key=True, comment="replacement or own_number"),
    Column("id", Uuid, nullable=False, comment="of this wait; the next one has another"),
    Column("title", Text, nullable=False, comment="what waits, as people read it"),
    Column("waits_on", Text, nullable=False, comment="studio, meta, twilio, stripe or us: who has to act"),
    Column("reason", Text, nullable=False, comment="for what, as a sentence"),
    Column("link", Text, comment="where to act; null: on the studio's page"),
    Column("state", Text, nullable=False, comment="waiting, or expired: it has waited in vain, and waits still"),
    Column("wait_since", Timestamp, nullable=False, comment="real time"),
    Column("waits_from", Timestamp, nullable=False, comment="business time: reminders count from then"),
    Column("reminders", SmallInteger, nullable=False, server_default="0", comment="sent in this wait"),
    Column("remind_at", Timestamp, comment="business time of the next reminder; null: none is to come"),
    Column("expires_at", Timestamp, comment="business time when it has waited in vain; null: never, or it has"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "remind_at"),
    Index(None, "expires_at"),
    comment="What the number of a studio that is open waits for.",
)
