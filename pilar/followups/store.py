"""The SQL of follow-ups. What belongs here: who is silent, what speaks against a step, and the steps' rows.

A lead is silent since our first message after their last word, follow-ups and notices aside, and only while ours is the
last word: a lead who waits for an answer is not asked why they say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text, update

from pilar.followups.tables import followup_step

ORIGIN = "followup:"
"""What the origin of a follow-up's message begins with; its name follows."""

_CONSENT = """
left join lateral (
  select bool_or(scope in ('all', 'founder') and not granted) as silenced,
         bool_or(scope = 'marketing' and granted) as agreed,
         bool_or(scope = 'marketing' and not granted) as declined
  from (select distinct on (scope) scope, granted from consent k
        where k.workspace_id = c.workspace_id and k.lead_id = c.lead_id order by scope, k.id desc) newest
) a on true
"""

_IS_MARKETING = """
exists (select from message_template t where t.workspace_id = f.workspace_id and t.name = f.template_name
          and t.category = 'marketing')
"""

_HAS_BOOKED = """
exists (select from booking b where b.workspace_id = c.workspace_id and b.lead_id = c.lead_id
          and b.state = 'booked' and (b.ends_at > :now or b.created_at >= {since}))
"""

_AGAINST = f"""
case when w.state <> 'active' then 'closed'
     when l.lifecycle <> 'lead' then 'not_a_lead'
     when exists (select from message i where i.workspace_id = p.workspace_id and i.lead_id = p.lead_id
                    and i.direction = 'in' and i.occurred_at > p.silent_since) then 'replied'
     when c.mode <> 'bot' then 'with_person'
     when coalesce(a.silenced, false) or ({_IS_MARKETING} and not coalesce(a.agreed, false)) then 'opted_out'
     when {_HAS_BOOKED.format(since="p.silent_since")} then 'booked'
     when not f.active then 'turned_off' end
"""

_STEP = f"""
from followup_step p
join followup f on f.workspace_id = p.workspace_id and f.id = p.followup_id
join workspace w on w.workspace_id = p.workspace_id
join lead l on l.workspace_id = p.workspace_id and l.id = p.lead_id
join conversation c on c.workspace_id = p.workspace_id and c.lead_id = p.lead_id
{_CONSENT}
"""

# Sorted, so that two plans take rows in one order.
_STOP = f"""
with against as materialized (
  select p.workspace_id, p.id, {_AGAINST} as code {_STEP}
  where p.workspace_id = any(:studios) and p.message_id is null and p.skipped is null
), found as (
  select p.workspace_id, p.id, x.code from followup_step p join against x using (workspace_id, id)
  where x.code is not null and p.message_id is null and p.skipped is null
  order by p.workspace_id, p.id for update of p skip locked
)
update followup_step p set skipped = found.code from found
where p.workspace_id = found.workspace_id and p.id = found.id and p.message_id is null and p.skipped is null
"""

# Whoever's time may be up now got a message of ours so long ago: few of all leads, and found by when it was sent.
_SILENT = f"""
with within as materialized (
  select f.workspace_id, f.id, cast(:earliest as timestamptz) - make_interval(mins => f.after_minutes) as first,
         cast(:latest as timestamptz) - make_interval(mins => f.after_minutes) as last
  from followup f where f.workspace_id = any(:studios) and f.active
), candidate as materialized (
  select x.workspace_id, x.id as followup_id, m.lead_id from within x
  join message m on m.workspace_id = x.workspace_id and m.attempted_at between x.first and x.last
  union
  select x.workspace_id, x.id, p.lead_id from within x
  join followup_step p on p.workspace_id = x.workspace_id and p.followup_id = x.id
    and p.made_at between x.first and x.last
)
select c.workspace_id, c.lead_id, l.phone, l.time_zone, w.time_zone as studio_zone, s.since as silent_since,
       f.id as followup_id, f.time_of_day, coalesce(d.newest, 0) + 1 as number,
       greatest(s.since, d.made) + make_interval(mins => f.after_minutes) as base
from candidate x
join workspace w on w.workspace_id = x.workspace_id and w.state = 'active'
join followup f on f.workspace_id = x.workspace_id and f.id = x.followup_id
join conversation c on c.workspace_id = x.workspace_id and c.lead_id = x.lead_id and c.mode = 'bot'
join lead l on l.workspace_id = c.workspace_id and l.id = c.lead_id and l.lifecycle = 'lead'
left join lateral (
  select max(i.occurred_at) as at from message i
  where i.workspace_id = c.workspace_id and i.lead_id = c.lead_id and i.direction = 'in'
) wrote on true
join lateral (
  select min(m.attempted_at) as since from message m
  where m.workspace_id = c.workspace_id and m.lead_id = c.lead_id and m.direction = 'out'
    and m.occurred_at > :horizon and m.attempted_at > coalesce(wrote.at, '-infinity')
    and m.state in ('accepted', 'sent', 'delivered', 'read')
    and m.origin not like '{ORIGIN}%' and m.origin not like 'notice:%' and m.origin <> 'test'
) s on s.since is not null
left join lateral (
  select count(p.message_id) as times, max(p.number) as newest, max(p.made_at) as made,
         bool_or(p.message_id is null and p.skipped is null) as waits,
         bool_or(p.skipped is not null and p.silent_since = s.since) as stopped
  from followup_step p
  where p.workspace_id = c.workspace_id and p.lead_id = c.lead_id and p.followup_id = f.id
) d on true
{_CONSENT}
where coalesce(d.times, 0) < f.at_most and not coalesce(d.waits, false) and not coalesce(d.stopped, false)
  and greatest(s.since, d.made) + make_interval(mins => f.after_minutes) between :earliest and :latest
  and not coalesce(a.silenced, false) and (coalesce(a.agreed, false) or not {_IS_MARKETING})
  and not {_HAS_BOOKED.format(since="s.since")}
order by c.workspace_id, c.lead_id, f.id
"""

_ADD = """
insert into followup_step (workspace_id, id, lead_id, followup_id, number, silent_since, due_at, planned_at)
select x.workspace_id, x.id, x.lead_id, x.followup_id, x.number, x.silent_since, x.due_at, :now
from unnest(cast(:studios as uuid[]), cast(:ids as uuid[]), cast(:leads as uuid[]), cast(:followups as uuid[]),
            cast(:numbers as smallint[]), cast(:since as timestamptz[]), cast(:due as timestamptz[]))
  as x(workspace_id, id, lead_id, followup_id, number, silent_since, due_at)
order by x.workspace_id, x.lead_id, x.followup_id
on conflict do nothing returning workspace_id, id, due_at
"""

_HOLD = "select * from followup_step where workspace_id = :w and id = :id"

_ONE = f"""
select f.name, f.template_name, f.time_of_day, w.time_zone as studio_zone, {_AGAINST} as against {_STEP}
where p.workspace_id = :w and p.id = :id
"""

_MADE = "select count(*) from followup_step where workspace_id = :w and lead_id = :lead and made_at >= :since"

_USING = "select distinct workspace_id from followup where workspace_id = any(:studios) and active"


def studios_using(connection: Connection, studios: Sequence[UUID]) -> list[UUID]:
    """Those of the studios that have a follow-up in use."""
    return list(connection.execute(text(_USING), {"studios": list(studios)}).scalars())


def stop_steps(connection: Connection, studios: Sequence[UUID], now: datetime) -> int:
    """Call off the pending steps that something speaks against by now; return how many. Needs the fleet's scope."""
    return connection.execute(text(_STOP), {"studios": list(studios), "now": now}).rowcount


def silent_leads(
    connection: Connection, studios: Sequence[UUID], now: datetime, *, earliest: datetime, latest: datetime,
    longest: timedelta,
) -> list[Row[Any]]:  # fmt: skip
    """Leads of active studios whose silence has lasted for a follow-up's time within a span, by follow-up.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose leads.
        now: business time.
        earliest: one whose time was up before is let go.
        latest: one whose time is up later is planned another time.
        longest: a conversation that rests for longer is over.
    """
    values = {"studios": list(studios), "now": now, "earliest": earliest, "latest": latest, "horizon": now - longest}
    return list(connection.execute(text(_SILENT), values))


def add_steps(connection: Connection, steps: Sequence[Mapping[str, Any]], now: datetime) -> list[Row[Any]]:
    """Keep steps, each once; return those that are new."""
    columns = {"studios": "workspace_id", "ids": "id", "leads": "lead_id", "followups": "followup_id",
               "numbers": "number", "since": "silent_since", "due": "due_at"}  # fmt: skip
    values = {name: [one[column] for one in steps] for name, column in columns.items()}
    return list(connection.execute(text(_ADD), {**values, "now": now}))


def find_step(connection: Connection, workspace_id: UUID, step_id: UUID, *, hold: bool = False) -> Row[Any] | None:
    """A step; `hold` keeps others from changing it until the end."""
    statement = f"{_HOLD}{' for update' if hold else ''}"
    return connection.execute(text(statement), {"w": workspace_id, "id": step_id}).one_or_none()


def about_step(connection: Connection, workspace_id: UUID, step_id: UUID, now: datetime) -> Row[Any]:
    """What a step is about, and the code of what speaks against it now, if anything does."""
    return connection.execute(text(_ONE), {"w": workspace_id, "id": step_id, "now": now}).one()


def made_since(connection: Connection, workspace_id: UUID, lead_id: UUID, since: datetime) -> int:
    """How many follow-ups were made messages for a lead since a moment of business time."""
    values = {"w": workspace_id, "lead": lead_id, "since": since}
    return int(connection.execute(text(_MADE), values).scalar_one())


def change_step(connection: Connection, workspace_id: UUID, step_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a step's row."""
    connection.execute(update(followup_step).filter_by(workspace_id=workspace_id, id=step_id).values(dict(values)))
