"""Who gets where. What belongs here: the one rule that the guard lets in by, and asking it about an address.

What does not: which route requires what (`routes.py`). A page shows a tab or a link only to whom the guard would let in
there: both ask here, so that they can't drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from starlette.routing import compile_path

from pilar.security.principals import Principal, allows
from webhook_ingest.route import Route


def fitting(entry: Route, principal: Principal, parameters: Mapping[str, Any]) -> list[UUID | None]:
    """The studios for which a principal may use a route; None stands for no single one. Empty: they may not.

    Args:
        entry: the route.
        principal: who asks.
        parameters: of the address: whom the route is about.
    """
    named = _named(parameters, "workspace_id")
    # Whom it is about: the one in the address, else the caller; what a body names is the endpoint's to check.
    affiliate_id = _named(parameters, "affiliate_id") if entry.of_affiliate else principal.affiliate_id
    studios: list[UUID | None] = [*principal.roles] if entry.of_own_studio and principal.roles else [named]
    return [studio for studio in studios if allows(principal, entry.requires, studio, affiliate_id)]


class Reach:
    """Tells what can be reached by following a link."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take the table of routes."""
        self._entries = [(compile_path(entry.path)[0], entry) for entry in routes if entry.method == "GET"]

    def may(self, principal: Principal, address: str) -> bool:
        """Whether a principal may follow a link to an address of ours; one that leads nowhere is for nobody."""
        path = urlsplit(address).path
        for pattern, entry in self._entries:
            if match := pattern.match(path):
                return bool(entry.requires.is_public or fitting(entry, principal, match.groupdict()))
        return False


def _named(parameters: Mapping[str, Any], name: str) -> UUID | None:
    try:
        return UUID(str(parameters.get(name, "")))
    except ValueError:
        return None
