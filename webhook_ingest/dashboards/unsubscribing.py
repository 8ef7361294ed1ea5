"""The page behind the link in an e-mail to a lead. What belongs here: the page and its button; messaging acts.

A mail program may press the button by itself (RFC 8058): it posts `List-Unsubscribe=One-Click` to the link and looks at
the status alone.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.messaging import unsubscribing
from pilar.messaging.phrases import phrase
from pilar.messaging.unsubscribing import Subscription, Wish
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import System


def link_page(request: Request, app: System, token: str) -> Response:
    """How the lead stands, and a button. Looking changes nothing: programs that preview links look too."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = unsubscribing.read(connection, app.people, token)
    return _page(request, found)


def use_link(request: Request, app: System, token: str, wish: Annotated[Wish, Form()] = "stop") -> Response:
    """End e-mail at once; or have it come again, where the button of the page says that."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = unsubscribing.ask(connection, app.clocks, app.people, token, wish)
    return _page(request, found)


def _page(request: Request, found: Subscription) -> Response:
    says = {name: phrase(f"mail_{name}", found.language, found.studio) for name in ("why", "stop", "stopped", "again")}
    return render(request, "mail_link.html", found=found, says=says)
