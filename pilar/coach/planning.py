"""Which nudges are to come. What belongs here: planning them for many leads at once, each on their own local time.

A plan looks a little further than a day ahead and is made every hour: what is planned is planned once per lead, type
and local day, whoever plans. A nudge and the job that sends it are one commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.clocks import Clocks
from pilar.coach import schedule, store
from pilar.coach.events import SendNudge
from pilar.coach.store import NewNudge
from pilar.coach.texts import TYPES
from pilar.messaging.zones import plausible_zones
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.fleet import load_configurations

AHEAD = timedelta(hours=26)
"""How far a plan looks ahead: a day, and an hourly plan that failed or two."""

PREFIX = "coach."
"""What a type is called in the configuration has this before it."""


@dataclass(frozen=True)
class Planned:
    """What a plan did.

    Attributes:
        nudges: how many are new.
        studios: in how many of the studios leads are coached now.
    """

    nudges: int
    studios: int


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
    leads = store.coached_leads(connection, studios, lead_id)
    schedules = {
        studio: crons
        for studio, document in load_configurations(connection, {lead.workspace_id for lead in leads}).items()
        if (crons := schedules_of(document))
    }
    leads = [lead for lead in leads if lead.workspace_id in schedules]
    today = now.astimezone(UTC).date()
    planned = store.planned_days(
        connection,
        list(schedules),
        lead_id,
        recent=today - timedelta(days=2),
        since=today - timedelta(days=1 + max(schedule.EVERY.values())),
    )
    wanted = [nudge for lead in leads for nudge in _nudges(lead, schedules[lead.workspace_id], planned, now, end)]
    return Planned(_store(connection, clocks, wanted), len(schedules))


def plan_now(
    connection: Connection, clocks: Clocks, studio: UUID, kind: str, *, lead_id: UUID | None = None
) -> Planned:
    """Plan one kind of nudge for this very moment, whatever the hour of its schedule.

    Each lead gets it at most once on their local day and as often as they wanted; whether it goes at this hour is the
    verdict's. A kind that the studio has not turned on, or that there are no texts for, is not planned.

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
    if document is None or kind not in schedules_of(document):
        return Planned(0, 0)
    today = now.astimezone(UTC).date()
    since = today - timedelta(days=1 + max(schedule.EVERY.values()))
    planned = store.planned_days(connection, [studio], lead_id, recent=today - timedelta(days=2), since=since)
    wanted = []
    for lead in store.coached_leads(connection, [studio], lead_id):
        zone = zone_of(lead.time_zone, lead.phone, lead.studio_zone)
        day = now.astimezone(ZoneInfo(zone)).date()
        if schedule.thinned([day], planned.get((studio, lead.lead_id, kind), []), lead.frequency):
            wanted.append(NewNudge(studio, lead.lead_id, kind, day, zone, now))
    return Planned(_store(connection, clocks, wanted), 1)


def _store(connection: Connection, clocks: Clocks, wanted: Sequence[NewNudge]) -> int:
    """Keep nudges together with the jobs that send them; return how many are new."""
    fresh = store.add_nudges(connection, wanted, clocks.business.now())
    jobs = [
        Job(
            payload=SendNudge(nudge_id=row.id),
            key=str(row.id),
            workspace_id=row.workspace_id,
            lane=Lane.BULK,
            due_at=row.due_at,
            business_time=True,
        )
        for row in fresh
    ]
    enqueue(connection, clocks, jobs, Cause.new())
    return len(fresh)


def schedules_of(document: StudioConfiguration) -> dict[str, list[str]]:
    """The cron expressions in force by type; of the types that there are texts for, and none where coaching is off."""
    if not (document.coaching.enabled and document.feature("coach")):
        return {}
    found: dict[str, list[str]] = {}
    for entry in document.coaching.schedules:
        kind = entry.type.removeprefix(PREFIX)
        if entry.enabled and kind in TYPES:
            found.setdefault(kind, []).append(entry.cron)
    return found


def zone_of(given: str | None, phone: str | None, studio: str) -> str:
    """The one zone to plan in: where a number leaves several, the studio's if it is one of them."""
    zones = plausible_zones(given, phone, studio)
    return studio if studio in zones else zones[0]


def _nudges(
    lead: Row[Any],
    schedules: Mapping[str, Sequence[str]],
    planned: Mapping[tuple[UUID, UUID, str], list[date]],
    begin: datetime,
    end: datetime,
) -> Iterator[NewNudge]:
    zone = zone_of(lead.time_zone, lead.phone, lead.studio_zone)
    for kind, crons in schedules.items():
        own = [schedule.at_time_of_day(cron, lead.time_of_day) for cron in crons]
        moments = schedule.due_moments(own, zone, begin, end)
        before = planned.get((lead.workspace_id, lead.lead_id, kind), [])
        for day in schedule.thinned(moments, before, lead.frequency):
            yield NewNudge(lead.workspace_id, lead.lead_id, kind, day, zone, moments[day])
