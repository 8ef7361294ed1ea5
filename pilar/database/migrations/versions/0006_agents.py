"""The agent: rules, what they answered, and what came of them, with their policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_analytics_table, protect_tenant_table

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TENANT = ("ai_rule", "rule_firing")


def upgrade() -> None:
    """Make tables, policies and grants."""
    _create_tables()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for statement in protect_analytics_table("analytics.rule_performance", tenant=True):
        op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "rule_performance",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("rule_id", sa.Uuid(), nullable=False, comment="the rule"),
        sa.Column("variant", sa.Text(), nullable=False, comment="of an experiment; empty: as the rule is without one"),
        sa.Column("name", sa.Text(), nullable=False, comment="the rule's name"),
        sa.Column("matches", sa.Integer(), nullable=False, comment="messages that it was chosen for"),
        sa.Column("answered", sa.Integer(), nullable=False, comment="answers that the provider accepted"),
        sa.Column("refused", sa.Integer(), nullable=False, comment="answers that our own verdict refused"),
        sa.Column("failed", sa.Integer(), nullable=False, comment="answers that the provider refused or lost"),
        sa.Column(
            "successes",
            sa.Integer(),
            nullable=False,
            comment="goal booking: a booking within 7 days; goal reply: a reply within 24 hours",
        ),
        sa.Column(
            "success_rate", sa.Double(), nullable=True, comment="successes of matches, 0 to 1; null without a match"
        ),
        sa.Column(
            "avg_latency_ms", sa.Double(), nullable=True, comment="door to provider's acceptance, in real milliseconds"
        ),
        sa.Column("last_fired_at", sa.DateTime(timezone=True), nullable=True, comment="business time"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "rule_id", "variant", name=op.f("pk_rule_performance")),
        schema="analytics",
        comment="What has come of each rule, by variant.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "ai_rule",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="experiments name it as their subject: rule:<name>"),
        sa.Column("goal", sa.Text(), nullable=False, comment="what it is to lead to: reply or booking"),
        sa.Column(
            "priority",
            sa.SmallInteger(),
            nullable=False,
            comment="1 to 100: of the rules that match the highest answers",
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="grows with each change of what it says or does"),
        sa.Column(
            "conditions",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="list; all of them have to hold",
        ),
        sa.Column(
            "actions",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=False,
            comment="list; what it does",
        ),
        sa.Column(
            "variants",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="{key: actions}: what it does instead while an experiment runs",
        ),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.CheckConstraint("priority between 1 and 100", name=op.f("ck_ai_rule_priority")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_ai_rule_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_ai_rule")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_ai_rule_workspace_id_name")),
        comment="What a studio's agent answers to which messages.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "rule_firing",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="the lead's message: one rule answers it"),
        sa.Column("rule_id", sa.Uuid(), nullable=True, comment="null: no rule matched"),
        sa.Column("rule_version", sa.Integer(), nullable=True),
        sa.Column("experiment_id", sa.Uuid(), nullable=True, comment="the experiment that chose the variant"),
        sa.Column("variant", sa.Text(), nullable=True, comment="what the rule did, where an experiment varied it"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column(
            "answer_id",
            sa.Uuid(),
            nullable=True,
            comment="the message that answers; null where the rule gives no answer",
        ),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("latency_ms", sa.Integer(), nullable=False, comment="door to decision, in real milliseconds"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "answer_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_rule_firing_workspace_id_answer_id_message"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_rule_firing_workspace_id_lead_id_lead"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_rule_firing_workspace_id_message_id_message"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "rule_id"],
            ["ai_rule.workspace_id", "ai_rule.id"],
            name=op.f("fk_rule_firing_workspace_id_rule_id_ai_rule"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "message_id", name=op.f("pk_rule_firing")),
        comment="Which rule answered which message.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_rule_firing_workspace_id_rule_id"), "rule_firing", ["workspace_id", "rule_id"], unique=False
    )
