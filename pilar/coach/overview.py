"""A studio's coaching. What belongs here: reading it for pages and the API; the figures come from `analytics` alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.coach import activity_store, store
from pilar.coach.planning import zone_of

SHOWN_LEADS = 200
LOOKED_BACK = timedelta(days=30)


@dataclass(frozen=True)
class Coming:
    """A nudge that is still to come.

    Attributes:
        type: of nudge.
        due_at: business time.
        time_zone: where the lead is thought to be.
    """

    type: str
    due_at: datetime
    time_zone: str


@dataclass(frozen=True)
class CoachedLead:
    """A lead who is being coached.

    Attributes:
        lead_id: who.
        name: as far as it is known.
        frequency: daily, weekly or bi-weekly, as they chose.
        slowed_to: how often they are written to since they do not answer, None: as they chose.
        paused: whether nothing goes until they write.
        time_of_day: HH:MM, None where the studio's schedules count.
        told_zone: the zone that was told, None where it is guessed.
        time_zone: the zone that is planned in.
        motivation_style: how they are written to.
        enrolled_at: business time.
        next_nudge: what comes next, None where nothing is planned yet.
    """

    lead_id: UUID
    name: str | None
    frequency: str
    slowed_to: str | None
    paused: bool
    time_of_day: str | None
    told_zone: str | None
    time_zone: str
    motivation_style: str
    enrolled_at: datetime
    next_nudge: Coming | None


@dataclass(frozen=True)
class CoachSchedule:
    """Who is coached, those whose nudge comes next first; `more` are not listed."""

    leads: list[CoachedLead]
    more: int


@dataclass(frozen=True)
class TypeActivity:
    """What became of a type of nudge, with the reasons of those that were not sent and how often each held."""

    type: str
    planned: int
    sent: int
    refused: int
    answered: int
    dry_run: int
    opted_out: int
    refusals: list[tuple[str, int]]

    @property
    def response_rate(self) -> float | None:
        """Share of what was sent that was answered; None where nothing was."""
        return self.answered / self.sent if self.sent else None


@dataclass(frozen=True)
class CoachActivity:
    """What came of the coaching of the last days; `refreshed_at` is business time, None before the first figures."""

    days: int
    types: list[TypeActivity]
    refreshed_at: datetime | None


def schedule_of(connection: Connection, workspace_id: UUID) -> CoachSchedule:
    """A studio's enrolled leads and what comes next for each."""
    rows, count = store.enrolled_leads(connection, workspace_id, SHOWN_LEADS)
    leads = [
        CoachedLead(
            lead_id=row.lead_id,
            name=row.name,
            frequency=row.frequency,
            slowed_to=row.slowed_to,
            paused=row.paused_at is not None,
            time_of_day=row.time_of_day,
            told_zone=row.time_zone,
            time_zone=zone_of(row.time_zone, row.phone, row.studio_zone),
            motivation_style=row.motivation_style,
            enrolled_at=row.enrolled_at,
            next_nudge=Coming(row.next_type, row.next_due_at, row.next_zone) if row.next_type else None,
        )
        for row in rows
    ]
    return CoachSchedule(leads, count - len(leads))


def activity_of(connection: Connection, clocks: Clocks, workspace_id: UUID) -> CoachActivity:
    """What came of a studio's coaching in the last thirty days, as last counted."""
    since = (clocks.business.now() - LOOKED_BACK).astimezone(UTC).date()
    rows = activity_store.activity_since(connection, workspace_id, since)
    refusals = activity_store.refusals_since(connection, workspace_id, since)
    types = [
        TypeActivity(
            type=row.type,
            planned=row.planned,
            sent=row.sent,
            refused=row.refused,
            answered=row.answered,
            dry_run=row.dry_run,
            opted_out=row.opted_out,
            refusals=[(refusal.reason, refusal.nudges) for refusal in refusals if refusal.type == row.type],
        )
        for row in rows
    ]
    return CoachActivity(LOOKED_BACK.days, types, max((row.refreshed_at for row in rows), default=None))
