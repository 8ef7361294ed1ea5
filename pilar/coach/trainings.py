"""Trainings of leads: done, missed or planned. What belongs here: taking in what studios tell, however they tell it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import training_store as store
from pilar.coach.events import TrainingRecorded
from pilar.coach.rhythm import LOOKED_AT, longest_pause
from pilar.errors import Invalid, Permanent

State = Literal["done", "missed", "planned"]
STATES: tuple[State, ...] = get_args(State)
Source = Literal["api", "event", "page", "file"]

MOST = 500
"""Trainings that are taken in at a time."""
LONGEST_KIND = 60
"""Characters of what was trained."""
_AHEAD = timedelta(hours=1)
"""How far the clocks of others may be ahead of ours."""


@dataclass(frozen=True)
class Training:
    """A training as a studio tells it.

    Attributes:
        trained_at: when it begins, business time.
        lead_id: who; None: the one with the number.
        phone: their number in E.164; None: the one with the id.
        booking_id: the booking that was kept by it; None: none, or it is not known.
        state: whether it took place, was missed, or is still to come.
        kind: what is trained, as the studio calls it; None: not told.
    """

    trained_at: datetime
    lead_id: UUID | None = None
    phone: str | None = None
    booking_id: UUID | None = None
    state: State = "done"
    kind: str | None = None


Key = tuple[UUID, datetime]
"""A lead has one training at a moment."""


@dataclass(frozen=True)
class Sorted:
    """What was told, sorted out: what can be kept, by lead and moment, and by its place why the rest can't be."""

    fine: Mapping[Key, Training]
    refused: Mapping[int, str]


def record(connection: Connection, clocks: Clocks, workspace_id: UUID, told: Sequence[Training], source: Source) -> int:
    """Take in trainings, all or none, each once; return how many tell something new.

    Who tells one again tells nothing new, unless it is that it took place or was missed.

    Args:
        connection: a transaction; the leads' rows get held.
        clocks: both clocks.
        workspace_id: the studio's.
        told: the trainings.
        source: who tells.

    Raises:
        Invalid: one can't be taken in; the sentence says which and why.
    """
    if len(told) > MOST:
        raise Invalid(f"At most {MOST} trainings are taken in at a time: send the rest by another request.")
    found = sort_out(connection, clocks, workspace_id, told)
    for number, reason in found.refused.items():
        raise Invalid(f"Training {number + 1}: {reason}")
    return keep(connection, clocks, workspace_id, found.fine, source)


def record_one(connection: Connection, clocks: Clocks, workspace_id: UUID, told: Training, *, actor: str) -> None:
    """Take in what staff tell on a page; arguments are those of `record`, and who tells, as in the audit log.

    Raises:
        Invalid: it can't be taken in; the sentence says why.
    """
    found = sort_out(connection, clocks, workspace_id, [told])
    for reason in found.refused.values():
        raise Invalid(reason[0].upper() + reason[1:])
    if keep(connection, clocks, workspace_id, found.fine, "page"):
        [(lead_id, _)] = found.fine
        audit.record(
            connection,
            actor=actor,
            action="coach.training_told",
            subject=f"lead:{lead_id}",
            now=clocks.real.now(),
            workspace_id=workspace_id,
            details={"state": told.state},
        )


def sort_out(connection: Connection, clocks: Clocks, workspace_id: UUID, told: Sequence[Training]) -> Sorted:
    """Find who trainings are of, whose rows get held, and which of them can't be kept; arguments as of `record`."""
    by_phone = store.leads_by_phone(connection, workspace_id, {one.phone for one in told if one.phone})
    named = {one.lead_id for one in told if one.lead_id} | {*by_phone.values()}
    stays = store.hold_leads(connection, workspace_id, named)
    bookings = store.leads_of_bookings(connection, workspace_id, {one.booking_id for one in told if one.booking_id})
    now = clocks.business.now()
    fine: dict[Key, Training] = {}
    refused: dict[int, str] = {}
    for place, one in enumerate(told):
        lead_id = one.lead_id or by_phone.get(one.phone or "")
        lead = stays.get(lead_id) if lead_id else None
        reason = _unknown(one, by_phone, lead) or _out_of_time(one, now) or _unfit(one)
        if lead is None or reason is not None:
            refused[place] = reason or "the studio has no such lead."
        elif one.booking_id is not None and bookings.get(one.booking_id) != lead.id:
            refused[place] = f"that lead has no booking {one.booking_id}."
        else:
            key = (lead.id, one.trained_at)
            fine[key] = _together(fine[key], one) if key in fine else one
    return Sorted(fine, refused)


def keep(
    connection: Connection, clocks: Clocks, workspace_id: UUID, fine: Mapping[Key, Training], source: Source
) -> int:
    """Keep trainings of leads whose rows are held; return how many tell something new."""
    known = store.known_states(connection, workspace_id, fine.keys())
    rows = [
        {"lead_id": lead, "trained_at": moment, "booking_id": one.booking_id, "state": one.state, "kind": one.kind}
        for (lead, moment), one in fine.items()
    ]
    store.add_trainings(connection, workspace_id, rows, source, clocks.business.now())
    keep_ready(connection, workspace_id, {lead for lead, _ in fine})
    return sum(key not in known or one.state not in ("planned", known[key]) for key, one in fine.items())


def keep_ready(connection: Connection, workspace_id: UUID, leads: Collection[UUID]) -> None:
    """Keep ready what follows from the trainings of leads whose rows are held; of who has none nothing follows."""
    for lead_id, moments in store.newest_trainings(connection, workspace_id, leads, LOOKED_AT).items():
        state = {"last_training_at": max(moments, default=None), "longest_pause_days": longest_pause(moments)}
        store.keep_state(connection, workspace_id, lead_id, state)


def _unknown(one: Training, by_phone: Mapping[str, UUID], lead: Row[Any] | None) -> str | None:
    if (one.lead_id is None) == (one.phone is None):
        return "name the lead either as `lead_id` or by `phone`."
    if one.phone is not None and one.phone not in by_phone:
        return "the studio has no lead with that number; write it as +31612345678."
    if lead is None:
        return f"the studio has no lead {one.lead_id}."
    if lead.lifecycle == "erased":
        return "that lead was erased, and nothing more is kept about them: leave it out."
    return None


def _out_of_time(one: Training, now: datetime) -> str | None:
    if one.state == "planned":
        return None if one.trained_at > now else "it has begun already: tell whether it was done or missed."
    return "it is in the future; tell it when it has taken place." if one.trained_at > now + _AHEAD else None


def _unfit(one: Training) -> str | None:
    if one.kind is not None and not 0 < len(one.kind) <= LONGEST_KIND:
        return f"its kind has at most {LONGEST_KIND} characters."
    return None


def _together(first: Training, then: Training) -> Training:
    """Two that are told of one moment: the one told last, with what only the first tells."""
    return Training(
        then.trained_at,
        then.lead_id,
        then.phone,
        then.booking_id or first.booking_id,
        first.state if then.state == "planned" else then.state,
        then.kind or first.kind,
    )


class Trainings:
    """Follows what studios tell."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_recorded(self, connection: Connection, work: Work[TrainingRecorded]) -> dict[str, bool]:
        """A lead has attended a training."""
        if work.workspace_id is None:
            raise Permanent("A training belongs to a studio.")
        told = work.content
        attended = Training(told.trained_at, lead_id=told.lead_id, booking_id=told.booking_id)
        return {"recorded": record(connection, self._clocks, work.workspace_id, [attended], "event") == 1}
