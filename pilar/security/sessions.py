"""People in browsers: signing in by password or by link, staying signed in, signing out.

What belongs here: the rules of sessions and the lockout. What does not: cookies and forms (the web service), and
programs, which come with a token (`api_tokens.py`). Every function needs the fleet's scope and real time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit, limits
from pilar.backplane.limits import Limit
from pilar.errors import NotFound, Unauthenticated
from pilar.ids import new_id
from pilar.security import passwords, store
from pilar.security.principals import Kind, Principal
from pilar.tokens import new_token, same, token_hash

LASTS = timedelta(days=14)
IDLE_AFTER = timedelta(days=2)
LINK_LASTS = timedelta(minutes=30)
LOCKOUT = timedelta(minutes=15)

PER_ADDRESS = Limit("sign_in_failures_per_address", 5, LOCKOUT)
PER_IP = Limit("sign_in_failures_per_ip", 20, LOCKOUT)


@dataclass(frozen=True)
class NewSession:
    """A browser that has just signed in; the token is shown to it once and kept as a hash."""

    token: str
    person_id: UUID
    expires_at: datetime


@dataclass(frozen=True)
class LiveSession:
    """A browser that is signed in."""

    id: UUID
    principal: Principal
    name: str
    csrf_secret: str

    def accepts(self, csrf_token: str) -> bool:
        """Whether a form came from one of this session's own pages."""
        return same(self.csrf_secret, csrf_token)


def sign_in_by_password(
    connection: Connection, *, address: str, password: str, ip: str, now: datetime
) -> NewSession | None:
    """Sign a person in; None where address and password don't belong together.

    The caller commits in either case, so that failures count.

    Args:
        connection: a transaction in the fleet's scope.
        address: the person's mail address, as typed.
        password: as typed.
        ip: where the request came from.
        now: real time.

    Raises:
        TooManyRequests: five failures for the address or twenty from the place within fifteen minutes. Right or
            wrong, the password is not looked at then.
    """
    address = address.strip().lower().replace("\0", "")  # which PostgreSQL takes in no text
    # Each attempt is counted before the password is looked at, and given back if it was right: guesses in parallel
    # get no more than guesses in a row. Counters keep a digest: an address is personal data.
    attempts = [(PER_ADDRESS, hashlib.sha256(address.encode()).hexdigest()), (PER_IP, ip)]
    for limit, subject in attempts:
        limits.take(connection, limit, subject, now)
    person = store.person_by_address(connection, address)
    if not passwords.matches(person.password_hash if person else None, password) or person is None:
        audit.record(
            connection,
            actor="anonymous",
            action="security.sign_in_refused",
            # Never what was typed as the address: people type their password there.
            subject=f"person:{person.id}" if person else "nobody",
            now=now,
            details={"ip": ip},
        )
        return None
    for limit, subject in attempts:
        limits.give_back(connection, limit, subject, now)
    if passwords.is_outdated(person.password_hash):
        store.set_password_hash(connection, person.id, passwords.hash_password(password))
    return _open(connection, person.id, "password", now)


def make_sign_in_link(
    connection: Connection, person_id: UUID, *, actor: str, now: datetime, lasts: timedelta = LINK_LASTS
) -> str:
    """Make a one-time link's token for a person; the link is `<public_url>/sign-in/link/<token>`.

    Raises:
        NotFound: there is no such person.
    """
    if store.person_by_id(connection, person_id) is None:
        raise NotFound("There is no such person.")
    token = new_token("pilar_link")
    store.insert_link(
        connection,
        {"token_hash": token_hash(token), "person_id": person_id, "created_at": now, "expires_at": now + lasts},
    )
    audit.record(connection, actor=actor, action="security.link_made", subject=f"person:{person_id}", now=now)
    return token


def link_is_open(connection: Connection, token: str, now: datetime) -> bool:
    """Whether a link would sign somebody in; looking does not use it up."""
    return store.link_is_open(connection, token_hash(token), now)


def sign_in_by_link(connection: Connection, token: str, now: datetime) -> NewSession:
    """Use a link up and sign its person in.

    Raises:
        Unauthenticated: it is unknown, used or expired.
    """
    person_id = store.use_link(connection, token_hash(token), now)
    if person_id is None:
        raise Unauthenticated("This link was used already or has expired: ask for a new one.")
    return _open(connection, person_id, "link", now)


def resolve(connection: Connection, token: str, now: datetime) -> LiveSession:
    """Who is behind a session's cookie, with the rights they have now.

    Raises:
        Unauthenticated: the session is unknown, has ended or was idle for too long.
    """
    row = store.find_session(connection, token_hash(token))
    if row is None or row.expires_at <= now or row.seen_at <= now - IDLE_AFTER:
        raise Unauthenticated("Your session has ended: sign in again.")
    principal = principal_of(connection, row.person_id)
    person = store.person_by_id(connection, row.person_id)
    if person is None:
        raise Unauthenticated
    store.touch_session(connection, row.id, now)
    return LiveSession(row.id, principal, person.name, row.csrf_secret)


def sign_out(connection: Connection, session: LiveSession, now: datetime) -> None:
    """End a session."""
    store.delete_session(connection, session.id)
    audit.record(
        connection,
        actor=session.principal.actor,
        action="security.signed_out",
        subject=f"person:{session.principal.person_id}",
        now=now,
    )


def set_password(connection: Connection, person_id: UUID, password: str, *, actor: str, now: datetime) -> None:
    """Give a person a new password and end all their sessions.

    Raises:
        Invalid: it is too short or too long.
        NotFound: there is no such person.
    """
    if not store.set_password_hash(connection, person_id, passwords.hash_password(password)):
        raise NotFound("There is no such person.")
    store.delete_sessions_of(connection, person_id)
    audit.record(connection, actor=actor, action="security.password_set", subject=f"person:{person_id}", now=now)


def principal_of(connection: Connection, person_id: UUID) -> Principal:
    """What a person is now; raise `Unauthenticated` where there is no such person."""
    person = store.person_by_id(connection, person_id)
    if person is None:
        raise Unauthenticated
    roles = {workspace: Kind(role) for workspace, role in store.roles_of(connection, person_id).items()}
    kind = _highest(roles, is_founder=person.is_founder, is_affiliate=person.affiliate_id is not None)
    return Principal(kind, person_id, roles, affiliate_id=person.affiliate_id)


def forget_expired(connection: Connection, now: datetime) -> int:
    """Delete sessions and links that have expired; return how many."""
    return store.delete_expired(connection, now)


def _highest(roles: Mapping[UUID, Kind], *, is_founder: bool, is_affiliate: bool) -> Kind:
    if is_founder:
        return Kind.ADMIN
    if is_affiliate and not roles:
        return Kind.AFFILIATE
    return Kind.OWNER if Kind.OWNER in roles.values() else Kind.MEMBER


def _open(connection: Connection, person_id: UUID, way: str, now: datetime) -> NewSession:
    token, expires_at = new_token("pilar_session"), now + LASTS
    store.insert_session(
        connection,
        {
            "id": new_id(),
            "token_hash": token_hash(token),
            "person_id": person_id,
            "csrf_secret": new_token("csrf"),
            "created_at": now,
            "seen_at": now,
            "expires_at": expires_at,
        },
    )
    actor = principal_of(connection, person_id).actor
    audit.record(connection, actor=actor, action="security.signed_in", subject=way, now=now)
    return NewSession(token, person_id, expires_at)
