"""The SQL of prices and of `analytics.messaging_cost`. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging.cost_tables import message_rate, messaging_cost
from pilar.messaging.rate_card import Rate


def rates(connection: Connection) -> list[Rate]:
    """The founder's prices. Needs the fleet's scope."""
    return [
        Rate(row.channel, row.category, row.country, row.valid_from, row.micro, row.currency, row.set_by)
        for row in connection.execute(select(message_rate))
    ]


def keep_rate(connection: Connection, rate: Rate, now: datetime) -> None:
    """Keep one of the founder's prices, in place of one of the same day."""
    changed = {"micro": rate.micro, "currency": rate.currency, "set_by": rate.set_by, "set_at": now}
    key = {
        "channel": rate.channel,
        "category": rate.category,
        "country": rate.country,
        "valid_from": rate.valid_from,
    }
    fresh = insert(message_rate).values(**key, **changed)
    connection.execute(fresh.on_conflict_do_update(index_elements=list(key), set_=changed))


# A plan's price is told by Stripe per period, and a period is a month; in another currency it is no measure.
_MAKE = """
with spent as (
  select m.workspace_id, date_trunc('month', m.attempted_at at time zone 'UTC')::date as month, m.cost_currency,
         count(*) as messages, sum(m.cost_micro) as cost_micro
  from message m
  where m.workspace_id = any(:studios) and m.attempted_at >= :since and m.cost_currency is not null
  group by 1, 2, 3
)
insert into analytics.messaging_cost (workspace_id, month, currency, messages, cost_micro, revenue_minor, refreshed_at)
select p.workspace_id, p.month, p.cost_currency, p.messages, p.cost_micro,
       (select b.amount_minor from subscription b
        where b.workspace_id = p.workspace_id and b.currency = p.cost_currency order by b.read_at desc limit 1), :now
from spent p
on conflict (workspace_id, month, currency) do update set
  messages = excluded.messages, cost_micro = excluded.cost_micro, revenue_minor = excluded.revenue_minor,
  refreshed_at = excluded.refreshed_at
"""


def make_months(connection: Connection, studios: Sequence[UUID], since: datetime, now: datetime) -> int:
    """Make the rows of these studios from a month on; return how many there are."""
    return connection.execute(text(_MAKE), {"studios": list(studios), "since": since, "now": now}).rowcount


def cost_of_month(connection: Connection, workspace_id: UUID, month: date) -> list[Row[Any]]:
    """What a studio's messages cost in a month, by currency."""
    query = select(messaging_cost).filter_by(workspace_id=workspace_id, month=month)
    return list(connection.execute(query.order_by(messaging_cost.c.currency)))
