"""The SQL of access. What belongs here: reading and writing rows; the rules are in the use cases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from pilar.backplane.tables import audit_log
from pilar.security.tables import api_token, browser_session, sign_in_link
from pilar.workspaces.tables import membership, person, workspace

_TOUCH_AFTER = timedelta(minutes=1)
"""When something was last used is kept to the minute: not every request has to write."""


def person_by_address(connection: Connection, address: str) -> Row[Any] | None:
    """The person with that address, in lower case."""
    return connection.execute(select(person).filter_by(email=address)).one_or_none()


def person_by_id(connection: Connection, person_id: UUID) -> Row[Any] | None:
    """The person's row."""
    return connection.execute(select(person).filter_by(id=person_id)).one_or_none()


def roles_of(connection: Connection, person_id: UUID) -> dict[UUID, str]:
    """What a person is in which studio."""
    rows = connection.execute(select(membership.c.workspace_id, membership.c.role).filter_by(person_id=person_id))
    return {row.workspace_id: row.role for row in rows}


def set_password_hash(connection: Connection, person_id: UUID, password_hash: str) -> bool:
    """Keep a new hash; return whether there is such a person."""
    changed = connection.execute(update(person).filter_by(id=person_id).values(password_hash=password_hash))
    return changed.rowcount == 1


def insert_session(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a new browser session."""
    connection.execute(insert(browser_session).values(**values))


def find_session(connection: Connection, token_hash: bytes) -> Row[Any] | None:
    """The session with that token."""
    return connection.execute(select(browser_session).filter_by(token_hash=token_hash)).one_or_none()


def touch_session(connection: Connection, session_id: UUID, now: datetime) -> None:
    """Note that a session is in use."""
    stale = browser_session.c.seen_at < now - _TOUCH_AFTER
    connection.execute(update(browser_session).filter_by(id=session_id).where(stale).values(seen_at=now))


def delete_session(connection: Connection, session_id: UUID) -> None:
    """End a session."""
    connection.execute(delete(browser_session).filter_by(id=session_id))


def delete_sessions_of(connection: Connection, person_id: UUID) -> int:
    """End all sessions of a person; return how many."""
    return connection.execute(delete(browser_session).filter_by(person_id=person_id)).rowcount


def delete_expired(connection: Connection, now: datetime) -> int:
    """Delete sessions and links that have expired; return how many."""
    sessions = connection.execute(delete(browser_session).where(browser_session.c.expires_at < now)).rowcount
    return sessions + connection.execute(delete(sign_in_link).where(sign_in_link.c.expires_at < now)).rowcount


def insert_link(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a new sign-in link."""
    connection.execute(insert(sign_in_link).values(**values))


def link_is_open(connection: Connection, token_hash: bytes, now: datetime) -> bool:
    """Whether a link would sign somebody in."""
    link = sign_in_link.c
    wanted = select(link.person_id).where(link.token_hash == token_hash, link.used_at.is_(None), link.expires_at > now)
    return connection.execute(wanted).first() is not None


def use_link(connection: Connection, token_hash: bytes, now: datetime) -> UUID | None:
    """Use a link up; whose it was, or None where it is unknown, used or expired."""
    link = sign_in_link.c
    used = (
        update(sign_in_link)
        .where(link.token_hash == token_hash, link.used_at.is_(None), link.expires_at > now)
        .values(used_at=now)
        .returning(link.person_id)
    )
    return connection.execute(used).scalar_one_or_none()


def insert_token(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a new API token."""
    connection.execute(insert(api_token).values(**values))


def find_token(connection: Connection, token_hash: bytes) -> Row[Any] | None:
    """The API token with that hash."""
    return connection.execute(select(api_token).filter_by(token_hash=token_hash)).one_or_none()


def touch_token(connection: Connection, token_id: UUID, now: datetime) -> None:
    """Note that a token is in use."""
    stale = api_token.c.last_used_at.is_(None) | (api_token.c.last_used_at < now - _TOUCH_AFTER)
    connection.execute(update(api_token).filter_by(id=token_id).where(stale).values(last_used_at=now))


def revoke_token(connection: Connection, token_id: UUID, now: datetime) -> bool:
    """Revoke a token; return whether it was in force until now."""
    revoked = update(api_token).filter_by(id=token_id, revoked_at=None).values(revoked_at=now)
    return connection.execute(revoked).rowcount == 1


def revoke_tokens_of(connection: Connection, workspace_id: UUID, now: datetime) -> list[UUID]:
    """Revoke all tokens of a studio; return which were in force until now."""
    revoked = update(api_token).filter_by(workspace_id=workspace_id, revoked_at=None).values(revoked_at=now)
    return list(connection.execute(revoked.returning(api_token.c.id)).scalars())


def people_of_no_other_place(connection: Connection, workspace_id: UUID) -> list[UUID]:
    """Who works in a studio and in no other that is open, and is neither the founder nor an affiliate."""
    other = membership.alias()
    elsewhere = exists().where(
        other.c.person_id == person.c.id,
        other.c.workspace_id == workspace.c.workspace_id,
        workspace.c.state != "closed",
        workspace.c.workspace_id != workspace_id,
    )
    query = (
        select(person.c.id)
        .join(membership, membership.c.person_id == person.c.id)
        .where(membership.c.workspace_id == workspace_id, ~person.c.is_founder, person.c.affiliate_id.is_(None))
        .where(~elsewhere)
    )
    return list(connection.execute(query).scalars())


def use_links_of(connection: Connection, person_id: UUID, now: datetime) -> int:
    """Use up all sign-in links of a person that would still work; return how many."""
    link = sign_in_link.c
    used = update(sign_in_link).where(link.person_id == person_id, link.used_at.is_(None), link.expires_at > now)
    return connection.execute(used.values(used_at=now)).rowcount


def list_tokens(connection: Connection) -> list[Row[Any]]:
    """All tokens, the newest first (ids grow with time)."""
    return list(connection.execute(select(api_token).order_by(api_token.c.id.desc())))


def audit_rows(
    connection: Connection,
    workspace_id: UUID | None,
    *,
    before: int | None,
    limit: int,
    actor: str | None = None,
    action: str | None = None,
) -> list[Row[Any]]:
    """Audit rows, of one studio, actor or action or of all, the newest first, from below a position."""
    wanted = {"workspace_id": workspace_id, "actor": actor, "action": action}
    statement = select(audit_log).filter_by(**{name: value for name, value in wanted.items() if value is not None})
    statement = statement.order_by(audit_log.c.position.desc())
    if before is not None:
        statement = statement.where(audit_log.c.position < before)
    return list(connection.execute(statement.limit(limit)))
