"""The tables of what limits sending. What belongs here: their shape; the rules are `verdict.py`'s and `pace.py`'s."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, SmallInteger, Text, Uuid

from pilar.database.schema import Timestamp, fleet_table, tenant_table, workspace_key

lead_reach = tenant_table(
    "lead_reach",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True),
    Column("undelivered", SmallInteger, nullable=False, comment="messages in a row that could not be delivered"),
    Column("unreachable_since", Timestamp, comment="business time; null: WhatsApp reaches them"),
    Column("marketing_waits", SmallInteger, nullable=False, comment="marketing in a row that WhatsApp held off"),
    Column("marketing_waits_until", Timestamp, comment="business time; null: nothing is held off"),
    Column("sms_refused", Text, comment="Twilio's code for why no SMS reaches them; null: as far as we know it does"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    comment="How a lead can be reached, as far as providers have told; no row: as anybody.",
)

country_block = tenant_table(
    "country_block",
    workspace_key(),
    Column("country", Text, primary_key=True, comment="ISO 3166 alpha-2"),
    Column("code", Text, nullable=False, comment="the provider's"),
    Column("blocked_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="Countries that WhatsApp lets a studio's account write to no more.",
)

send_bucket = fleet_table(
    "send_bucket",
    Column("subject", Text, primary_key=True, comment="app; number:<studio>; pair:<studio>:<lead>"),
    Column("due_at", Timestamp, nullable=False, comment="real time: when the next message is due at an even pace"),
    Column("strikes", SmallInteger, nullable=False, comment="refusals in a row for being too quick"),
    comment="The pace of what is sent, shared by all workers; a row that is long due says nothing.",
)
