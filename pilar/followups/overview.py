"""A studio's follow-ups. What belongs here: reading them for pages and the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.followups import activity_store
from pilar.followups.sending import SKIPPED
from pilar.messaging import followup_store

LOOKED_BACK = timedelta(days=30)
SHOWN = 50


@dataclass(frozen=True)
class FollowupState:
    """A follow-up, how it stands, and what came of it in the last thirty days.

    Attributes:
        name: as the studio calls it.
        template: by which it is written.
        after_minutes: of silence.
        time_of_day: HH:MM where the lead is, None: as soon as it is due, by day.
        at_most: how often one lead gets it.
        active: it is in use.
        waiting: how many leads get it soon.
        next_due_at: business time.
        planned, sent, read, answered, booked, refused, failed, stopped: as in `analytics.followup_day`.
    """

    name: str
    template: str
    after_minutes: int
    time_of_day: str | None
    at_most: int
    active: bool
    waiting: int
    next_due_at: datetime | None
    planned: int
    sent: int
    read: int
    answered: int
    booked: int
    refused: int
    failed: int
    stopped: int


@dataclass(frozen=True)
class ComingFollowup:
    """A step that is to come; `due_at` is business time."""

    lead_id: UUID
    lead_name: str | None
    name: str
    number: int
    due_at: datetime


@dataclass(frozen=True)
class WhyStopped:
    """Why so many steps of a follow-up were called off in the last thirty days."""

    name: str
    reason: str
    sentence: str
    steps: int


@dataclass(frozen=True)
class Followups:
    """All about a studio's follow-ups."""

    followups: tuple[FollowupState, ...]
    coming: tuple[ComingFollowup, ...]
    stopped: tuple[WhyStopped, ...]


def followups_of(connection: Connection, clocks: Clocks, workspace_id: UUID) -> Followups:
    """How a studio's follow-ups stand; figures are those of the last hour's count."""
    since = clocks.business.now() - LOOKED_BACK
    sums = activity_store.sums_since(connection, workspace_id, since.astimezone(UTC).date())
    waiting = activity_store.waiting(connection, workspace_id)
    return Followups(
        tuple(
            FollowupState(
                name=row.name,
                template=row.template_name,
                after_minutes=row.after_minutes,
                time_of_day=row.time_of_day,
                at_most=row.at_most,
                active=row.active,
                waiting=waiting[row.name].waiting if row.name in waiting else 0,
                next_due_at=waiting[row.name].next_due_at if row.name in waiting else None,
                **{
                    count: getattr(sums.get(row.name), count, 0)
                    for count in (
                        *("planned", "sent", "read", "answered"),
                        *("booked", "refused", "failed", "stopped"),
                    )
                },
            )
            for row in followup_store.followups_of(connection, workspace_id)
        ),
        tuple(
            ComingFollowup(row.lead_id, row.lead_name, row.name, row.number, row.due_at)
            for row in activity_store.coming(connection, workspace_id, SHOWN)
        ),
        tuple(
            WhyStopped(row.name, row.reason, SKIPPED.get(row.reason, row.reason), row.steps)
            for row in activity_store.stopped_since(connection, workspace_id, since)
        ),
    )
