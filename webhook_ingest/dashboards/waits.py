"""Who waits on whom, for the founder. What belongs here: what that page shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.operator import waits as rows
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import System

_SHOWN = 100


def waits(request: Request, app: System, on: Annotated[str | None, Query(max_length=20)] = None) -> Response:
    """The studios that have waited longest, and how many wait on whom."""
    with app.database.transaction(Scope.analyst()) as connection:
        parties = rows.parties(connection)
        longest = rows.longest(connection, on=on, limit=_SHOWN)
    return render(request, "waits.html", parties=parties, waiting=longest, on=on, shown=_SHOWN)
