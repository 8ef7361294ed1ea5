"""Health's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Numeric, SmallInteger, Text, Uuid, text

from pilar.database.schema import ANALYTICS, Timestamp, json_column, mixed_table, tenant_table, workspace_key

health_check = tenant_table(
    "health_check",
    workspace_key(),
    Column("component", Text, primary_key=True, comment="what was looked at: twilio_integration, …"),
    Column("status", Text, nullable=False, comment="healthy, degraded or failed"),
    json_column("metrics", comment="what was measured"),
    json_column("issues", comment="what is wrong, as a list of sentences"),
    Column("last_check", Timestamp, nullable=False, comment="business time"),
    Column("next_check", Timestamp, nullable=False, comment="business time"),
    Column("consecutive_failures", Integer, nullable=False),
    comment="How each part of each studio was when it was last looked at.",
)

incident = mixed_table(
    "incident",
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", Uuid, comment="the studio it concerns; null: the fleet"),
    Column("dedupe_key", Text, nullable=False, comment="one open incident per key"),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("severity", Text, nullable=False, comment="low, medium, high or critical"),
    Column("status", Text, nullable=False, comment="open, investigating, resolved or closed"),
    Column("component", Text, nullable=False),
    Column("occurrences", Integer, nullable=False),
    Column("detected_at", Timestamp, nullable=False, comment="business time"),
    Column("last_seen_at", Timestamp, nullable=False, comment="business time"),
    Column("resolved_at", Timestamp, comment="business time"),
    Column("escalated", Boolean, nullable=False, server_default=text("false")),
    Column("correlation_id", Uuid),
    Index(
        "uq_incident_open",
        "dedupe_key",
        unique=True,
        postgresql_where=text("status in ('open', 'investigating')"),
    ),
    Index(None, "status", "detected_at"),
    comment="What somebody should know about, once however often it happened.",
)

workspace_health_score = tenant_table(
    "workspace_health_score",
    workspace_key(),
    Column("score", SmallInteger, nullable=False, comment="0 (nothing works) to 100 (all is well)"),
    Column("integrations", Numeric(5, 2), nullable=False, comment="part: phone number and WhatsApp, 0 to 100"),
    Column("processing", Numeric(5, 2), nullable=False, comment="part: work done in time, 0 to 100"),
    Column("budgets", Numeric(5, 2), nullable=False, comment="part: room left in the budgets, 0 to 100"),
    Column("incidents", Numeric(5, 2), nullable=False, comment="part: open incidents, 0 to 100"),
    Column("weakest", Text, nullable=False, comment="the part that costs the most points"),
    Column("scored_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="How well each studio is doing, with the parts that make the score.",
)
