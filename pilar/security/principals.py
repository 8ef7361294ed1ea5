"""Who asks, and whether they may. What belongs here: principals, requirements, and the one pure rule between them.

What does not: how a principal is found out (`sessions.py`, `api_tokens.py`) and which route requires what (the web
service's table of routes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """What somebody is."""

    SYSTEM = "system"
    ADMIN = "admin"
    OWNER = "owner"
    MEMBER = "member"
    AFFILIATE = "affiliate"
    ANONYMOUS = "anonymous"


class Access(StrEnum):
    """What a credential may be used for."""

    READ = "read"
    WRITE = "write"


EVERYTHING = frozenset(Access)
FLEET_WIDE = frozenset({Kind.SYSTEM, Kind.ADMIN})
"""Who is not bound to one studio or affiliate."""


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes:
        kind: what they are; of somebody with several studios, the most they are in any of them.
        person_id: the person, if it is one.
        roles: what they are in which studio.
        affiliate_id: the affiliate that they are, if any, whatever else they are.
        token_id: the API token they came with, if any.
        scopes: what their credential may be used for.
    """

    kind: Kind
    person_id: UUID | None = None
    roles: Mapping[UUID, Kind] = field(default_factory=dict)
    token_id: UUID | None = None
    scopes: frozenset[Access] = EVERYTHING
    affiliate_id: UUID | None = None

    @property
    def actor(self) -> str:
        """Their name in the audit log: `token:<id>`, `admin:<id>`, `owner:<id>`, `system`, `anonymous`."""
        if self.token_id is not None:
            return f"token:{self.token_id}"
        if self.person_id is not None:
            return f"{self.kind}:{self.person_id}"
        return self.kind.value


ANONYMOUS = Principal(Kind.ANONYMOUS, scopes=frozenset())
"""Somebody without a credential."""


@dataclass(frozen=True)
class Requirement:
    """What a route asks of who calls it.

    Attributes:
        kinds: who may; empty: anybody, signed in or not.
        access: what their credential has to be good for.
    """

    kinds: frozenset[Kind] = frozenset()
    access: Access = Access.READ

    @property
    def is_public(self) -> bool:
        """Whether anybody may."""
        return not self.kinds


def allows(
    principal: Principal, requirement: Requirement, workspace_id: UUID | None, affiliate_id: UUID | None = None
) -> bool:
    """Whether a principal fulfils a requirement.

    Args:
        principal: who asks.
        requirement: what is asked of them.
        workspace_id: the studio it is about; None: no single one, so that no studio's people may.
        affiliate_id: the affiliate it is about; None: no single one, so that no affiliate may.
    """
    if requirement.is_public:
        return True
    if requirement.access not in principal.scopes:
        return False
    if principal.kind in FLEET_WIDE:
        return principal.kind in requirement.kinds
    if affiliate_id is not None and principal.affiliate_id == affiliate_id and Kind.AFFILIATE in requirement.kinds:
        return True
    if workspace_id is None:
        return False
    return principal.roles.get(workspace_id) in requirement.kinds
