"""Incidents: asked for by event from any room, one open at a time per dedupe key; closed by event as well.

What belongs here: opening, counting, closing and listing. Remedies and escalation are another idea.

Events are answered in no order: a request that is answered after its matter was told to be over opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, case, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.backplane import audit
from pilar.backplane.facts import Event, emit
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentOver, IncidentRequested, ended, is_asked_for
from pilar.clocks import Clocks
from pilar.health.events import IncidentNoted
from pilar.health.tables import incident
from pilar.ids import new_id
from pilar.masking import mask_text

_RANK = {"low": 0, "medium": 1, "high": 2, "critical": 3}


@dataclass(frozen=True)
class Incident:
    """An incident as lists show it."""

    id: UUID
    workspace_id: UUID | None
    title: str
    description: str
    severity: str
    status: str
    component: str
    occurrences: int
    detected_at: datetime
    last_seen_at: datetime


class IncidentKeeper:
    """Answers requests for incidents."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_request(self, connection: Connection, work: Work[IncidentRequested]) -> dict[str, str]:
        """Open an incident, or count one more occurrence of the one that is open."""
        request = work.content
        if work.position in ended(connection, request.dedupe_key):
            return {"skipped": "it is over by now"}
        identity = open_incident(
            connection, request, work.workspace_id, work.correlation_id, self._clocks.business.now()
        )
        self._note(connection, identity, work)
        return {"incident": str(identity)}

    def on_over(self, connection: Connection, work: Work[IncidentOver]) -> dict[str, str]:
        """Close an incident whose matter is over; one that is not open, or was asked for again since, stays."""
        if is_asked_for(connection, work.content.dedupe_key):
            return {"skipped": "it was asked for again"}
        identity = resolve_incident(connection, work.content.dedupe_key, self._clocks.business.now())
        if identity is None:
            return {"skipped": "it is not open"}
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action="health.incident_resolved",
            subject=f"incident:{identity}",
            now=self._clocks.real.now(),
            workspace_id=work.workspace_id,
            correlation_id=work.correlation_id,
            details={"reason": work.content.reason},
        )
        self._note(connection, identity, work)
        return {"incident": str(identity)}

    def _note(self, connection: Connection, identity: UUID, work: Work[Any]) -> None:
        event = Event(
            payload=IncidentNoted(incident_id=identity),
            key=f"noted:{work.id}",
            aggregate=("incident", str(identity)),
            workspace_id=work.workspace_id,
        )
        emit(connection, self._clocks, [event], work.cause)


def open_incident(
    connection: Connection,
    request: IncidentRequested,
    workspace_id: UUID | None,
    correlation_id: UUID | None,
    now: datetime,
) -> UUID:
    """Open an incident and return its id; an open one with the same key counts up and takes the higher severity."""
    rank = case(_RANK, value=incident.c.severity)
    fresh = insert(incident).values(
        id=new_id(),
        workspace_id=workspace_id,
        dedupe_key=request.dedupe_key,
        title=mask_text(request.title),
        description=mask_text(request.description),
        severity=request.severity,
        status="open",
        component=request.component,
        occurrences=1,
        detected_at=now,
        last_seen_at=now,
        correlation_id=correlation_id,
    )
    statement = fresh.on_conflict_do_update(
        index_elements=["dedupe_key"],
        index_where=incident.c.status.in_(["open", "investigating"]),
        set_={
            "occurrences": incident.c.occurrences + 1,
            "last_seen_at": now,
            "description": fresh.excluded.description,
            "severity": case(
                (rank < literal(_RANK[request.severity]), fresh.excluded.severity), else_=incident.c.severity
            ),
        },
    ).returning(incident.c.id)
    identity: UUID = connection.execute(statement).scalar_one()
    return identity


def resolve_incident(connection: Connection, dedupe_key: str, now: datetime) -> UUID | None:
    """Close the open incident with that key and return its id; None where none is open. `now` is business time."""
    is_open = incident.c.status.in_(["open", "investigating"])
    statement = update(incident).filter_by(dedupe_key=dedupe_key).where(is_open)
    closed = statement.values(status="resolved", resolved_at=now).returning(incident.c.id)
    identity: UUID | None = connection.execute(closed).scalar_one_or_none()
    return identity


def list_incidents(
    connection: Connection, *, after: UUID | None = None, limit: int = 50, open_only: bool = False
) -> list[Incident]:
    """Incidents, the newest first (ids grow with time), from below the one given."""
    statement = select(incident).order_by(incident.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(incident.c.id < after)
    if open_only:
        statement = statement.where(incident.c.status.in_(["open", "investigating"]))
    return [
        Incident(**{name: getattr(row, name) for name in Incident.__dataclass_fields__})
        for row in connection.execute(statement)
    ]
