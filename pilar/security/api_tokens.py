"""Tokens for programs. What belongs here: making, recognising, revoking and listing them.

A token stands for a principal and never for more than its person may at the moment of use: who leaves a studio takes
the tokens' rights along. Every function needs the fleet's scope and real time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.errors import Conflict, Invalid, NotFound, Unauthenticated
from pilar.ids import new_id
from pilar.security import store
from pilar.security.principals import EVERYTHING, FLEET_WIDE, Access, Kind, Principal
from pilar.tokens import new_token, same, token_hash
from pilar.workspaces.store import hold_workspace

PREFIX = "pilar_token"


@dataclass(frozen=True)
class NewToken:
    """A token that has just been made; `plain` is shown once and kept as a hash."""

    id: UUID
    plain: str


@dataclass(frozen=True)
class TokenSummary:
    """A token as lists show it."""

    id: UUID
    name: str
    kind: str
    workspace_id: UUID | None
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create(
    connection: Connection,
    *,
    name: str,
    kind: Kind,
    actor: str,
    now: datetime,
    person_id: UUID | None = None,
    workspace_id: UUID | None = None,
    scopes: Collection[Access] = EVERYTHING,
    lasts: timedelta | None = None,
) -> NewToken:
    """Make a token.

    Args:
        connection: a transaction in the fleet's scope.
        name: what it is for.
        kind: what it stands for: system or admin (fleet-wide), owner or member (of one studio).
        actor: who makes it, as in the audit log.
        now: real time.
        person_id: whose it is; None for a program's own.
        workspace_id: the studio, for owner and member.
        scopes: what it may be used for.
        lasts: how long it is valid; None: until it is revoked.

    Raises:
        Invalid: kind and studio don't go together, or there is no scope.
        NotFound: there is no such studio.
        Conflict: it is closed.
    """
    if kind not in {*FLEET_WIDE, Kind.OWNER, Kind.MEMBER}:
        raise Invalid(f"There are no tokens for {kind}.")
    if (kind in FLEET_WIDE) != (workspace_id is None):
        raise Invalid("A token for owner or member names its studio; one for system or admin names none.")
    if not scopes:
        raise Invalid("A token needs a scope.")
    # Held, so that a studio that is closed at this moment does not miss this token when it revokes them.
    if workspace_id is not None and hold_workspace(connection, workspace_id).state == "closed":
        raise Conflict("This studio is closed: there are no tokens for it any more.")
    token_id, plain = new_id(), new_token(PREFIX)
    store.insert_token(
        connection,
        {
            "id": token_id,
            "token_hash": token_hash(plain),
            "name": name,
            "kind": kind.value,
            "person_id": person_id,
            "workspace_id": workspace_id,
            "scopes": sorted(scope.value for scope in scopes),
            "created_at": now,
            "expires_at": now + lasts if lasts else None,
        },
    )
    audit.record(
        connection,
        actor=actor,
        action="security.token_created",
        subject=f"token:{token_id}",
        now=now,
        workspace_id=workspace_id,
        details={"kind": kind.value, "scopes": sorted(scopes)},
    )
    return NewToken(token_id, plain)


def resolve(connection: Connection, plain: str, now: datetime) -> Principal:
    """Whom a token stands for.

    Raises:
        Unauthenticated: it is unknown, expired or revoked, or its person has no such right any more.
    """
    wanted = token_hash(plain)
    row = store.find_token(connection, wanted)
    if row is None or not same(row.token_hash, wanted):
        raise Unauthenticated("This token is not known.")
    if row.revoked_at is not None:
        raise Unauthenticated("This token was revoked.")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated("This token has expired.")
    if row.person_id is not None and not _still_entitled(connection, row):
        raise Unauthenticated("The person whose token this is has no such right any more.")
    store.touch_token(connection, row.id, now)
    kind = Kind(row.kind)
    return Principal(
        kind=kind,
        person_id=row.person_id,
        roles={} if row.workspace_id is None else {row.workspace_id: kind},
        token_id=row.id,
        scopes=frozenset(Access(scope) for scope in row.scopes),
    )


def revoke(connection: Connection, token_id: UUID, *, actor: str, now: datetime) -> None:
    """Take a token out of force, for good.

    Raises:
        NotFound: no token by that id is in force.
    """
    if not store.revoke_token(connection, token_id, now):
        raise NotFound("No such token is in force.")
    audit.record(connection, actor=actor, action="security.token_revoked", subject=f"token:{token_id}", now=now)


def list_all(connection: Connection) -> list[TokenSummary]:
    """All tokens, the newest first."""
    return [
        TokenSummary(
            id=row.id,
            name=row.name,
            kind=row.kind,
            workspace_id=row.workspace_id,
            scopes=tuple(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
        for row in store.list_tokens(connection)
    ]


def _still_entitled(connection: Connection, token: Row[Any]) -> bool:
    person = store.person_by_id(connection, token.person_id)
    if person is None:
        return False
    if Kind(token.kind) in FLEET_WIDE:
        return bool(person.is_founder)
    role = store.roles_of(connection, token.person_id).get(token.workspace_id)
    return role in {token.kind, Kind.OWNER.value}
