"""What limits sending, by which channel a message goes, and what it costs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_analytics_table, protect_fleet_table, protect_tenant_table

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns, an index and the tables."""
    op.execute("set local lock_timeout = '10s'")
    _messages()
    _limits()
    _costs()
    for table in ("lead_reach", "country_block"):
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in ("send_bucket", "message_rate"):
        for statement in protect_fleet_table(table):
            op.execute(statement)
    for statement in protect_analytics_table("analytics.messaging_cost", tenant=True):
        op.execute(statement)


def _messages() -> None:
    op.add_column(
        "message",
        sa.Column("channel", sa.Text(), server_default="whatsapp", nullable=False, comment="whatsapp or sms"),
    )
    op.add_column(
        "message",
        sa.Column(
            "cost_micro",
            sa.BigInteger(),
            comment="out: by the rate card when it was taken, in millionths of the currency",
        ),
    )
    op.add_column("message", sa.Column("cost_currency", sa.Text(), comment="ISO 4217; null: nothing was taken"))
    op.create_index(
        "ix_message_attempted",
        "message",
        ["workspace_id", "attempted_at"],
        postgresql_where=sa.text("attempted_at is not null"),
    )
    op.alter_column("send_control", "channel", comment="whatsapp or sms; null: every channel")


def _limits() -> None:
    op.create_table(
        "lead_reach",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column(
            "undelivered", sa.SmallInteger(), nullable=False, comment="messages in a row that could not be delivered"
        ),
        sa.Column("unreachable_since", MOMENT, comment="business time; null: WhatsApp reaches them"),
        sa.Column(
            "marketing_waits", sa.SmallInteger(), nullable=False, comment="marketing in a row that WhatsApp held off"
        ),
        sa.Column("marketing_waits_until", MOMENT, comment="business time; null: nothing is held off"),
        sa.Column(
            "sms_refused",
            sa.Text(),
            comment="Twilio's code for why no SMS reaches them; null: as far as we know it does",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", name=op.f("pk_lead_reach")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_lead_reach_workspace_id_lead"),
        ),
        comment="How a lead can be reached, as far as providers have told; no row: as anybody.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "country_block",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("country", sa.Text(), nullable=False, comment="ISO 3166 alpha-2"),
        sa.Column("code", sa.Text(), nullable=False, comment="the provider's"),
        sa.Column("blocked_at", MOMENT, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "country", name=op.f("pk_country_block")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_country_block_workspace_id_workspace")
        ),
        comment="Countries that WhatsApp lets a studio's account write to no more.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "send_bucket",
        sa.Column("subject", sa.Text(), nullable=False, comment="app; number:<studio>; pair:<studio>:<lead>"),
        sa.Column("due_at", MOMENT, nullable=False, comment="real time: when the next message is due at an even pace"),
        sa.Column("strikes", sa.SmallInteger(), nullable=False, comment="refusals in a row for being too quick"),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_send_bucket")),
        comment="The pace of what is sent, shared by all workers; a row that is long due says nothing.",
        info={"kind": "fleet"},
    )


def _costs() -> None:
    op.create_table(
        "message_rate",
        sa.Column("channel", sa.Text(), nullable=False, comment="whatsapp or sms"),
        sa.Column("category", sa.Text(), nullable=False, comment="service, utility or marketing"),
        sa.Column("country", sa.Text(), nullable=False, comment="ISO 3166 alpha-2, or * for every other"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="UTC, business time: from this day on"),
        sa.Column(
            "micro", sa.BigInteger(), nullable=False, comment="price of one message in millionths of the currency"
        ),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217"),
        sa.Column("set_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("set_at", MOMENT, nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("channel", "category", "country", "valid_from", name=op.f("pk_message_rate")),
        comment="Prices of messages that the founder has set, in place of those the house starts with.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "messaging_cost",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("month", sa.Date(), nullable=False, comment="its first day, UTC, business time"),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217"),
        sa.Column("messages", sa.Integer(), nullable=False, comment="taken by a provider in this month"),
        sa.Column(
            "cost_micro", sa.BigInteger(), nullable=False, comment="what they cost, in millionths of the currency"
        ),
        sa.Column(
            "revenue_minor",
            sa.BigInteger(),
            comment="the plan's price per period, minor units; null: in no such currency",
        ),
        sa.Column("refreshed_at", MOMENT, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "month", "currency", name=op.f("pk_messaging_cost")),
        schema="analytics",
        comment="What a studio's messages cost beside what its plan brings, by month.",
        info={"kind": "tenant"},
    )
