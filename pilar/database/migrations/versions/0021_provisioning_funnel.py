"""Provisioning as numbers: how long each step took by business time, and what analysts and the founder read of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_analytics_table

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

OF_FLEET = ("analytics.provisioning_funnel", "analytics.provisioning_step_time", "analytics.provisioning_wait")


def upgrade() -> None:
    """Add the columns and make the tables; the next run of Dagster's fills them."""
    op.execute("set local lock_timeout = '10s'")
    for column in (
        sa.Column(
            "begun_at",
            sa.DateTime(timezone=True),
            comment="business time of the first attempt; null: none yet, or of before it was kept",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), comment="business time when it was completed"),
        sa.Column(
            "waited_seconds",
            sa.Double(),
            nullable=False,
            server_default=sa.text("0"),
            comment="of business time, in those of its waits that are over",
        ),
    ):
        op.add_column("provisioning_step", column)
    _funnel()
    _step_time()
    _wait()
    for table in OF_FLEET:
        for statement in protect_analytics_table(table, tenant=False):
            op.execute(statement)


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, comment=comment)


def _seconds(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), comment=comment)


def _refreshed_at() -> sa.Column[object]:
    return sa.Column(
        "refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time when this row was made"
    )


def _funnel() -> None:
    op.create_table(
        "provisioning_funnel",
        sa.Column("day", sa.Date(), nullable=False, comment="of the signups, in UTC and business time"),
        _count("signups", "paid subscriptions that a studio was begun for"),
        _count("validated", "of these: Stripe was asked, and knows the customer"),
        _count("created", "of these: there is a workspace with its owner"),
        _count("with_account", "of these: with an account of their own at Twilio"),
        _count("with_number", "of these: with a number"),
        _count("connected", "of these: the owner has let us act for their WhatsApp business account"),
        _count("on_whatsapp", "of these: with the number registered at WhatsApp"),
        _count("reviewed", "of these: WhatsApp has decided about each template"),
        _count("opened", "of these: the studio is open"),
        _count("running", "of the rest: being made just now"),
        _count("waits_on_studio", "of the rest: waiting on the studio's owner"),
        _count("waits_on_meta", "of the rest: waiting on Meta"),
        _count("waits_on_twilio", "of the rest: waiting on Twilio"),
        _count("waits_on_stripe", "of the rest: waiting on a payment"),
        _count("waits_on_us", "of the rest: waiting on us"),
        _count("failed", "of the rest: a step has failed, and somebody has to look"),
        _count("expired", "of the rest: waited in vain, until somebody acts"),
        _count("taken_back", "of the rest: taken back, or being so"),
        _seconds("open_p50", "seconds of business time from payment to opening, median; null: none has opened"),
        _seconds("open_p95", "the same, which nineteen of twenty do not exceed"),
        _refreshed_at(),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_provisioning_funnel")),
        schema="analytics",
        comment="How far the signups of each day have come.",
        info={"kind": "fleet"},
    )


def _step_time() -> None:
    op.create_table(
        "provisioning_step_time",
        sa.Column("step", sa.Text(), nullable=False, comment="the step's name; all: from the payment to the opening"),
        sa.Column("title", sa.Text(), nullable=False, comment="the same, as people read it"),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False, comment="its place in the order of steps; 0: all"),
        _count("completed", "how many signups of the last ninety days have it behind them"),
        _count("waited", "how many of these had to wait for somebody"),
        _seconds("total_p50", "seconds of business time from its first attempt to its end, median"),
        _seconds("total_p95", "the same, which nineteen of twenty do not exceed"),
        _seconds("work_p50", "of these in work of our own, with our retries and failures, median"),
        _seconds("work_p95", "the same, which nineteen of twenty do not exceed"),
        _seconds("wait_p50", "of these in waits on others, median"),
        _seconds("wait_p95", "the same, which nineteen of twenty do not exceed"),
        _refreshed_at(),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_provisioning_step_time")),
        schema="analytics",
        comment="How long each step of provisioning takes, and how much of it is waiting.",
        info={"kind": "fleet"},
    )


def _wait() -> None:
    op.create_table(
        "provisioning_wait",
        sa.Column("waits_on", sa.Text(), nullable=False, comment="studio, meta, twilio, stripe or us"),
        _count("waiting", "how many studios wait on them"),
        _count("in_vain", "of these: given up until somebody acts"),
        _count("under_a_day", "of these: for less than a day of business time"),
        _count("under_three_days", "of these: for less than three days"),
        _count("under_a_week", "of these: for less than a week"),
        _count("longer", "of these: for a week or more"),
        sa.Column("oldest_at", sa.DateTime(timezone=True), comment="business time since when the first of them waits"),
        _refreshed_at(),
        sa.PrimaryKeyConstraint("waits_on", name=op.f("pk_provisioning_wait")),
        schema="analytics",
        comment="On whom studios wait that are being made, and for how long.",
        info={"kind": "fleet"},
    )
