"""Who is coached, and how they want it. What belongs here: beginning, ending, and what a lead may choose.

Events come late, twice and in any order: what counts is what the lead allows at the moment that one is worked on, under
the lead's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents.events import CoachingAskedFor
from pilar.backplane import audit
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import schedule, store, texts
from pilar.coach.fatigue import CHOSEN
from pilar.coach.planning import plan
from pilar.errors import Conflict, Invalid, NotFound, Permanent
from pilar.ids import new_id
from pilar.messaging import store as messaging
from pilar.messaging.events import OptedOut
from pilar.messaging.facts import opted_out_scope
from pilar.messaging.zones import CLOSES, OPENS
from pilar.workspaces.configuration import time_zones
from pilar.workspaces.store import load_configuration

_OPTED_OUT = "The lead opted out."


@dataclass(frozen=True)
class Wishes:
    """What a lead may choose.

    Attributes:
        frequency: daily, weekly or bi-weekly.
        time_of_day: HH:MM where the lead is; None: as the studio schedules it.
        time_zone: IANA name; None: where the number may be.
        motivation_style: encouraging, challenging or supportive; None: as it was.
    """

    frequency: str
    time_of_day: str | None
    time_zone: str | None
    motivation_style: str | None = None


def enrol(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID) -> bool:
    """Begin to coach a lead, and plan for them; return whether that is new.

    A lead who has opted out by now is not enrolled.

    Args:
        connection: a transaction in the fleet's scope; the lead's row gets held.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: who.
    """
    lead_id = messaging.lock_lead(connection, workspace_id, lead_id).id
    if opted_out_scope(messaging.consents(connection, workspace_id, lead_id)):
        return False
    wanted = load_configuration(connection, workspace_id)[1].coaching.preferences
    values = {"frequency": wanted.frequency, "motivation_style": wanted.motivation_style}
    if not store.enrol(connection, workspace_id, lead_id, clocks.business.now(), values):
        return False
    plan(connection, clocks, [workspace_id], lead_id=lead_id)
    return True


def end(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, reason: str) -> bool:
    """End the coaching of a lead, and with it what was planned; return whether it had not ended.

    Arguments are those of `enrol`, and the reason in words.
    """
    lead_id = messaging.lock_lead(connection, workspace_id, lead_id).id
    enrolment = store.find_enrolment(connection, workspace_id, lead_id)
    if enrolment is None or enrolment.ended_at is not None:
        return False
    now = clocks.business.now()
    store.change_enrolment(connection, workspace_id, lead_id, {"ended_at": now, "ended_reason": reason})
    store.withdraw_pending(connection, workspace_id, now, lead_id)
    return True


def change(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, wishes: Wishes, *, actor: str
) -> None:
    """Keep what a lead wants, and plan anew what is still to come; they are written to as often as they choose again.

    Args:
        connection: a transaction in the fleet's scope; the lead's row gets held.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose.
        wishes: what they want.
        actor: who changes it, as in the audit log.

    Raises:
        Invalid: there is no such frequency, zone or style, or the time is one at which nobody is written to.
        NotFound: the lead never asked for coaching.
        Conflict: their coaching has ended.
    """
    _check(wishes)
    lead_id = messaging.lock_lead(connection, workspace_id, lead_id).id
    enrolment = store.find_enrolment(connection, workspace_id, lead_id)
    if enrolment is None:
        raise NotFound("This lead has not asked for coaching.")
    if enrolment.ended_at is not None:
        raise Conflict("This lead is not coached any more.")
    style = wishes.motivation_style or enrolment.motivation_style
    values = {"frequency": wishes.frequency, "time_of_day": wishes.time_of_day, "motivation_style": style}
    now = clocks.business.now()
    store.change_enrolment(connection, workspace_id, lead_id, {**values, **store.AS_CHOSEN, "pace_at": now})
    pace = {"decided_at": now, "decision": CHOSEN, "frequency": wishes.frequency, "unanswered": 0}
    store.add_pace(connection, {"workspace_id": workspace_id, "id": new_id(), "lead_id": lead_id, **pace})
    # The lead's own, since the verdict asks in which zone it is too early for them.
    messaging.change_lead(connection, workspace_id, lead_id, {"time_zone": wishes.time_zone})
    store.withdraw_pending(connection, workspace_id, now, lead_id)
    plan(connection, clocks, [workspace_id], lead_id=lead_id)
    audit.record(
        connection,
        actor=actor,
        action="coach.preferences_changed",
        subject=f"lead:{lead_id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details={**values, "time_zone": wishes.time_zone},
    )


class Enrolments:
    """Follows what leads say."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_asked_for(self, connection: Connection, work: Work[CoachingAskedFor]) -> dict[str, bool]:
        """A lead asked to be coached."""
        return {"enrolled": enrol(connection, self._clocks, _studio(work.workspace_id), work.content.lead_id)}

    def on_opted_out(self, connection: Connection, work: Work[OptedOut]) -> dict[str, bool]:
        """A lead opted out, and may have come back since."""
        workspace_id, lead_id = _studio(work.workspace_id), work.content.lead_id
        lead_id = messaging.lock_lead(connection, workspace_id, lead_id).id
        if opted_out_scope(messaging.consents(connection, workspace_id, lead_id)) is None:
            return {"ended": False}
        return {"ended": end(connection, self._clocks, workspace_id, lead_id, _OPTED_OUT)}


def _studio(workspace_id: UUID | None) -> UUID:
    if workspace_id is None:
        raise Permanent("A lead belongs to a studio.")
    return workspace_id


def _check(wishes: Wishes) -> None:
    if wishes.frequency not in schedule.EVERY:
        raise Invalid(f"There is no frequency {wishes.frequency!r}: use {', '.join(schedule.EVERY)}.")
    if wishes.motivation_style is not None and wishes.motivation_style not in texts.STYLES:
        raise Invalid(f"There is no motivation style {wishes.motivation_style!r}: use {', '.join(texts.STYLES)}.")
    if wishes.time_zone is not None and wishes.time_zone not in time_zones():
        raise Invalid(f"{wishes.time_zone!r} is not a time zone: use an IANA name such as Europe/Amsterdam.")
    if wishes.time_of_day is not None:
        try:
            at = time.fromisoformat(wishes.time_of_day)
        except ValueError as error:
            raise Invalid(f"{wishes.time_of_day!r} is not a time of day: use HH:MM.") from error
        if len(wishes.time_of_day) != len("HH:MM") or not OPENS <= at < CLOSES:
            raise Invalid(f"Coaching goes out between {OPENS:%H:%M} and {CLOSES:%H:%M} where the lead is.")
