"""Requests with an `Idempotency-Key`: answered once, replayed to the same caller after that.

What belongs here: remembering requests and answers. What does not: HTTP (the web service calls this).
The rules follow the IETF draft «The Idempotency-Key HTTP Header Field».
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.tables import api_request
from pilar.errors import Busy, Conflict

KEPT_FOR = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=2)
"""A request that got no answer for so long was cut off: it may be tried again."""


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def begin(connection: Connection, caller: str, key: str, request: bytes, now: datetime) -> Answer | None:
    """Claim a key for a request; the answer that was given before, or None where it is to be answered now.

    Raises:
        Conflict: the key was used for another request.
        Busy: the first request with this key is still being answered.
    """
    digest = hashlib.sha256(request).digest()
    statement = upsert(api_request).values(caller=caller, key=key, request_hash=digest, created_at=now)
    if connection.execute(statement.on_conflict_do_nothing()).rowcount:
        return None
    row = connection.execute(select(api_request).filter_by(caller=caller, key=key).with_for_update()).one()
    if bytes(row.request_hash) != digest:
        raise Conflict("This Idempotency-Key was used for another request: send a new key with a new request.")
    if row.status is not None:
        return Answer(row.status, row.headers or {}, bytes(row.body or b""))
    if row.created_at > now - ABANDONED_AFTER:
        raise Busy("The first request with this Idempotency-Key is still being answered.")
    connection.execute(update(api_request).filter_by(caller=caller, key=key).values(created_at=now))
    return None


def finish(connection: Connection, caller: str, key: str, answer: Answer) -> None:
    """Remember the answer."""
    values = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    connection.execute(update(api_request).filter_by(caller=caller, key=key).values(values))


def abandon(connection: Connection, caller: str, key: str) -> None:
    """Forget a request that failed without having done anything, so that it may be sent again."""
    connection.execute(delete(api_request).filter_by(caller=caller, key=key, status=None))


def forget_old(connection: Connection, now: datetime) -> int:
    """Delete answers past their time; return how many."""
    return connection.execute(delete(api_request).where(api_request.c.created_at < now - KEPT_FOR)).rowcount
