"""Having background jobs run now, and seeing how they stand. What belongs here: the shape of requests and answers.

Each address asks Dagster for the same job as its schedule does; who asks again while it runs is led to that run.

Hosts' timers know GET only. So each address that does something takes GET as well, and there from programs of ours
alone: they come with a token, which no browser adds by itself, so no page, link, preview or prefetch can set one off.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel

from pilar.errors import Transient
from pilar.operator import triggers
from pilar.operator.triggers import ASKED_BY, TRIGGERS, Trigger
from pilar.providers.dagster.client import ENDED, Run
from webhook_ingest.api.health import InboxHealth, WaitingWork, pulse
from webhook_ingest.api.queue import Standing, standing
from webhook_ingest.deps import Asked, System


class RunItem(BaseModel):
    """A run of a background job; times are real time.

    `href` is where its state is told, `page` where Dagster shows it.
    """

    id: str
    job: str
    status: str
    is_over: bool
    asked_by: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    href: str
    page: str


class RunAccepted(BaseModel):
    """The run that does what was asked for; `is_new` is false where it was queued or running already."""

    trigger: str
    is_new: bool
    run: RunItem


class JobState(BaseModel):
    """A background job that can be asked for, and its newest run; null where there is none, or Dagster is away."""

    trigger: str
    job: str
    says: str
    newest_run: RunItem | None


class AutopilotStatus(BaseModel):
    """How the background work stands; while the database is away `work` is null, and `inbox` tells what is spooled."""

    dagster: Literal["reachable", "unreachable"]
    database: Literal["reachable", "unreachable"]
    workers_alive: int
    waiting: list[WaitingWork]
    dead_letters: int
    inbox: InboxHealth | None
    work: Standing | None
    jobs: list[JobState]
    checked_at: datetime


def asks_for(trigger: Trigger) -> Callable[..., RunAccepted]:
    """The endpoint that has a job run."""

    def ask(app: System, caller: Asked, response: Response) -> RunAccepted:
        started = triggers.start(
            app.database, app.clocks, app.locks, app.gateways.dagster, trigger, actor=caller.principal.actor
        )
        item = _item(started.run)
        response.headers["location"] = item.href
        response.headers["cache-control"] = "no-store"
        return RunAccepted(trigger=trigger.name, is_new=started.is_new, run=item)

    ask.__doc__ = f"{trigger.says} Answers with the run that does it, the one that is under way if there is one."
    return ask


def autopilot_status(
    request: Request,
    app: System,
    response: Response,
    minutes: Annotated[int, Query(ge=1, le=1_440, description="How far back figures of what ended go.")] = 60,
) -> AutopilotStatus:
    """How the background work stands: what waits, how it went lately, who drains it, and each job's newest run."""
    health = pulse(request)
    try:
        work = standing(request, app, timedelta(minutes=minutes))
    except Transient:
        work = None
    try:
        newest, dagster = triggers.newest_runs(app.gateways.dagster), True
    except Transient:
        newest, dagster = {}, False
    jobs = []
    for trigger in TRIGGERS:
        run = newest.get(trigger.name)
        item = _item(run) if run else None
        jobs.append(JobState(trigger=trigger.name, job=trigger.job, says=trigger.says, newest_run=item))
    response.headers["cache-control"] = "no-store"
    return AutopilotStatus(
        dagster="reachable" if dagster else "unreachable",
        database=health.database,
        workers_alive=health.workers_alive,
        waiting=health.waiting,
        dead_letters=health.dead_letters,
        inbox=health.inbox,
        work=work,
        jobs=jobs,
        checked_at=health.checked_at,
    )


def run_state(app: System, run_id: UUID, response: Response) -> RunItem:
    """How a run of a background job stands."""
    response.headers["cache-control"] = "no-store"
    return _item(app.gateways.dagster.run(str(run_id)))


def _item(run: Run) -> RunItem:
    return RunItem(
        id=run.id,
        job=run.job,
        status=run.status,
        is_over=run.status in ENDED,
        asked_by=run.tags.get(ASKED_BY),
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        href=f"/api/autopilot/runs/{run.id}",
        page=f"/dagster/runs/{run.id}",
    )
