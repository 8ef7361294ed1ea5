"""Programs come with tokens, which are worth no more than their person's rights."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, select

from pilar.errors import Invalid, NotFound, Unauthenticated
from pilar.ids import new_id
from pilar.security import api_tokens
from pilar.security.principals import Access, Kind
from pilar.security.tables import api_token
from pilar.workspaces.tables import membership
from tests.security.conftest import NOW


def make(connection: Connection, kind: Kind = Kind.ADMIN, **others: object) -> api_tokens.NewToken:
    return api_tokens.create(connection, name="test", kind=kind, actor="system", now=NOW, **others)  # type: ignore[arg-type]


def test_a_token_stands_for_its_principal(connection: Connection, workspace: UUID) -> None:
    token = make(connection, Kind.MEMBER, workspace_id=workspace, scopes=[Access.READ])
    principal = api_tokens.resolve(connection, token.plain, NOW)
    assert principal.kind is Kind.MEMBER
    assert principal.roles == {workspace: Kind.MEMBER}
    assert principal.scopes == {Access.READ}
    assert principal.actor == f"token:{token.id}"


def test_a_token_is_kept_as_a_hash(connection: Connection) -> None:
    token = make(connection)
    assert token.plain not in str(connection.execute(select(api_token)).all())


@pytest.mark.parametrize("plain", ["", "pilar_token_x", "\0", "é" * 500])
def test_what_is_no_token_is_refused(plain: str, connection: Connection) -> None:
    with pytest.raises(Unauthenticated):
        api_tokens.resolve(connection, plain, NOW)


def test_an_expired_token_is_refused_from_its_last_moment_on(connection: Connection) -> None:
    token = make(connection, lasts=timedelta(hours=1))
    api_tokens.resolve(connection, token.plain, NOW + timedelta(minutes=59))
    with pytest.raises(Unauthenticated, match="expired"):
        api_tokens.resolve(connection, token.plain, NOW + timedelta(hours=1))


def test_a_revoked_token_is_refused_and_can_be_revoked_once(connection: Connection) -> None:
    token = make(connection)
    api_tokens.revoke(connection, token.id, actor="system", now=NOW)
    with pytest.raises(Unauthenticated, match="revoked"):
        api_tokens.resolve(connection, token.plain, NOW)
    for unknown in (token.id, new_id()):
        with pytest.raises(NotFound):
            api_tokens.revoke(connection, unknown, actor="system", now=NOW)


def test_who_leaves_a_studio_takes_the_tokens_rights_along(
    connection: Connection, person: UUID, workspace: UUID
) -> None:
    token = make(connection, Kind.OWNER, person_id=person, workspace_id=workspace)
    api_tokens.resolve(connection, token.plain, NOW)
    connection.execute(delete(membership).filter_by(person_id=person))
    with pytest.raises(Unauthenticated, match="no such right"):
        api_tokens.resolve(connection, token.plain, NOW)


def test_an_owner_may_have_a_members_token_but_nobody_the_founders(
    connection: Connection, person: UUID, workspace: UUID
) -> None:
    members = make(connection, Kind.MEMBER, person_id=person, workspace_id=workspace)
    assert api_tokens.resolve(connection, members.plain, NOW).kind is Kind.MEMBER
    founders = make(connection, Kind.ADMIN, person_id=person)
    with pytest.raises(Unauthenticated, match="no such right"):
        api_tokens.resolve(connection, founders.plain, NOW)


@pytest.mark.parametrize(
    ("kind", "of_studio"),
    [(Kind.ADMIN, True), (Kind.SYSTEM, True), (Kind.OWNER, False), (Kind.MEMBER, False), (Kind.ANONYMOUS, False)],
)
def test_kind_and_studio_go_together(kind: Kind, of_studio: bool, connection: Connection, workspace: UUID) -> None:
    with pytest.raises(Invalid):
        make(connection, kind, workspace_id=workspace if of_studio else None)


def test_a_token_without_scope_is_not_made(connection: Connection) -> None:
    with pytest.raises(Invalid):
        make(connection, scopes=[])


def test_tokens_are_listed_with_their_last_use(connection: Connection) -> None:
    first, second = make(connection), make(connection)
    api_tokens.resolve(connection, first.plain, NOW + timedelta(minutes=2))
    listed = api_tokens.list_all(connection)
    assert [one.id for one in listed] == [second.id, first.id]
    assert [one.last_used_at for one in listed] == [None, NOW + timedelta(minutes=2)]
