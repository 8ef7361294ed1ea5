"""Messaging's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Integer, SmallInteger, Text, UniqueConstraint, Uuid

from pilar.database.schema import Timestamp, tenant_table, workspace_key

message_template = tenant_table(
    "message_template",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, comment="as WhatsApp names it: lower case, digits, underscores"),
    Column("language", Text, nullable=False, comment="ISO 639-1"),
    Column("category", Text, nullable=False, comment="marketing, utility or authentication"),
    Column("body", Text, nullable=False, comment="with numbered variables: {{1}}"),
    Column("state", Text, nullable=False, comment="draft until it is submitted; then as WhatsApp has it"),
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
