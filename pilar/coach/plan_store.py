"""The SQL of planning: one statement for all leads of many studios. What belongs here: rows in, counts out.

What does not: when a schedule is due. That is `schedule.py`'s alone, zones and changing clocks included. It is asked
once for each combination of schedules, zones and hour that the studios' leads have (`combinations`); what it says comes
back as a small table that is joined to the leads (`add_nudges`). So there is one rule of time, and no lead is touched
outside the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from pilar.coach.fatigue import KEPT_BACK, LAST_QUESTION, PAUSED, SLOWED, WEEKLY_CAP

GOAL_REPORT = "goal_progress_report"
MISSED = "missed_training_nudge"

AT_HAND = timedelta(hours=3)
"""How far a plan looks ahead for what the next hours decide: what is still to come can't have been missed."""
SETTLES = timedelta(hours=1)
"""How long after its end a booking without a training is not missed yet: somebody has to write the training down."""
LOOKED_BACK = timedelta(hours=36)
"""How long after its end a missed booking is written about."""
AROUND = timedelta(hours=2)
"""How much earlier or later than booked a training may begin and still be the one that was booked."""
RECORDS = timedelta(days=14)
"""A studio that has recorded no training in so long before a booking does not record them: nothing was missed."""
RHYTHM_ENDS = timedelta(days=28)
"""How long after the last training a rhythm is spoken of."""


@dataclass(frozen=True)
class Due:
    """When leads of one combination get a type of nudge.

    Attributes:
        number: of the set of schedules, as in `studios`.
        lead_zone: IANA name: where the leads are.
        studio_zone: IANA name: where their studio is.
        time_of_day: HH:MM that the leads want, empty where the schedules' hours count.
        type: of nudge.
        local_day: the day it is for.
        time_zone: the zone of that day: one of the two.
        due_at: business time.
    """

    number: int
    lead_zone: str
    studio_zone: str
    time_of_day: str
    type: str
    local_day: date
    time_zone: str
    due_at: datetime


# Where a lead is: what was told, else the studio's zone if the number leaves it possible, else the number's first.
_ZONE = """
coalesce(l.time_zone, case when w.time_zone = any(e.phone_zones) then w.time_zone
                           else coalesce(e.phone_zones[1], w.time_zone) end)
"""

_UNZONED = """
select e.workspace_id, e.lead_id, l.phone
from coach_enrolment e join lead l on l.workspace_id = e.workspace_id and l.id = e.lead_id
where e.workspace_id = any(:studios) and e.ended_at is null and e.phone_zones is null
  and (cast(:lead_id as uuid) is null or e.lead_id = :lead_id)
order by e.workspace_id, e.lead_id limit :limit for update of e
"""

# A set of zones is one text, since arrays of arrays must all be of one length.
_KEEP_ZONES = """
update coach_enrolment e set phone_zones = string_to_array(x.zones, ' ')
from unnest(cast(:studios as uuid[]), cast(:leads as uuid[]), cast(:zones as text[])) as x(workspace_id, lead_id, zones)
where e.workspace_id = x.workspace_id and e.lead_id = x.lead_id
"""

_COACHING = """
select w.workspace_id from workspace w
where w.workspace_id = any(:studios) and w.state = 'active' and exists (
  select from coach_enrolment e where e.workspace_id = w.workspace_id and e.ended_at is null
    and (cast(:lead_id as uuid) is null or e.lead_id = :lead_id))
"""

_OF_STUDIOS = """
  from unnest(cast(:studios as uuid[]), cast(:numbers as int[]), cast(:most as int[])) as s(workspace_id, number, most)
  join workspace w on w.workspace_id = s.workspace_id
  join coach_enrolment e on e.workspace_id = s.workspace_id and e.ended_at is null
    and (cast(:lead_id as uuid) is null or e.lead_id = :lead_id)
  join lead l on l.workspace_id = e.workspace_id and l.id = e.lead_id
"""

_COMBINATIONS = f"""
select s.number, {_ZONE} as lead_zone, w.time_zone as studio_zone, coalesce(e.time_of_day, '') as time_of_day
{_OF_STUDIOS} group by 1, 2, 3, 4
"""

HAS_GOAL = """
exists (select from coach_goal g where g.workspace_id = e.workspace_id and g.lead_id = e.lead_id and g.state = 'active')
"""

_NOT_KEPT = """
b.workspace_id = e.workspace_id and b.lead_id = e.lead_id and b.state = 'booked'
  and b.ends_at <= :now - cast(:settles as interval) and b.ends_at > :now - cast(:looked_back as interval)
  and exists (select from coach_training t where t.workspace_id = b.workspace_id and t.state <> 'planned'
                and t.trained_at > b.starts_at - cast(:records as interval))
  and not exists (select from coach_training t where t.workspace_id = b.workspace_id and t.lead_id = b.lead_id
                    and t.state = 'done' and (t.booking_id = b.id
                         or t.trained_at between b.starts_at - cast(:around as interval)
                                             and b.ends_at + cast(:around as interval)))
  and not exists (select from coach_nudge p where p.workspace_id = e.workspace_id and p.lead_id = e.lead_id
                    and p.type = 'missed_training_nudge' and p.due_at >= b.ends_at and p.id is distinct from :but)
"""

_TOLD_MISSED = """
t.workspace_id = e.workspace_id and t.lead_id = e.lead_id and t.state = 'missed'
  and t.trained_at <= :now - cast(:settles as interval) and t.trained_at > :now - cast(:looked_back as interval)
  and not exists (select from coach_nudge p where p.workspace_id = e.workspace_id and p.lead_id = e.lead_id
                    and p.type = 'missed_training_nudge' and p.due_at >= t.trained_at and p.id is distinct from :but)
"""

# A booking that was not kept, a training of which staff said so, or a pause that is longer than the lead's own rhythm;
# each is written about once.
HAS_MISSED = f"""
(exists (select from booking b where {_NOT_KEPT})
 or exists (select from coach_training t where {_TOLD_MISSED})
 or exists (
  select from coach_state c
  where c.workspace_id = e.workspace_id and c.lead_id = e.lead_id and c.longest_pause_days is not null
    and c.last_training_at <= :now - make_interval(days => c.longest_pause_days)
    and c.last_training_at > :now - cast(:rhythm_ends as interval)
    and not exists (select from coach_nudge p where p.workspace_id = e.workspace_id and p.lead_id = e.lead_id
                      and p.type = 'missed_training_nudge' and p.id is distinct from :but
                      and p.due_at > greatest(c.last_training_at, :now - make_interval(days => c.longest_pause_days)
                                                                  + cast(:at_hand as interval)))))
"""

_DAYS = "case {frequency} when 'weekly' then 7 when 'bi-weekly' then 14 else 1 end"
"""Local days that have at most one nudge of a type."""

# Who is coached is found before what is due for them: the database can't guess how many have which zone and hour, and
# would look each lead up once for each moment that any lead has.
# An id is the plan's, hashed: to draw a random one for each would take as long as to store it.
# Sorted: two plans that insert the same keys in another order would deadlock. Of a lead who does not want a type daily,
# the first day of the span gets it: a span is shorter than what their frequency keeps apart.
# What is kept back gets its row too, which says why, and is no nudge to what comes after it. Who is paused gets the
# last question at the first moment at which something is due. A week is counted with all that is planned after its day:
# so no moving week has more, in whatever order its days were planned.
_PLAN = f"""
with due as materialized (
  select * from unnest(cast(:numbers_of as int[]), cast(:lead_zones as text[]), cast(:studio_zones as text[]),
                       cast(:times_of_day as text[]), cast(:types as text[]), cast(:local_days as date[]),
                       cast(:time_zones as text[]), cast(:due_ats as timestamptz[]))
    as d(number, lead_zone, studio_zone, time_of_day, type, local_day, time_zone, due_at)
), coached as materialized (
  select e.workspace_id, e.lead_id, e.paused_at, s.number, s.most, {_ZONE} as lead_zone, w.time_zone as studio_zone,
         coalesce(e.time_of_day, '') as time_of_day, {_DAYS.format(frequency="e.frequency")} as chosen,
         greatest({_DAYS.format(frequency="e.frequency")}, {_DAYS.format(frequency="e.slowed_to")}) as every
  {_OF_STUDIOS}
), found as (
  select e.workspace_id, e.lead_id, e.paused_at, e.most, e.chosen, e.every, d.type, d.local_day, d.time_zone, d.due_at,
         row_number() over (partition by e.workspace_id, e.lead_id, d.type order by d.local_day) as turn
  from coached e join due d using (number, lead_zone, studio_zone, time_of_day)
  where not exists (
      select from coach_nudge n
      where n.workspace_id = e.workspace_id and n.lead_id = e.lead_id and n.type = d.type
        and n.local_day > d.local_day - e.chosen and n.local_day < d.local_day + e.chosen
        and (n.local_day = d.local_day or n.skipped is null or n.skipped <> all(:kept_back)))
    and (d.type <> '{GOAL_REPORT}' or {HAS_GOAL})
    and (d.type <> '{MISSED}' or {HAS_MISSED})
), judged as (
  select f.*, case
    when f.paused_at is not null and (
        row_number() over (partition by f.workspace_id, f.lead_id order by f.due_at, f.type) > 1
        or exists (select from coach_nudge n where n.workspace_id = f.workspace_id and n.lead_id = f.lead_id
                     and n.type = '{LAST_QUESTION}' and n.planned_at >= f.paused_at
                     and (n.skipped is null or n.local_day = f.local_day)))
      then '{PAUSED}'
    when f.paused_at is null and f.every > f.chosen and (f.turn > 1 or exists (
        select from coach_nudge n
        where n.workspace_id = f.workspace_id and n.lead_id = f.lead_id and n.type = f.type
          and n.local_day > f.local_day - f.every and n.local_day < f.local_day + f.every
          and (n.skipped is null or n.skipped <> all(:kept_back))))
      then '{SLOWED}'
    end as held
  from found f where f.chosen = 1 or f.turn = 1
), wanted as (
  select workspace_id, lead_id, local_day, time_zone, due_at,
         case when paused_at is not null and held is null then '{LAST_QUESTION}' else type end as type,
         coalesce(held, case when paused_at is null and (
             select count(*) from coach_nudge n
             where n.workspace_id = j.workspace_id and n.lead_id = j.lead_id and n.skipped is null
               and n.local_day > j.local_day - 7)
           + count(*) filter (where held is null) over (partition by workspace_id, lead_id order by due_at, type) > most
           then '{WEEKLY_CAP}' end) as skipped
  from judged j
), fresh as (
  insert into coach_nudge
    (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at, plan_id, skipped)
  select workspace_id, md5(cast(:plan_id as text) || lead_id || type || local_day)::uuid, lead_id, type, local_day,
         time_zone, due_at, :now, cast(:plan_id as uuid), skipped
  from wanted order by workspace_id, lead_id, type, local_day
  on conflict (workspace_id, lead_id, type, local_day) do nothing
  returning workspace_id, due_at, skipped
)
select workspace_id, due_at, count(*) filter (where skipped is null) as nudges, count(skipped) as kept_back
from fresh group by 1, 2 order by 1, 2
"""

# The statement looks each lead's earlier nudges up while it adds new ones. Where there were none when it was planned,
# the planner would read the whole table for each of them, and it grows meanwhile: of thirty thousand nudges that alone
# took nine tenths of the time.
_BY_INDEX = text("set local enable_seqscan = off")
_AS_USUAL = text("set local enable_seqscan to default")

_HAS_SOMETHING = """
select {condition} as has from coach_enrolment e where e.workspace_id = :workspace_id and e.lead_id = :lead_id
"""

_MISSED = f"""
select what.name, b.starts_at from coach_enrolment e
join booking b on {_NOT_KEPT}
join booking_event_type what on what.workspace_id = b.workspace_id and what.id = b.event_type_id
where e.workspace_id = :workspace_id and e.lead_id = :lead_id
union all
select t.kind, t.trained_at from coach_enrolment e
join coach_training t on {_TOLD_MISSED} and t.kind is not null
where e.workspace_id = :workspace_id and e.lead_id = :lead_id
union all
select null, c.last_training_at from coach_state c
where c.workspace_id = :workspace_id and c.lead_id = :lead_id and c.last_training_at is not null
order by 1 nulls last, 2 desc limit 1
"""

_WAKE = """
select id from coach_nudge
where workspace_id = :workspace_id and due_at = :due_at and plan_id = :plan_id
  and message_id is null and skipped is null
order by lead_id, type
"""


def _facts(now: datetime, but: UUID | None = None) -> dict[str, Any]:
    return {
        "now": now,
        "but": but,
        "settles": SETTLES,
        "looked_back": LOOKED_BACK,
        "around": AROUND,
        "records": RECORDS,
        "rhythm_ends": RHYTHM_ENDS,
        "at_hand": AT_HAND,
    }


def unzoned_leads(connection: Connection, studios: Sequence[UUID], lead_id: UUID | None, limit: int) -> list[Row[Any]]:
    """Enrolled leads of whose number the zones have not been looked up, held; at most so many."""
    values = {"studios": list(studios), "lead_id": lead_id, "limit": limit}
    return list(connection.execute(text(_UNZONED), values))


def keep_zones(connection: Connection, zones: Mapping[tuple[UUID, UUID], Sequence[str]]) -> None:
    """Keep which zones the numbers of leads leave possible, by studio and lead."""
    values = {
        "studios": [studio for studio, _ in zones],
        "leads": [lead for _, lead in zones],
        "zones": [" ".join(names) for names in zones.values()],
    }
    connection.execute(text(_KEEP_ZONES), values)


def coaching_studios(connection: Connection, studios: Sequence[UUID], lead_id: UUID | None) -> list[UUID]:
    """Those of the studios that are active and have enrolled leads, or this one."""
    return list(connection.execute(text(_COACHING), {"studios": list(studios), "lead_id": lead_id}).scalars())


@dataclass(frozen=True)
class OfStudio:
    """What a plan knows of a studio: the number of its set of schedules, and how many nudges a lead gets in a week."""

    number: int
    most: int


def combinations(connection: Connection, studios: Mapping[UUID, OfStudio], lead_id: UUID | None) -> list[Row[Any]]:
    """The distinct (number, lead_zone, studio_zone, time_of_day) of studios' enrolled leads.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose.
        lead_id: of this lead alone; None: of all.
    """
    return list(connection.execute(text(_COMBINATIONS), _studios(studios, lead_id)))


def add_nudges(
    connection: Connection, studios: Mapping[UUID, OfStudio], due: Collection[Due], plan_id: UUID, now: datetime,
    lead_id: UUID | None,
) -> list[Row[Any]]:  # fmt: skip
    """Plan what is due for whom there is something to write to, and who has not had it; return it counted.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose leads.
        due: when leads of each combination get what; the days of a span shorter than a week.
        plan_id: of this plan.
        now: business time.
        lead_id: for this lead alone; None: for all.

    Returns:
        Studio, moment, how many nudges are new, and how many are kept back.
    """
    values = {
        **_studios(studios, lead_id),
        **_facts(now),
        "kept_back": list(KEPT_BACK),
        "plan_id": plan_id,
        "numbers_of": [one.number for one in due],
        "lead_zones": [one.lead_zone for one in due],
        "studio_zones": [one.studio_zone for one in due],
        "times_of_day": [one.time_of_day for one in due],
        "types": [one.type for one in due],
        "local_days": [one.local_day for one in due],
        "time_zones": [one.time_zone for one in due],
        "due_ats": [one.due_at for one in due],
    }
    connection.execute(_BY_INDEX)
    made = list(connection.execute(text(_PLAN), values))
    connection.execute(_AS_USUAL)
    return made


def has_something(
    connection: Connection, workspace_id: UUID, lead_id: UUID, kind: str, now: datetime, nudge_id: UUID | None
) -> bool:
    """Whether there is still something that a nudge of a type could be about.

    Args:
        connection: a transaction.
        workspace_id: the studio's.
        lead_id: whose.
        kind: of nudge.
        now: business time.
        nudge_id: the nudge itself, which is no earlier one; None: there is none yet.
    """
    condition = {GOAL_REPORT: HAS_GOAL, MISSED: HAS_MISSED}.get(kind)
    if condition is None:
        return True
    values = {"workspace_id": workspace_id, "lead_id": lead_id}
    if kind == MISSED:
        values |= _facts(now, nudge_id)
    found = connection.execute(text(_HAS_SOMETHING.format(condition=condition)), values).scalar_one_or_none()
    return bool(found)


def what_was_missed(
    connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime, nudge_id: UUID | None
) -> Row[Any] | None:
    """What a lead missed (name) and when: a booking, or what staff told; else no name, and their last training.

    None where neither is known. Takes what `has_something` takes.
    """
    values = {"workspace_id": workspace_id, "lead_id": lead_id, **_facts(now, nudge_id)}
    return connection.execute(text(_MISSED), values).one_or_none()


def waiting_nudges(connection: Connection, workspace_id: UUID, plan_id: UUID, due_at: datetime) -> list[UUID]:
    """The nudges of a plan and a moment that are still to come."""
    values = {"workspace_id": workspace_id, "plan_id": plan_id, "due_at": due_at}
    return list(connection.execute(text(_WAKE), values).scalars())


def _studios(studios: Mapping[UUID, OfStudio], lead_id: UUID | None) -> dict[str, Any]:
    return {
        "studios": list(studios),
        "numbers": [one.number for one in studios.values()],
        "most": [one.most for one in studios.values()],
        "lead_id": lead_id,
    }
