"""Events that any room may emit for a higher one to answer. What belongs here: their payloads, and asking for them.

An incident is asked for by event, since the rooms that notice trouble stand below the one that keeps incidents; that
the trouble is over is told in the same way. Who tells it holds what the requests were about, so none of them is under
way, and names them one by one: so the events may be answered in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.fact_store import events_about
from pilar.backplane.facts import Cause, Event, Payload, emit
from pilar.clocks import Clocks

Severity = Literal["low", "medium", "high", "critical"]

ABOUT_INCIDENTS = "incident."
"""What the types of all events about incidents begin with."""

_AGGREGATE = "incident"


class IncidentRequested(Payload):
    """Somebody should know. The same `dedupe_key` while the incident is open adds to its count."""

    type_name: ClassVar[str] = "incident.requested"

    dedupe_key: str
    title: str
    description: str
    severity: Severity
    component: str


class IncidentOver(Payload):
    """What an incident was about is over: whoever asked for it has seen that. `ends` are the requests' positions."""

    type_name: ClassVar[str] = "incident.over"

    dedupe_key: str
    reason: str
    ends: tuple[int, ...]


def incident(request: IncidentRequested, *, key: str, workspace_id: UUID | None = None) -> Event:
    """The event that asks for an incident.

    Args:
        request: what is the matter.
        key: idempotency key of this very occurrence.
        workspace_id: the studio it concerns, if any.
    """
    return Event(payload=request, key=key, aggregate=(_AGGREGATE, request.dedupe_key), workspace_id=workspace_id)


def end_incidents(
    connection: Connection,
    clocks: Clocks,
    dedupe_keys: Iterable[str],
    *,
    reason: str,
    cause: Cause,
    workspace_id: UUID | None = None,
) -> int:
    """Have incidents closed whose matter is over; return how many there were to close.

    Those that nobody asked for, or that were closed since, are left alone.

    Args:
        connection: a transaction in the fleet's scope that holds what the incidents were about.
        clocks: both clocks.
        dedupe_keys: the incidents'.
        reason: how it came to an end, as a sentence.
        cause: the story it belongs to.
        workspace_id: the studio it concerns, if any.
    """
    asked: dict[str, set[int]] = {}
    for key, position, _ in events_about(connection, IncidentRequested.type_name, list(dedupe_keys)):
        asked.setdefault(key, set()).add(position)
    over = []
    for key, positions in asked.items():
        ends = sorted(positions - ended(connection, key))
        if ends:
            told = IncidentOver(dedupe_key=key, reason=reason, ends=tuple(ends))
            name = f"over:{ends[0]}:{ends[-1]}:{len(ends)}"
            over.append(Event(payload=told, key=name, aggregate=(_AGGREGATE, _over(key)), workspace_id=workspace_id))
    return emit(connection, clocks, over, cause)


def ended(connection: Connection, dedupe_key: str) -> set[int]:
    """The positions of those requests for an incident whose matter was told to be over."""
    told = events_about(connection, IncidentOver.type_name, [_over(dedupe_key)])
    return {position for _, _, payload in told for position in payload["ends"]}


def is_asked_for(connection: Connection, dedupe_key: str) -> bool:
    """Whether there is a request for an incident whose matter was not told to be over."""
    asked = events_about(connection, IncidentRequested.type_name, [dedupe_key])
    return bool({position for _, position, _ in asked} - ended(connection, dedupe_key))


def _over(dedupe_key: str) -> str:
    """What the ends of an incident are found by, however many requests there are for it."""
    return f"{dedupe_key}:over"
