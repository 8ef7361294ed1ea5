"""The set-up link's pages: the one thing that a studio's owner has to do.

What belongs here: the pages, and Meta's way back. What does not: what the owner's consent is used for.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from pilar.database.engine import Scope
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import System

_Code = Annotated[str, Query(max_length=4_000)]
_Word = Annotated[str, Query(max_length=1_000)]


def setup_page(request: Request, app: System, token: str) -> Response:
    """What is left to do."""
    with app.database.transaction(Scope.fleet()) as connection:
        view = app.setup.open(connection, token)
    return render(request, "setup.html", view=view, declined=False)


def setup_callback(request: Request, app: System, state: _Word = "", code: _Code = "", error: _Word = "") -> Response:
    """Where Meta sends the owner back to, with a code or with a refusal."""
    with app.database.transaction(Scope.fleet()) as connection:
        view = app.setup.open(connection, state) if error else app.setup.complete(connection, state, code)
    return render(request, "setup.html", view=view, declined=bool(error))
