"""The one rule between principals and requirements."""

from __future__ import annotations

from uuid import UUID

import pytest

from pilar.security.principals import ANONYMOUS, Access, Kind, Principal, Requirement, allows

MINE, OTHER = UUID(int=1), UUID(int=2)
OWNER = Principal(Kind.OWNER, UUID(int=9), {MINE: Kind.OWNER, OTHER: Kind.MEMBER})
ADMIN = Principal(Kind.ADMIN, UUID(int=8))
FOR_OWNERS = Requirement(frozenset({Kind.ADMIN, Kind.OWNER}))
FOR_MEMBERS = Requirement(frozenset({Kind.ADMIN, Kind.OWNER, Kind.MEMBER}))


def test_anybody_passes_where_nothing_is_required() -> None:
    assert allows(ANONYMOUS, Requirement(), None)


def test_nobody_without_a_credential_passes_anywhere_else() -> None:
    for kind in Kind:
        assert not allows(ANONYMOUS, Requirement(frozenset({kind})), MINE)


def test_an_owner_is_an_owner_in_their_own_studio_only() -> None:
    assert allows(OWNER, FOR_OWNERS, MINE)
    assert not allows(OWNER, FOR_OWNERS, OTHER)
    assert allows(OWNER, FOR_MEMBERS, OTHER)
    assert not allows(OWNER, FOR_MEMBERS, UUID(int=3))


def test_an_affiliate_is_one_for_themselves_only_whatever_else_they_are() -> None:
    theirs, others = UUID(int=5), UUID(int=6)
    for_affiliates = Requirement(frozenset({Kind.ADMIN, Kind.AFFILIATE}))
    for principal in (
        Principal(Kind.AFFILIATE, UUID(int=9), affiliate_id=theirs),
        Principal(Kind.OWNER, UUID(int=9), {MINE: Kind.OWNER}, affiliate_id=theirs),
    ):
        assert allows(principal, for_affiliates, None, theirs)
        assert not allows(principal, for_affiliates, None, others)
        assert not allows(principal, for_affiliates, None)
        assert not allows(principal, Requirement(frozenset({Kind.ADMIN})), None, theirs)
    assert not allows(Principal(Kind.AFFILIATE, affiliate_id=theirs), FOR_MEMBERS, MINE, theirs)
    assert not allows(OWNER, for_affiliates, MINE, theirs)
    assert not allows(Principal(Kind.AFFILIATE), for_affiliates, None, None)
    assert allows(ADMIN, for_affiliates, None, theirs)


def test_an_owner_does_not_reach_the_fleet() -> None:
    assert not allows(OWNER, FOR_OWNERS, None)


def test_the_founder_reaches_every_studio_where_founders_may() -> None:
    assert allows(ADMIN, FOR_OWNERS, OTHER)
    assert allows(ADMIN, FOR_OWNERS, None)
    assert not allows(ADMIN, Requirement(frozenset({Kind.SYSTEM})), None)


def test_the_system_is_not_the_founder() -> None:
    assert not allows(Principal(Kind.SYSTEM), FOR_OWNERS, MINE)


@pytest.mark.parametrize("principal", [OWNER, ADMIN])
def test_a_credential_for_reading_does_not_write(principal: Principal) -> None:
    reads = Principal(principal.kind, principal.person_id, principal.roles, scopes=frozenset({Access.READ}))
    assert allows(reads, FOR_OWNERS, MINE)
    assert not allows(reads, Requirement(FOR_OWNERS.kinds, Access.WRITE), MINE)


def test_the_audit_log_knows_people_tokens_and_programs_apart() -> None:
    assert ADMIN.actor == f"admin:{UUID(int=8)}"
    assert Principal(Kind.ADMIN, UUID(int=8), token_id=UUID(int=7)).actor == f"token:{UUID(int=7)}"
    assert Principal(Kind.SYSTEM).actor == "system"
    assert ANONYMOUS.actor == "anonymous"
