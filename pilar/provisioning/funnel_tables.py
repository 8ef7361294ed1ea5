"""What analysts and the founder read of provisioning. What belongs here: the tables' shape; all of it is made again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Date, Double, Integer, SmallInteger, Text

from pilar.database.schema import ANALYTICS, Timestamp, fleet_table


def _count(name: str, comment: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, comment=comment)


def _seconds(name: str, comment: str) -> Column[Any]:
    return Column(name, Double, comment=comment)


def _refreshed_at() -> Column[Any]:
    return Column("refreshed_at", Timestamp, nullable=False, comment="business time when this row was made")


provisioning_funnel = fleet_table(
    "provisioning_funnel",
    Column("day", Date, primary_key=True, comment="of the signups, in UTC and business time"),
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
    schema=ANALYTICS,
    comment="How far the signups of each day have come.",
)

provisioning_step_time = fleet_table(
    "provisioning_step_time",
    Column("step", Text, primary_key=True, comment="the step's name; all: from the payment to the opening"),
    Column("title", Text, nullable=False, comment="the same, as people read it"),
    Column("ordinal", SmallInteger, nullable=False, comment="its place in the order of steps; 0: all"),
    _count("completed", "how many signups of the last ninety days have it behind them"),
    _count("waited", "how many of these had to wait for somebody"),
    _seconds("total_p50", "seconds of business time from its first attempt to its end, median"),
    _seconds("total_p95", "the same, which nineteen of twenty do not exceed"),
    _seconds("work_p50", "of these in work of our own, with our retries and failures, median"),
    _seconds("work_p95", "the same, which nineteen of twenty do not exceed"),
    _seconds("wait_p50", "of these in waits on others, median"),
    _seconds("wait_p95", "the same, which nineteen of twenty do not exceed"),
    _refreshed_at(),
    schema=ANALYTICS,
    comment="How long each step of provisioning takes, and how much of it is waiting.",
)

provisioning_wait = fleet_table(
    "provisioning_wait",
    Column("waits_on", Text, primary_key=True, comment="studio, meta, twilio, stripe or us"),
    _count("waiting", "how many studios wait on them"),
    _count("in_vain", "of these: given up until somebody acts"),
    _count("under_a_day", "of these: for less than a day of business time"),
    _count("under_three_days", "of these: for less than three days"),
    _count("under_a_week", "of these: for less than a week"),
    _count("longer", "of these: for a week or more"),
    Column("oldest_at", Timestamp, comment="business time since when the first of them waits"),
    _refreshed_at(),
    schema=ANALYTICS,
    comment="On whom studios wait that are being made, and for how long.",
)
