"""Locks for whoever works on a studio from outside. What belongs here: the shape of requests and answers.

A lock's id is that of one holding: whoever comes next gets another, so an id from before releases nothing. It is told
to nobody but who took the lock, and good only within their studio; there it is good with the fencing token, or for who
is named as the holder. Those in charge of the fleet may give back anybody's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from pilar.backplane import limits, locks
from pilar.backplane.locks import Lock
from pilar.database.engine import Scope
from pilar.errors import Conflict, Held, NotFound
from pilar.ids import FLEET
from pilar.workspaces.store import get_workspace
from webhook_ingest.deps import Asked, Caller, System

USUAL_SECONDS, LONGEST_SECONDS = 30, 3_600
_AGAIN = timedelta(seconds=1)

Seconds = Annotated[int, Field(ge=1, le=LONGEST_SECONDS, description="How long it is held unless renewed.")]
Token = Annotated[
    int | None, Field(description="The holding's fencing token; needed where the holder is told by a name of its own.")
]
Printable = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")]


class AcquireRequest(BaseModel):
    """What is to be locked; names belong to the studio, and mean nothing to another."""

    model_config = ConfigDict(extra="forbid")

    key: Printable
    ttl_seconds: Seconds = USUAL_SECONDS
    holder: Printable | None = Field(None, description="Who holds it, in your words; else whoever asks.")
    workspace_id: UUID | None = Field(
        None, description="The studio; yours unless you have several. Those in charge of the fleet may leave it out."
    )


class RenewRequest(BaseModel):
    """For how long, from now."""

    model_config = ConfigDict(extra="forbid")

    ttl_seconds: Seconds = USUAL_SECONDS
    fencing_token: Token = None


class LockItem(BaseModel):
    """A lock that is held, until a moment of real time unless it is renewed.

    The fencing token is higher than that of whoever held the lock before: what a holder writes elsewhere can carry it,
    so that one who slept past the end is refused there.
    """

    lock_id: UUID
    key: str
    workspace_id: UUID | None
    holder: str
    fencing_token: int
    expires_at: datetime


def acquire_lock(app: System, caller: Asked, wanted: AcquireRequest) -> LockItem:
    """Take a lock, unless somebody holds it: then 409, and `Retry-After` says when it ends unless it is renewed."""
    studio, now = caller.acts_for(wanted.workspace_id), app.clocks.real.now()
    with app.database.transaction(Scope.fleet()) as connection:
        if studio is not None:
            get_workspace(connection, studio)
        limits.take(connection, limits.LOCKS, str(studio or FLEET), now)
        lock = app.locks.acquire(
            connection, wanted.key, wanted.holder or caller.principal.actor,
            ttl=timedelta(seconds=wanted.ttl_seconds), workspace_id=studio,
        )  # fmt: skip
        until = locks.held_until(connection, wanted.key, studio, now) if lock is None else None
    if lock is None:
        # Outside the transaction: a refusal counts too.
        raise Held(retry_after=until - now if until else _AGAIN)
    return _item(lock)


def renew_lock(app: System, caller: Asked, lock_id: UUID, wanted: RenewRequest) -> LockItem:
    """Hold a lock for longer; 404 where it has ended or is another studio's."""
    with app.database.transaction(Scope.fleet()) as connection:
        lock = _theirs(app, connection, caller, lock_id, wanted.fencing_token)
        renewed = app.locks.renew(connection, lock, ttl=timedelta(seconds=wanted.ttl_seconds))
    if renewed is None:
        raise NotFound(locks.GONE)
    return _item(renewed)


def release_lock(app: System, caller: Asked, lock_id: UUID, fencing_token: Annotated[Token, Query()] = None) -> None:
    """Give a lock back; 404 where it has ended or is another studio's."""
    with app.database.transaction(Scope.fleet()) as connection:
        released = app.locks.release(connection, _theirs(app, connection, caller, lock_id, fencing_token))
    if not released:
        raise NotFound(locks.GONE)


def _theirs(app: System, connection: Any, caller: Caller, lock_id: UUID, fencing_token: int | None) -> Lock:
    """The lock, if the caller may do something with it."""
    lock = app.locks.find(connection, lock_id)
    if not caller.is_in_charge and lock.workspace_id not in caller.studios:
        raise NotFound(locks.GONE)
    if fencing_token is not None and fencing_token != lock.fencing_token:
        raise Conflict("This fencing token is not that of the lock.")
    if fencing_token is None and not caller.is_in_charge and lock.holder != caller.principal.actor:
        raise Conflict("Somebody else holds this lock: who holds it for them says its fencing token.")
    return lock


def _item(lock: Lock) -> LockItem:
    return LockItem(
        lock_id=lock.id,
        key=lock.key,
        workspace_id=lock.workspace_id,
        holder=lock.holder,
        fencing_token=lock.fencing_token,
        expires_at=lock.expires_at,
    )
