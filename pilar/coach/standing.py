"""Whether a nudge that is due is still to be written. What belongs here: the question, and its answers as codes.

Whether its message then goes is the verdict's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from pilar.coach import plan_store
from pilar.coach.fatigue import KEPT_BACK, LAST_QUESTION, PAUSED
from pilar.coach.planning import schedules_of
from pilar.messaging.store import find_conversation
from pilar.workspaces.configuration import StudioConfiguration

LATEST = timedelta(hours=2)
"""How late a nudge may still be made a message, in business time: nobody wants a good morning at noon."""

ENDED = "ended"
LATE = "late"
TURNED_OFF = "turned_off"
NOTHING = "nothing"

SKIPPED = {
    ENDED: "The lead is not coached any more.",
    LATE: "It was noticed too late.",
    TURNED_OFF: "The studio has turned this kind of coaching off.",
    NOTHING: "There was nothing to write about any more.",
    **KEPT_BACK,
}
"""Why no message was made."""


def in_words(reason: str) -> str:
    """A reason's code for people: of this room's, or of the verdict's."""
    return SKIPPED.get(reason, reason.replace("_", " ").capitalize())


def why_not(
    connection: Connection, now: datetime, nudge: Row[Any], enrolment: Row[Any] | None, document: StudioConfiguration
) -> str | None:
    """Why a nudge is no longer to be written, as a code; None where it is.

    Args:
        connection: a transaction that sees the studio.
        now: business time.
        nudge: the nudge's row.
        enrolment: its lead's, if they have one.
        document: the studio's.
    """
    if enrolment is None or enrolment.ended_at is not None:
        return ENDED
    if (code := untimely(now, nudge, document)) is not None:
        return code
    if nudge.type == LAST_QUESTION:
        return _why_not_ask(connection, nudge, enrolment)
    if enrolment.paused_at is not None:
        return PAUSED
    # What it was planned for may have been mended since: the training made up for, the goal reached.
    has = plan_store.has_something(connection, nudge.workspace_id, nudge.lead_id, nudge.type, now, nudge.id)
    return None if has else NOTHING


def untimely(now: datetime, nudge: Row[Any], document: StudioConfiguration) -> str | None:
    """Why a nudge's time is over, as a code: it is late, or its kind is turned off; None where it is not."""
    if now - nudge.due_at > LATEST:
        return LATE
    in_force = dict(schedules_of(document))
    is_on = bool(in_force) if nudge.type == LAST_QUESTION else nudge.type in in_force
    return None if is_on else TURNED_OFF


def _why_not_ask(connection: Connection, nudge: Row[Any], enrolment: Row[Any]) -> str | None:
    """Who has written meanwhile has answered, also where that has not led to anything yet."""
    thread = find_conversation(connection, nudge.workspace_id, nudge.lead_id)
    wrote = thread.last_inbound_at if thread else None
    paused = enrolment.paused_at
    return NOTHING if paused is None or (wrote is not None and wrote > paused) else None
