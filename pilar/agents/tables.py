"""The agent's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from pilar.database.schema import ANALYTICS, Timestamp, json_column, tenant_table, workspace_key

ai_rule = tenant_table(
    "ai_rule",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, comment="experiments name it as their subject: rule:<name>"),
    Column("goal", Text, nullable=False, comment="what it is to lead to: reply or booking"),
    Column("priority", SmallInteger, nullable=False, comment="1 to 100: of the rules that match the highest answers"),
    Column("version", Integer, nullable=False, comment="grows with each change of what it says or does"),
    json_column("conditions", comment="list; all of them have to hold"),
    json_column("actions", comment="list; what it does"),
    json_column("variants", nullable=True, comment="{key: actions}: what it does instead while an experiment runs"),
    Column("active", Boolean, nullable=False),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("changed_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "name"),
    CheckConstraint("priority between 1 and 100", name="priority"),
    comment="What a studio's agent answers to which messages.",
)

rule_firing = tenant_table(
    "rule_firing",
    workspace_key(),
    Column("message_id", Uuid, primary_key=True, comment="the lead's message: one rule answers it"),
    Column("rule_id", Uuid, comment="null: no rule matched"),
    Column("rule_version", Integer),
    Column("experiment_id", Uuid, comment="the experiment that chose the variant"),
    Column("variant", Text, comment="what the rule did, where an experiment varied it"),
    Column("lead_id", Uuid, nullable=False),
    Column("answer_id", Uuid, comment="the message that answers; null where the rule gives no answer"),
    Column("turn_id", Uuid, comment="the turn in which a model answers it"),
    Column("fired_at", Timestamp, nullable=False, comment="business time"),
    Column("latency_ms", Integer, nullable=False, comment="door to decision, in real milliseconds"),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    ForeignKeyConstraint(["workspace_id", "answer_id"], ["message.workspace_id", "message.id"]),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    ForeignKeyConstraint(["workspace_id", "rule_id"], ["ai_rule.workspace_id", "ai_rule.id"]),
    Index(None, "workspace_id", "rule_id"),
    comment="Which rule answered which message.",
)

model_turn = tenant_table(
    "model_turn",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False, comment="the newest message that it answers"),
    Column("state", Text, nullable=False, comment="collecting, asking, answered, handed_over or dropped"),
    Column("reason", Text, comment="why the model did not answer, in one word"),
    Column("answer_id", Uuid, comment="what was said, by the model or in its place"),
    Column("provider", Text, comment="whose model answered"),
    Column("model", Text, comment="as its provider names it"),
    Column("input_tokens", Integer, nullable=False, comment="read by the model"),
    Column("output_tokens", Integer, nullable=False, comment="written by the model"),
    Column("opened_at", Timestamp, nullable=False, comment="business time"),
    Column("due_at", Timestamp, nullable=False, comment="business time from when on the model is asked"),
    Column("ended_at", Timestamp, comment="business time; null: it is open"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    Index(
        "uq_model_turn_collecting",
        "workspace_id",
        "lead_id",
        unique=True,
        postgresql_where=text("state = 'collecting'"),
    ),
    comment="Messages of a lead that a model answers together.",
)

rule_performance = tenant_table(
    "rule_performance",
    workspace_key(),
    Column("rule_id", Uuid, primary_key=True, comment="the rule"),
    Column("variant", Text, primary_key=True, comment="of an experiment; empty: as the rule is without one"),
    Column("name", Text, nullable=False, comment="the rule's name"),
    Column("matches", Integer, nullable=False, comment="messages that it was chosen for"),
    Column("answered", Integer, nullable=False, comment="answers that the provider accepted"),
    Column("refused", Integer, nullable=False, comment="answers that our own verdict refused"),
    Column("failed", Integer, nullable=False, comment="answers that the provider refused or lost"),
    Column(
        "successes",
        Integer,
        nullable=False,
        comment="goal booking: a booking within 7 days; goal reply: a reply within 24 hours",
    ),
    Column("success_rate", Double, comment="successes of matches, 0 to 1; null without a match"),
    Column("avg_latency_ms", Double, comment="door to provider's acceptance, in real milliseconds"),
    Column("last_fired_at", Timestamp, comment="business time"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="What has come of each rule, by variant.",
)
