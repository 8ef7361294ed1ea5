"""The tables of what studios have at Twilio. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Text

from pilar.database.schema import Timestamp, fleet_table, tenant_table, workspace_key

twilio_placement = tenant_table(
    "twilio_placement",
    workspace_key(),
    Column("parent_sid", Text, nullable=False, comment="our account at Twilio that the studio's is under"),
    Column("placed_at", Timestamp, nullable=False, comment="real time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "parent_sid"),
    comment="Under which of our accounts at Twilio a studio's account is made.",
)

twilio_parent = fleet_table(
    "twilio_parent",
    Column("parent_sid", Text, primary_key=True),
    Column("set_aside_at", Timestamp, nullable=False, comment="real time"),
    Column("reason", Text, nullable=False, comment="what Twilio said"),
    comment="Accounts of ours at Twilio that take no new studio for a while.",
)
