"""The table of how WhatsApp stands to a number. What belongs here: its shape."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, Text

from pilar.database.schema import Timestamp, tenant_table, workspace_key

number_standing = tenant_table(
    "number_standing",
    workspace_key(),
    Column("quality", Text, nullable=False, comment="green, yellow, red or unknown"),
    Column("messaging_limit", Integer, comment="people written to outside the window in 24 hours; null: no limit"),
    Column("throughput", Integer, nullable=False, comment="messages per second"),
    Column("marketing_frozen_until", Timestamp, comment="business time; null: marketing is not frozen"),
    Column("restricted", Text, comment="what WhatsApp forbids the account, as it names it; null: nothing"),
    Column("restricted_until", Timestamp, comment="business time; null: until WhatsApp says otherwise"),
    Column("told_at", Timestamp, comment="when WhatsApp had it so, by its own clock; older news changes nothing"),
    Column("heard_at", Timestamp, comment="business time; when a webhook last told of a restriction"),
    Column("read_at", Timestamp, comment="business time; when WhatsApp was last asked how it stands"),
    Column("status", Text, comment="the number's, as WhatsApp has it, lower case: connected, banned, …"),
    Column("name_status", Text, comment="of the name that leads see, lower case: approved, declined, …"),
    Column("name_reason", Text, comment="why it was declined, as WhatsApp names it; null: it did not say"),
    Column("review", Text, comment="of the account, lower case: approved, rejected, pending"),
    Column("verification", Text, comment="of the business: verified, not_verified, …"),
    Column("changed_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="How WhatsApp rates and limits a studio's number; no row: as a new one.",
)
