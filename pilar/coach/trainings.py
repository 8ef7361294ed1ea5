"""Trainings that leads attended. What belongs here: taking in what studios tell, over the API or by event."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import training_store as store
from pilar.coach.events import TrainingRecorded
from pilar.coach.rhythm import LOOKED_AT, longest_pause
from pilar.errors import Invalid, Permanent

MOST = 500
"""Trainings that are taken in at a time."""
_AHEAD = timedelta(hours=1)
"""How far the clocks of others may be ahead of ours."""


@dataclass(frozen=True)
class Attended:
    """A training that was attended.

    Attributes:
        trained_at: when it began, business time.
        lead_id: who; None: the one with the number.
        phone: their number in E.164; None: the one with the id.
        booking_id: the booking that was kept by it; None: none, or it is not known.
    """

    trained_at: datetime
    lead_id: UUID | None = None
    phone: str | None = None
    booking_id: UUID | None = None


def record(connection: Connection, clocks: Clocks, workspace_id: UUID, told: Sequence[Attended], source: str) -> int:
    """Take in trainings, all or none, each once; return how many are new.

    A lead has one training at a moment: who tells it again tells nothing new.

    Args:
        connection: a transaction; the leads' rows get held.
        clocks: both clocks.
        workspace_id: the studio's.
        told: the trainings.
        source: api or event.

    Raises:
        Invalid: one can't be taken in; the sentence says which and why.
    """
    if len(told) > MOST:
        raise Invalid(f"At most {MOST} trainings are taken in at a time: send the rest by another request.")
    now = clocks.business.now()
    by_phone = store.leads_by_phone(connection, workspace_id, {one.phone for one in told if one.phone})
    stays = store.hold_leads(
        connection, workspace_id, {one.lead_id for one in told if one.lead_id} | {*by_phone.values()}
    )
    rows: dict[tuple[UUID, datetime], UUID | None] = {}
    for number, one in enumerate(told, 1):
        lead_id = one.lead_id or by_phone.get(one.phone or "")
        if (one.lead_id is None) == (one.phone is None):
            raise Invalid(f"Training {number}: name the lead either as `lead_id` or by `phone`.")
        if lead_id is None:
            raise Invalid(f"Training {number}: the studio has no lead with that number; write it as +31612345678.")
        if one.trained_at > now + _AHEAD:
            raise Invalid(f"Training {number}: it is in the future; tell it when it has taken place.")
        if lead_id not in stays:
            raise Invalid(f"Training {number}: the studio has no lead {lead_id}.")
        if stays[lead_id].lifecycle == "erased":
            raise Invalid(
                f"Training {number}: that lead was erased, and nothing more is kept about them: leave it out."
            )
        key = (stays[lead_id].id, one.trained_at)
        rows[key] = one.booking_id or rows.get(key)
    bookings = store.leads_of_bookings(connection, workspace_id, {one for one in rows.values() if one})
    for (lead_id, moment), booking in rows.items():
        if booking is not None and bookings.get(booking) != lead_id:
            raise Invalid(f"The training at {moment.isoformat()}: that lead has no booking {booking}.")
    found = store.add_trainings(
        connection, workspace_id, [(*key, booking) for key, booking in rows.items()], source, now
    )
    keep_ready(connection, workspace_id, {lead for lead, _ in rows})
    return sum(row.is_new for row in found)


def keep_ready(connection: Connection, workspace_id: UUID, leads: Collection[UUID]) -> None:
    """Keep ready what follows from the trainings of leads whose rows are held; of who has none nothing follows."""
    for lead_id, moments in store.newest_trainings(connection, workspace_id, leads, LOOKED_AT).items():
        if moments:
            state = {"last_training_at": max(moments), "longest_pause_days": longest_pause(moments)}
            store.keep_state(connection, workspace_id, lead_id, state)


def newest(connection: Connection, workspace_id: UUID, lead_id: UUID, limit: int) -> list[datetime]:
    """When a lead trained, in business time, the newest first, so many at most."""
    return store.newest_trainings(connection, workspace_id, [lead_id], limit).get(lead_id, [])


class Trainings:
    """Follows what studios tell."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_recorded(self, connection: Connection, work: Work[TrainingRecorded]) -> dict[str, bool]:
        """A lead has attended a training."""
        if work.workspace_id is None:
            raise Permanent("A training belongs to a studio.")
        told = work.content
        attended = Attended(told.trained_at, lead_id=told.lead_id, booking_id=told.booking_id)
        return {"recorded": record(connection, self._clocks, work.workspace_id, [attended], "event") == 1}
