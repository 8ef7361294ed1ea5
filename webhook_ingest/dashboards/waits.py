"""Who waits on whom and how provisioning goes, for the founder. What belongs here: what that page shows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.operator import waits as rows
from pilar.operator.provisioning_health import DAYS, ProvisioningHealth, provisioning_health
from webhook_ingest.dashboards import charts
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import System

_SHOWN = 100


def waits(request: Request, app: System, on: Annotated[str | None, Query(max_length=20)] = None) -> Response:
    """The studios that have waited longest, and how many wait on whom."""
    now = app.clocks.business.now()
    with app.database.transaction(Scope.analyst()) as connection:
        parties = rows.parties(connection)
        longest = rows.longest(connection, on=on, limit=_SHOWN)
        health = provisioning_health(connection, now)
    last_day = now.date()
    return render(
        request, "waits.html", parties=parties, waiting=longest, on=on, shown=_SHOWN, health=health,
        chart=_by_day(health, last_day), span_days=DAYS, last_day=last_day,
        first_day=last_day - timedelta(days=DAYS - 1),
    )  # fmt: skip


def _by_day(health: ProvisioningHealth, last_day: date) -> charts.Stacks:
    """The days' signups by how they stand; a day without any has its place."""
    known = {day.day: (day.opened, day.running, day.waiting, day.stuck, day.taken_back) for day in health.days}
    days = (last_day - timedelta(days=back) for back in reversed(range(DAYS)))
    return charts.stacks([known.get(day, (0, 0, 0, 0, 0)) for day in days])
