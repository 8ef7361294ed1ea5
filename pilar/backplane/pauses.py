"""Pauses: work of a type, in a lane or of a workspace that is not to be begun for now.

What belongs here: beginning and ending them. What does not: honouring them: the claim passes over a paused lane and
parks what it meets under the other pauses, and `store.admit` lets it in again when they are over (`store.py`). What is
being worked on when a pause begins is finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane import audit
from pilar.backplane.facts import Lane
from pilar.backplane.queue_tables import queue_pause
from pilar.database.engine import wake_workers
from pilar.errors import Invalid

Dimension = Literal["type", "lane", "workspace"]


@dataclass(frozen=True)
class Pause:
    """What is paused, since when, by whom and why; `until` is None where somebody has to end it."""

    dimension: Dimension
    subject: str
    paused_at: datetime
    paused_by: str
    reason: str
    until: datetime | None


def pause(
    connection: Connection,
    dimension: Dimension,
    subject: str,
    *,
    actor: str,
    reason: str,
    until: datetime | None = None,
    now: datetime,
) -> Pause:
    """Have no work begun of a type, in a lane or of a workspace; one that is paused already is paused anew.

    Args:
        connection: the transaction.
        dimension: what the subject is.
        subject: the type's name, the lane's or the workspace's id.
        actor: who pauses, as in the audit log.
        reason: why, for whoever finds it paused.
        until: when it ends by itself (real time); None: when somebody ends it.
        now: real time.

    Raises:
        Invalid: there is no such dimension, lane or id, no reason, or the end is past.
    """
    subject = _checked(dimension, subject)
    if not reason.strip():
        raise Invalid("A pause has a reason, for whoever finds the work waiting.")
    if until is not None and until <= now:
        raise Invalid("A pause ends after it begins: `until` is past.")
    values = {"paused_at": now, "paused_by": actor, "reason": reason.strip(), "until": until}
    connection.execute(
        upsert(queue_pause)
        .values(dimension=dimension, subject=subject, **values)
        .on_conflict_do_update(index_elements=["dimension", "subject"], set_=values)
    )
    told = {"reason": reason.strip(), "until": until.isoformat() if until else None}
    _record(connection, "queue.paused", dimension, subject, actor, now, told)
    return Pause(dimension, subject, now, actor, reason.strip(), until)


def resume(connection: Connection, dimension: Dimension, subject: str, *, actor: str, now: datetime) -> bool:
    """End a pause; False where there was none, or it was over. What was parked goes on in the order it had.

    Raises:
        Invalid: there is no such dimension, lane or id.
    """
    subject = _checked(dimension, subject)
    ended = connection.execute(
        delete(queue_pause).filter_by(dimension=dimension, subject=subject).returning(queue_pause.c.until)
    ).first()
    if ended is None or (ended.until is not None and ended.until <= now):
        return False
    _record(connection, "queue.resumed", dimension, subject, actor, now, {})
    wake_workers(connection)
    return True


def list_pauses(connection: Connection, now: datetime) -> list[Pause]:
    """What is paused at this moment (real time), the newest first."""
    rows = connection.execute(
        select(queue_pause)
        .where(or_(queue_pause.c.until.is_(None), queue_pause.c.until > now))
        .order_by(queue_pause.c.paused_at.desc(), queue_pause.c.dimension, queue_pause.c.subject)
    ).mappings()
    return [Pause(**row) for row in rows]


def _checked(dimension: Dimension, subject: str) -> str:
    """The subject as the claim compares it."""
    if dimension not in get_args(Dimension):
        raise Invalid(f"What can be paused is a type, a lane or a workspace, and no {dimension}.")
    if dimension == "lane" and subject not in set(Lane):
        raise Invalid(f"There is no lane {subject!r}: there are {', '.join(Lane)}.")
    if dimension == "workspace":
        try:
            return str(UUID(subject))
        except ValueError:
            raise Invalid(f"A workspace is paused by its id; {subject!r} is none.") from None
    if not subject.strip():
        raise Invalid("Which one is to be paused?")
    return subject.strip()


def _record(
    connection: Connection,
    action: str,
    dimension: Dimension,
    subject: str,
    actor: str,
    now: datetime,
    details: Mapping[str, object],
) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"{dimension}:{subject}",
        now=now,
        workspace_id=UUID(subject) if dimension == "workspace" else None,
        details=details,
    )
