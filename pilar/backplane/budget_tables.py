"""Tables of budgets that came after the first. What belongs here: their shape; the others are in `tables.py`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Text, Uuid

from pilar.database.schema import Timestamp, tenant_table, workspace_key

budget_override = tenant_table(
    "budget_override",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("resource", Text, nullable=False, comment="messages, tokens, api_calls or money"),
    Column("period", Text, nullable=False, comment="hour or day"),
    Column("amount", BigInteger, nullable=False, comment="stands in place of the limit's while it lasts"),
    Column("starts_at", Timestamp, nullable=False, comment="business time"),
    Column("until", Timestamp, nullable=False, comment="business time; ends by itself then"),
    Column("made_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("reason", Text, nullable=False),
    Column("ended_at", Timestamp, comment="business time; null: nobody has ended it"),
    Column("ended_by", Text, comment="the actor; who made the one that followed, where it was replaced"),
    # Which is to be asked for each message that goes: one at most.
    Index(
        "ix_budget_override_open",
        "workspace_id",
        "resource",
        "period",
        unique=True,
        postgresql_where="ended_at is null",
    ),
    comment="An admin's other limit for a workspace, for a while.",
)
