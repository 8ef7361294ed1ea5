"""Which nudges are to come. What belongs here: planning them for many leads at once, each on their own local time.

A plan looks a little further than a day ahead and is made every hour: what is planned is planned once per lead, type
and local day, whoever plans. Nudges and the jobs that wake them are one commit: a job for each studio and moment, not
for each lead (`waking.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.clocks import Clocks
from pilar.coach import plan_store, schedule
from pilar.coach.events import WakeNudges
from pilar.coach.plan_store import AT_HAND, MISSED, Due, OfStudio
from pilar.coach.texts import TYPES
from pilar.ids import new_id
from pilar.messaging.zones import plausible_zones
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.fleet import load_configurations

AHEAD = timedelta(hours=26)
"""How far a plan looks ahead: a day, and an hourly plan that failed or two."""

PREFIX = "coach."
"""What a type is called in the configuration has this before it."""

_SPAN = timedelta(days=5)
"""Longer ones are planned in parts: within one, nobody gets a second nudge who does not want them daily."""
_LOOKED_UP = 5_000
"""Numbers whose zones are looked up at a time."""

Schedules = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""A studio's schedules in force: for each type its cron expressions, and the zone of each: lead or studio."""


@dataclass(frozen=True)
class Planned:
    """What a plan did.

    Attributes:
        nudges: how many are new.
        studios: in how many of the studios leads are coached now.
        kept_back: how many more were due, of leads who had had enough for now; each row says why.
    """

    nudges: int
    studios: int
    kept_back: int = 0


def plan(
    connection: Connection,
    clocks: Clocks,
    studios: Sequence[UUID],
    *,
    until: datetime | None = None,
    lead_id: UUID | None = None,
) -> Planned:
    """Plan what the enrolled leads of active studios get, from now on.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: whose leads.
        until: how far ahead, business time; None: for the next 26 hours.
        lead_id: plan for this lead alone; None: for all.

    Raises:
        ValidationError, Invalid: a studio's configuration can't be read; nothing is planned for any of them.
    """
    now = clocks.business.now()
    end = until or now + AHEAD
    schedules = _schedules(connection, studios, lead_id)
    known = _numbered(schedules)
    sets = {known[studio].number: found for studio, (found, _) in schedules.items()}
    found = plan_store.combinations(connection, known, lead_id) if known else []
    nudges, kept_back, begin = 0, 0, now
    while begin < end:
        part = min(end, begin + _SPAN)
        due = [one for row in found for one in _due(row, sets[row.number], begin, part, now + AT_HAND)]
        made = _store(connection, clocks, known, due, lead_id)
        nudges, kept_back = nudges + made[0], kept_back + made[1]
        begin = part
    return Planned(nudges, len(schedules), kept_back)


def plan_now(
    connection: Connection, clocks: Clocks, studio: UUID, kind: str, *, lead_id: UUID | None = None
) -> Planned:
    """Plan one kind of nudge for this very moment, whatever the hour of its schedule.

    Each lead gets it at most once on their local day and as often as they wanted, if there is something to write about;
    whether it goes at this hour is the verdict's. A kind that the studio has not turned on is not planned.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studio: whose leads.
        kind: of nudge.
        lead_id: plan for this lead alone; None: for all.

    Raises:
        ValidationError, Invalid: the studio's configuration can't be read.
    """
    now = clocks.business.now()
    document = load_configurations(connection, {studio}).get(studio)
    if document is None or kind not in dict(schedules_of(document)):
        return Planned(0, 0)
    _look_up_zones(connection, [studio], lead_id)
    alone = OfStudio(0, document.coaching.most_per_week)
    known = dict.fromkeys(plan_store.coaching_studios(connection, [studio], lead_id), alone)
    found = plan_store.combinations(connection, known, lead_id)
    due = [
        Due(
            *(row.number, row.lead_zone, row.studio_zone, row.time_of_day),
            *(kind, now.astimezone(ZoneInfo(row.lead_zone)).date(), row.lead_zone, now),
        )
        for row in found
    ]
    nudges, kept_back = _store(connection, clocks, known, due, lead_id)
    return Planned(nudges, 1, kept_back)


def schedules_of(document: StudioConfiguration) -> Schedules:
    """The schedules in force by type; none where coaching is off."""
    if not (document.coaching.enabled and document.feature("coach")):
        return ()
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in document.coaching.schedules:
        kind = entry.type.removeprefix(PREFIX)
        if entry.enabled and kind in TYPES:
            found.setdefault(kind, []).append((entry.cron, entry.time_zone))
    return tuple((kind, tuple(entries)) for kind, entries in found.items())


def zone_of(given: str | None, phone: str | None, studio: str) -> str:
    """The one zone to plan in: where a number leaves several, the studio's if it is one of them."""
    zones = plausible_zones(given, phone, studio)
    return studio if studio in zones else zones[0]


def _schedules(
    connection: Connection, studios: Sequence[UUID], lead_id: UUID | None
) -> dict[UUID, tuple[Schedules, int]]:
    """The schedules, and the most in a week, of those studios that coach somebody; where their leads are is known."""
    coaching = plan_store.coaching_studios(connection, studios, lead_id)
    _look_up_zones(connection, coaching, lead_id)
    documents = load_configurations(connection, coaching)
    return {
        studio: (found, document.coaching.most_per_week)
        for studio, document in documents.items()
        if (found := schedules_of(document))
    }


def _look_up_zones(connection: Connection, studios: Sequence[UUID], lead_id: UUID | None) -> None:
    """Look up which zones numbers leave possible, where that is not known yet."""
    while leads := plan_store.unzoned_leads(connection, studios, lead_id, _LOOKED_UP):
        zones = {(lead.workspace_id, lead.lead_id): plausible_zones(None, lead.phone, "") for lead in leads}
        plan_store.keep_zones(connection, {who: [zone for zone in found if zone] for who, found in zones.items()})


def _numbered(schedules: Mapping[UUID, tuple[Schedules, int]]) -> dict[UUID, OfStudio]:
    """Studios with the number of their schedules: most have the same."""
    numbers: dict[Schedules, int] = {}
    return {
        studio: OfStudio(numbers.setdefault(found, len(numbers)), most) for studio, (found, most) in schedules.items()
    }


def _due(
    combination: Row[Any], schedules: Schedules, begin: datetime, end: datetime, at_hand: datetime
) -> Iterator[Due]:
    """When leads of a combination get what; of a type's moments on a day the first."""
    lead_zone, studio_zone, time_of_day = combination.lead_zone, combination.studio_zone, combination.time_of_day
    for kind, entries in schedules:
        last = min(end, at_hand) if kind == MISSED else end
        crons: dict[str, list[str]] = {}
        for cron, whose in entries:
            # Who has named an hour means their own.
            zone = studio_zone if whose == "studio" and not time_of_day else lead_zone
            crons.setdefault(zone, []).append(schedule.at_time_of_day(cron, time_of_day or None))
        first: dict[Any, tuple[datetime, str]] = {}
        for zone, found in crons.items():
            for day, moment in schedule.due_moments(found, zone, begin, last).items():
                first[day] = min(first.get(day, (moment, zone)), (moment, zone))
        for day, (moment, zone) in first.items():
            yield Due(combination.number, lead_zone, studio_zone, time_of_day, kind, day, zone, moment)


def _store(
    connection: Connection, clocks: Clocks, studios: Mapping[UUID, OfStudio], due: Collection[Due], lead_id: UUID | None
) -> tuple[int, int]:
    """Keep nudges together with the jobs that wake them; return how many are new, and how many are kept back."""
    if not due:
        return 0, 0
    plan_id, now = new_id(), clocks.business.now()
    made = plan_store.add_nudges(connection, studios, due, plan_id, now, lead_id)
    jobs = (
        Job(
            payload=WakeNudges(plan_id=plan_id, due_at=row.due_at),
            key=WakeNudges.key_of(plan_id, row.due_at),
            workspace_id=row.workspace_id,
            lane=Lane.BULK,
            due_at=row.due_at,
            business_time=True,
        )
        for row in made
        if row.nudges
    )
    enqueue(connection, clocks, jobs, Cause.new())
    return sum(row.nudges for row in made), sum(row.kept_back for row in made)
