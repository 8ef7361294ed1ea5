"""What a route is. What belongs here: the shape of an entry in the table; the table is `routes.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pilar.security.principals import Access, Kind, Requirement

MEBIBYTE = 1024 * 1024

Answers = Literal["json", "page", "file", "proxy", "socket", "door"]


class Forgery(StrEnum):
    """How it is made sure that no other site sent a request with a signed-in browser's cookie."""

    TOKEN = "token"  # noqa: S105 - the name of a way, not a secret
    ORIGIN = "origin"
    LINK = "link"
    """Not at all: a secret in the address says who asks, and whoever is signed in makes no difference."""


ANYBODY = Requirement()


@dataclass(frozen=True)
class Route:
    """One entry: an address, who may call it, and what answers.

    Attributes:
        method: of HTTP; `WS` for a web socket.
        path: with parameters in braces; a parameter `workspace_id` or `affiliate_id` names whom the rights are about.
        endpoint: what answers.
        name: unique; the operation's id in OpenAPI.
        requires: who may.
        status: of the usual answer.
        answers: json (in OpenAPI), page, file, proxy, socket, or door (a provider's, signed and not signed in).
        body_limit: the most that is read, in bytes.
        forgery: how forged requests are told, where a browser is signed in.
        of_own_studio: the address names no studio, and it is about the caller's: the one they have, or the one that
            the request names; see `Caller.acts_for`.
        is_unmetered: takes no look at the database before the endpoint; for files and for the health of the database.
        summary: one line for OpenAPI.
        responses: further answers for OpenAPI.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    name: str
    requires: Requirement = ANYBODY
    status: int = 200
    answers: Answers = "json"
    body_limit: int = MEBIBYTE
    forgery: Forgery = Forgery.TOKEN
    of_own_studio: bool = False
    is_unmetered: bool = False
    summary: str = ""
    responses: Mapping[int, str] = field(default_factory=dict)

    @property
    def of_workspace(self) -> bool:
        """Whether it is about one studio."""
        return "{workspace_id}" in self.path

    @property
    def of_affiliate(self) -> bool:
        """Whether it is about one affiliate."""
        return "{affiliate_id}" in self.path

    @property
    def is_repeatable(self) -> bool:
        """Whether it takes an `Idempotency-Key`."""
        return self.answers == "json" and self.method == "POST"


def only(*kinds: Kind, access: Access = Access.READ) -> Requirement:
    """A requirement that only these fulfil."""
    return Requirement(frozenset(kinds), access)
