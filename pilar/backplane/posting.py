"""Events and jobs that come from outside: which may, how many, and which are there already.

What belongs here: the rules for whoever posts over the API. What does not: facts that the product records itself
(`facts.py`), who may call at all (the web service's table of routes), and HTTP.

A type says of itself whether a studio may post it (`Payload.from_outside`); those in charge of the fleet may post any
that is known. Everybody's payload is held against the type's model, so nothing gets in that could not be worked on.
Keys from outside live in a namespace of their own: nobody can take a key beforehand that the product will need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, Row, Table, delete, func, insert, literal, select, update

from pilar.backplane import audit, limits
from pilar.backplane.facts import Cause, Event, Job, Kind, Payload, emit, enqueue
from pilar.backplane.handlers import Registry
from pilar.backplane.queue_tables import queue, scheduled
from pilar.backplane.tables import autopilot_event, autopilot_job, idempotency_key
from pilar.clocks import Clocks
from pilar.errors import Conflict, Forbidden, Invalid
from pilar.ids import FLEET

OUTSIDE, DERIVED = "api:", "api-request:"
"""Before each key from outside, and before one that was made from a request that brought none."""

LOWEST_PRIORITY, USUAL_PRIORITY, HIGHEST_PRIORITY = 0, 50, 100
"""Between the pieces of work of one studio: another's are not overtaken by any priority."""


@dataclass(frozen=True)
class Posting:
    """What somebody posts.

    Attributes:
        workspace_id: the studio it is for; None: the fleet.
        type_name: of the event or job.
        content: the payload as it came.
        key: the same type and key in the same studio is the same event or job; begins with `OUTSIDE` or `DERIVED`.
        cause: the story it belongs to.
        actor: who posts it, as in the audit log.
        any_type: whether types that don't come from outside may be posted too.
        priority: higher goes first among the studio's.
        due_at: not to be worked on before this moment of business time; None: now.
    """

    workspace_id: UUID | None
    type_name: str
    content: Mapping[str, Any]
    key: str
    cause: Cause
    actor: str
    any_type: bool = False
    priority: int = USUAL_PRIORITY
    due_at: datetime | None = None


@dataclass(frozen=True)
class Posted:
    """The fact that stands for a posting, and whether it was not there before."""

    row: Row[Any]
    is_new: bool

    @property
    def key(self) -> str:
        """The key it was posted under."""
        return str(self.row.idempotency_key).removeprefix(OUTSIDE)


def postable(registry: Registry, kind: Kind, *, any_type: bool) -> list[str]:
    """The types of a kind that may be posted, by name: from outside, or any."""
    return sorted(
        name for (known, name), model in registry.payloads.items() if known is kind and (any_type or model.from_outside)
    )


def check_may_change(registry: Registry, kind: Kind, type_name: str, *, any_type: bool) -> None:
    """Raise `Forbidden` where a studio may not cancel or put off work of a type: what it may not ask for."""
    model = registry.payloads.get((kind, type_name))
    if not (any_type or (model is not None and model.from_outside)):
        raise Forbidden("This type of work is the system's own and is not changed from outside.")


def post_event(
    connection: Connection, clocks: Clocks, registry: Registry, posting: Posting, aggregate: tuple[str, str] | None
) -> Posted:
    """Record an event that somebody posts, once per key.

    Args:
        connection: a transaction in the fleet's scope: facts and queue are written in one.
        clocks: both clocks.
        registry: the types there are.
        posting: what is posted.
        aggregate: what it is about, as (type, id); None: the studio.

    Raises:
        Invalid: there is no such type, or the payload is not one of its.
        Forbidden: this type does not come from outside, or is about another studio.
        Conflict: the key stands for another event.
        TooManyRequests: too many were posted for this studio within the hour.
    """
    payload = _payload(registry, Kind.EVENT, posting)
    studio = posting.workspace_id
    about = aggregate or (("workspace", str(studio)) if studio else ("fleet", str(FLEET)))
    event = Event(payload=payload, key=posting.key, aggregate=about, workspace_id=studio)
    is_new = emit(connection, clocks, [event], posting.cause) == 1
    row = _fact(connection, autopilot_event, Kind.EVENT, payload, posting)
    if is_new:
        _arrange(connection, row.position, posting)
    _settle(connection, clocks, posting, payload, row, is_new=is_new, limit=limits.EVENTS, noun="event")
    if (row.aggregate_type, row.aggregate_id) != about:
        raise _another("event")
    return Posted(row, is_new)


def post_job(connection: Connection, clocks: Clocks, registry: Registry, posting: Posting) -> Posted:
    """Have something done that somebody posts, once per key.

    Args:
        connection: a transaction in the fleet's scope: facts and queue are written in one.
        clocks: both clocks.
        registry: the types there are.
        posting: what is posted.

    Raises:
        Invalid, Forbidden, Conflict, TooManyRequests: as for events.
    """
    payload = _payload(registry, Kind.JOB, posting)
    job = Job(
        payload=payload, key=posting.key, workspace_id=posting.workspace_id, priority=posting.priority,
        due_at=posting.due_at, business_time=posting.due_at is not None,
    )  # fmt: skip
    is_new = enqueue(connection, clocks, [job], posting.cause) == 1
    row = _fact(connection, autopilot_job, Kind.JOB, payload, posting)
    _settle(connection, clocks, posting, payload, row, is_new=is_new, limit=limits.JOBS, noun="job")
    if row.priority != posting.priority:
        raise _another("job")
    return Posted(row, is_new)


def _payload(registry: Registry, kind: Kind, posting: Posting) -> Payload:
    """What is posted, as its type's model; see `post_event` for what is raised."""
    noun = "event" if kind is Kind.EVENT else "job"
    model = registry.payloads.get((kind, posting.type_name))
    if model is None:
        known = postable(registry, kind, any_type=posting.any_type)
        raise Invalid(f"There is no type of {noun} by that name.", known_types=known)
    if not (posting.any_type or model.from_outside):
        raise Forbidden(f"This type of {noun} is made by the system itself and does not come from outside.")
    try:
        text = json.dumps(_storable(posting.content), allow_nan=False)
        payload = model.model_validate_json(text)
    except ValidationError as error:
        # Where and what, without the value: it may be a secret that ended up in the wrong field.
        found = [
            {
                "at": "/".join(("body", "payload", *map(str, one["loc"]))),
                "message": one["msg"],
                "type": one["type"],
            }
            for one in error.errors(include_url=False, include_input=False)
        ]
        raise Invalid(f"The payload is not one of {posting.type_name}.", errors=found) from None
    except ValueError:
        raise Invalid("The payload holds a number or a text that can't be kept.") from None
    named = getattr(payload, "workspace_id", posting.workspace_id)
    if not posting.any_type and named != posting.workspace_id:
        raise Forbidden("The payload is about another studio.")
    return payload


def _settle(
    connection: Connection,
    clocks: Clocks,
    posting: Posting,
    payload: Payload,
    row: Row[Any],
    *,
    is_new: bool,
    limit: limits.Limit,
    noun: Literal["event", "job"],
) -> None:
    """Count and tell what is new; refuse what only has the key in common with what is there."""
    if not is_new:
        if row.payload != payload.model_dump(mode="json"):
            raise _another(noun)
        return
    now = clocks.real.now()
    # A repetition costs nothing: whoever is not sure that it arrived shall ask again.
    limits.take(connection, limit, str(posting.workspace_id or FLEET), now)
    audit.record(
        connection, actor=posting.actor, action=f"autopilot.{noun}_posted", subject=f"{noun}:{row.id}", now=now,
        workspace_id=posting.workspace_id, correlation_id=row.correlation_id, details={"type": payload.type_name},
    )  # fmt: skip


def _another(noun: str) -> Conflict:
    return Conflict(f"This idempotency key stands for another {noun}: send a new key with a new {noun}.")


def _arrange(connection: Connection, position: int, posting: Posting) -> None:
    """Give a new event's work its priority, and have it wait for its moment; nobody has seen it before the commit."""
    work = queue.c.position == position
    if posting.priority != USUAL_PRIORITY:
        connection.execute(update(queue).where(work).values(priority=posting.priority))
    if posting.due_at is not None:
        same = [column.name for column in scheduled.c if column.name in queue.c and column.name != "due_at"]
        gone = delete(queue).where(work).returning(*(queue.c[name] for name in same)).cte("gone")
        values = [*gone.c, literal(posting.due_at, scheduled.c.due_at.type), literal(True)]
        connection.execute(insert(scheduled).from_select([*same, "due_at", "business_time"], select(*values)))


def _fact(connection: Connection, table: Table, kind: Kind, payload: Payload, posting: Posting) -> Row[Any]:
    """The fact that a key stands for."""
    digest = func.pilar_key_digest(kind.value, payload.type_name, posting.key)
    return connection.execute(
        select(table)
        .join(idempotency_key, idempotency_key.c.position == table.c.position)
        .where(idempotency_key.c.workspace_id == (posting.workspace_id or FLEET), idempotency_key.c.digest == digest)
    ).one()


def _storable(value: Any) -> Any:
    """A JSON value as it is; raise `ValueError` for texts that PostgreSQL can't keep."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with a NUL")
        value.encode()  # half of a surrogate pair is a UnicodeEncodeError, which is a ValueError
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _storable(key)
            _storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _storable(inner)
    return value
