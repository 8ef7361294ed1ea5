"""What a day's life came to, read from the database. What belongs here: the figures' shape and their queries.

They are here because no room may look into so many others; nothing is ever written, and nothing is counted by who
drove the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.database.engine import Database, Scope

Values = dict[str, Any]

_MESSAGES = """
select count(*) filter (where direction = 'in') as messages_in,
       count(*) filter (where direction = 'out' and accepted_at is not null) as messages_out,
       count(*) filter (where direction = 'out' and state in ('queued', 'held', 'attempted', 'unknown')) as unsettled,
       count(distinct lead_id) filter (where direction = 'in') as leads
from message where workspace_id = any(:studios)
"""
_DUE = """
select count(*) from coach_nudge
where workspace_id = any(:studios) and due_at <= :now and message_id is null and skipped is null
"""
_REPLIES = """
select count(*) as replies,
       percentile_cont(0.5) within group (order by seconds) as p50,
       percentile_cont(0.95) within group (order by seconds) as p95
from (select extract(epoch from answer.accepted_at - asked.received_at)::float8 as seconds
      from message answer join message asked on asked.workspace_id = answer.workspace_id and asked.id = answer.reply_to
      where answer.workspace_id = any(:studios) and answer.accepted_at is not null) one
"""
_NUDGES = """
select coalesce(verdict -> 'decision' ->> 'form', 'none') as form, state in ('refused') as refused, count(*) as many
from message where workspace_id = any(:studios) and starts_with(origin, 'coach:')
  and state not in ('queued', 'cancelled', 'held')
group by 1, 2
"""
_REFUSALS = """
select reason ->> 'code' as code, count(*) as many
from message cross join jsonb_array_elements(verdict -> 'decision' -> 'reasons') reason
where workspace_id = any(:studios) and starts_with(origin, 'coach:') and state = 'refused' group by 1
"""
_LATE = "select count(*) from coach_nudge where workspace_id = any(:studios) and skipped = 'late'"
_STAFF = """
select count(*) from message
where workspace_id = any(:studios) and starts_with(origin, 'staff:') and accepted_at is not null
"""
_EXPERIMENT = """
select r.variant, r.exposed, r.converted, r.effect, r.low, r.high, r.p_value, r.srm_p_value, r.decision, r.reasons
from analytics.fleet_experiment_result r where r.experiment_id = :experiment order by r.variant <> r.baseline, r.variant
"""
_COMMISSIONS = """
select kind, account, currency, sum(amount_minor) as amount from ledger_entry
where affiliate_id = :affiliate group by 1, 2, 3
"""


@dataclass
class Life:
    """What came of the day."""

    leads: int = 0
    messages_in: int = 0
    messages_out: int = 0
    unsettled: int = 0
    """Messages on their way, and nudges that are due and have not become one."""
    replies: int = 0
    reply_p50: float | None = None
    """Seconds from our door to the provider's acceptance."""
    reply_p95: float | None = None
    answered_by_staff: int = 0
    written_after_stop: int = 0
    """Counted by the sandbox."""
    nudges_as_text: int = 0
    nudges_as_template: int = 0
    nudges_refused: dict[str, int] = field(default_factory=dict)
    """By reason; a nudge can have several."""
    nudges_late: int = 0
    """Not sent, since their hour had passed before anybody came to it."""
    experiment: list[dict[str, Any]] = field(default_factory=list)
    ledger: dict[str, int] = field(default_factory=dict)
    """Minor units by account, as the affiliate's ledger has them at the end."""
    earned_minor: int = 0
    clawed_back_minor: int = 0
    materialized: dict[str, int] = field(default_factory=dict)
    """Partitions (or 1) by asset, as Dagster tells."""


def read_messages(database: Database, studios: Sequence[UUID], now: datetime, life: Life) -> None:
    """Fill in what was written, answered and nudged up to a moment of business time."""
    with database.transaction(Scope.fleet()) as connection:
        values: Values = {"studios": list(studios)}
        due = int(connection.execute(text(_DUE), {**values, "now": now}).scalar_one())
        row = connection.execute(text(_MESSAGES), values).one()
        life.messages_in, life.messages_out = row.messages_in, row.messages_out
        life.unsettled, life.leads = row.unsettled + due, row.leads
        replies = connection.execute(text(_REPLIES), values).one()
        life.replies = replies.replies
        life.reply_p50, life.reply_p95 = _rounded(replies.p50), _rounded(replies.p95)
        life.answered_by_staff = int(connection.execute(text(_STAFF), values).scalar_one())
        life.nudges_late = int(connection.execute(text(_LATE), values).scalar_one())
        for nudge in connection.execute(text(_NUDGES), values):
            if nudge.form == "text" and not nudge.refused:
                life.nudges_as_text = nudge.many
            elif nudge.form == "template" and not nudge.refused:
                life.nudges_as_template = nudge.many
        life.nudges_refused = {row.code: row.many for row in connection.execute(text(_REFUSALS), values)}


def read_experiment(database: Database, experiment: UUID, life: Life) -> None:
    """Fill in the experiment's result, as its page shows it."""
    with database.transaction(Scope.fleet()) as connection:
        rows = connection.execute(text(_EXPERIMENT), {"experiment": experiment}).mappings()
        life.experiment = [dict(row) for row in rows]


def read_ledger(database: Database, affiliate: UUID, life: Life) -> None:
    """Fill in the affiliate's books."""
    with database.transaction(Scope.fleet()) as connection:
        rows = connection.execute(text(_COMMISSIONS), {"affiliate": affiliate}).all()
    accounts: dict[str, int] = {}
    for row in rows:
        accounts[row.account] = accounts.get(row.account, 0) + int(row.amount)
    life.ledger = accounts
    spent = {row.kind: int(row.amount) for row in rows if row.account == "programme_expense"}
    life.earned_minor, life.clawed_back_minor = abs(spent.get("earned", 0)), abs(spent.get("clawed_back", 0))


def waiting_for_a_person(database: Database, studios: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Studios and leads whose conversation a person has to answer and has not yet."""
    query = """
    select c.workspace_id, c.lead_id from conversation c
    where c.workspace_id = any(:studios) and c.mode = 'person' and c.unread > 0
      and not exists (select from message m where m.workspace_id = c.workspace_id and m.lead_id = c.lead_id
                      and starts_with(m.origin, 'staff:'))
    order by c.mode_since
    """
    with database.transaction(Scope.fleet()) as connection:
        return [(row[0], row[1]) for row in connection.execute(text(query), {"studios": list(studios)})]


def phone_numbers(database: Database, studios: Sequence[UUID]) -> list[tuple[str, str]]:
    """The studios' numbers and countries."""
    query = """
    select i.phone_number, w.country from workspace w join integration i using (workspace_id)
    where i.provider = 'whatsapp' and w.workspace_id = any(:studios) order by w.workspace_id
    """
    with database.transaction(Scope.fleet()) as connection:
        return [(row[0], row[1]) for row in connection.execute(text(query), {"studios": list(studios)})]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
