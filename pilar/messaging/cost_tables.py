"""The tables of what messages cost. What belongs here: their shape; the prices we start with are `rate_card.py`'s."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Integer, Text

from pilar.database.schema import ANALYTICS, Timestamp, fleet_table, tenant_table, workspace_key

message_rate = fleet_table(
    "message_rate",
    Column("channel", Text, primary_key=True, comment="whatsapp, sms or email"),
    Column("category", Text, primary_key=True, comment="service, utility or marketing"),
    Column("country", Text, primary_key=True, comment="ISO 3166 alpha-2, or * for every other"),
    Column("valid_from", Date, primary_key=True, comment="UTC, business time: from this day on"),
    Column("micro", BigInteger, nullable=False, comment="price of one message in millionths of the currency"),
    Column("currency", Text, nullable=False, comment="ISO 4217"),
    Column("set_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("set_at", Timestamp, nullable=False, comment="real time"),
    comment="Prices of messages that the founder has set, in place of those the house starts with.",
)

messaging_cost = tenant_table(
    "messaging_cost",
    workspace_key(),
    Column("month", Date, primary_key=True, comment="its first day, UTC, business time"),
    Column("currency", Text, primary_key=True, comment="ISO 4217"),
    Column("messages", Integer, nullable=False, comment="taken by a provider in this month"),
    Column("cost_micro", BigInteger, nullable=False, comment="what they cost, in millionths of the currency"),
    Column("revenue_minor", BigInteger, comment="the plan's price per period, minor units; null: in no such currency"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="What a studio's messages cost beside what its plan brings, by month.",
)
