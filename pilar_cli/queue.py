"""`pilar queue`. What belongs here: work as it is and was, cancelling a job, pauses. Dead letters are in `dead.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group, show_table
from pilar_cli.identifiers import as_id
from pilar_cli.work_states import WorkState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.backplane.backlog import Waiting
    from pilar.backplane.histograms import Histogram, WorkHistogram
    from pilar.backplane.work import EventState, JobState

Found = TypeVar("Found")

app = new_group("Work: what waits, what became of it, and holding it back.")

Workspace = Annotated[str | None, typer.Option(help="Of one studio, by its id.")]
Type = Annotated[str | None, typer.Option("--type", help="Of one type.")]
Correlation = Annotated[str | None, typer.Option(help="Of one story, by its correlation id.")]
Before = Annotated[int | None, typer.Option(help="Below this position: the last one of the page before.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")]


InState = Annotated[WorkState | None, typer.Option("--status", help="In one status.")]


class What(StrEnum):
    """What can be paused."""

    TYPE = "type"
    LANE = "lane"
    WORKSPACE = "workspace"


@app.command("status")
def status(
    minutes: Annotated[int, typer.Option(min=1, max=60 * 24 * 30, help="How far back figures go.")] = 60,
    as_json: Json = False,
) -> None:
    """Show what waits in each lane, how long work has waited and run lately, pauses and dead letters."""
    from pilar.backplane import backlog, heartbeat
    from pilar.backplane.histograms import wait_and_run
    from pilar.backplane.pauses import list_pauses
    from pilar.clocks import SystemClock
    from pilar.database.engine import Scope
    from pilar_cli.databases import product_database

    now = SystemClock().now()
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        waiting = {lane.lane: lane for lane in backlog.waiting(connection, now)}
        lately = {lane.subject: lane for lane in wait_and_run(connection, now - timedelta(minutes=minutes), now)}
        pauses = list_pauses(connection, now)
        dead = backlog.dead_letters(connection)
        workers = heartbeat.live_workers(connection, now)
    lanes = [_lane(name, waiting.get(name), lately.get(name), now) for name in sorted({*waiting, *lately})]
    if as_json:
        answer_json(
            {"lanes": lanes, "pauses": [asdict(one) for one in pauses], "dead_letters": dead, "workers_alive": workers}
        )
        return
    answer(f"{workers} workers are alive; {dead} dead letters (`pilar dead list`).")
    show_table(
        ("Lane", "Waiting", "Oldest", f"Ended in {minutes} min", "Wait p50", "p95", "p99", "Run p50", "p95", "p99"),
        [
            (
                lane["lane"],
                str(lane["waiting"]),
                _seconds(lane["oldest_seconds"]),
                str(lane["ended"]),
                *(_seconds(lane[what][part]) for what in ("wait", "run") for part in ("p50", "p95", "p99")),
            )
            for lane in lanes
        ],
        nothing="Nothing waits, and nothing was done lately.",
    )
    for one in pauses:
        until = f"until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else "until it is resumed"
        answer(f"Paused: {one.dimension} {one.subject}, {until}, by {one.paused_by}: {one.reason}")


@app.command("events")
def events(
    workspace: Workspace = None,
    type_name: Type = None,
    state: InState = None,
    correlation: Correlation = None,
    before: Before = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show events with what became of them, the newest first."""
    from pilar.backplane.work import list_events

    filters = _filters(workspace, type_name, state, correlation, before, limit)
    found = _read(lambda connection: list_events(connection, **filters))
    _show("events", found, limit, as_json=as_json)


@app.command("jobs")
def jobs(
    workspace: Workspace = None,
    type_name: Type = None,
    state: InState = None,
    correlation: Correlation = None,
    before: Before = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show jobs with what became of them, the newest first."""
    from pilar.backplane.work import list_jobs

    filters = _filters(workspace, type_name, state, correlation, before, limit)
    found = _read(lambda connection: list_jobs(connection, **filters))
    _show("jobs", found, limit, as_json=as_json)


@app.command("show")
def show(fact_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Show everything about one event or job."""
    from pilar.backplane.work import find_event, find_job
    from pilar.errors import NotFound

    wanted = as_id(fact_id, "ID")

    def find(connection: Connection) -> EventState | JobState:
        try:
            return find_job(connection, wanted)
        except NotFound:
            return find_event(connection, wanted)

    found = asdict(_read(find))
    if as_json:
        answer_json(found)
        return
    handlers = found.pop("handlers", ())
    show_table(("", ""), [(name, _word(value)) for name, value in found.items()])
    for handler in handlers:
        show_table(("Handler", handler["handler"]), [(name, _word(value)) for name, value in handler.items()])


@app.command("cancel")
def cancel(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's.")],
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: Json = False,
) -> None:
    """Have a job not done, or not tried again where it is worked on just now."""
    from pilar.backplane import cancelling
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.databases import product_database

    wanted = as_id(job_id, "ID")
    with product_database(read_settings()) as database:
        clocks = shared_clocks(database)
        with database.transaction(Scope.fleet()) as connection:
            cancelled = cancelling.cancel(connection, clocks, wanted, actor=ACTOR, reason=reason)
    if as_json:
        answer_json({"id": wanted, "was": cancelled.was, "was_running": cancelled.was_running})
    elif cancelled.was_running:
        answer("The job is cancelled. It was being worked on: what that did outside stays done; it is not tried again.")
    else:
        answer(f"The job is cancelled; it was {cancelled.was}.")


@app.command("pause")
def pause(
    what: Annotated[What, typer.Argument(help="What is paused.")],
    subject: Annotated[str, typer.Argument(help="Which one: a type's or lane's name, a workspace's id.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever finds the work waiting.")],
    minutes: Annotated[int | None, typer.Option(min=1, help="For how long; until `resume` if not told.")] = None,
    as_json: Json = False,
) -> None:
    """Have no work begun of a type, in a lane or of a workspace; what is under way is finished."""
    from pilar.backplane import pauses
    from pilar.clocks import SystemClock

    now = SystemClock().now()
    until = now + timedelta(minutes=minutes) if minutes else None
    made = _read(
        lambda connection: pauses.pause(
            connection, what.value, subject, actor=ACTOR, reason=reason, until=until, now=now
        )
    )
    if as_json:
        answer_json(asdict(made))
    else:
        answer(f"No more work begins: {made.dimension} {made.subject}.")


@app.command("resume")
def resume(
    what: Annotated[What, typer.Argument(help="What is paused.")],
    subject: Annotated[str, typer.Argument(help="Which one.")],
    as_json: Json = False,
) -> None:
    """End a pause: what it held back goes on in the order it had."""
    from pilar.backplane import pauses
    from pilar.clocks import SystemClock

    now = SystemClock().now()
    ended = _read(lambda connection: pauses.resume(connection, what.value, subject, actor=ACTOR, now=now))
    if as_json:
        answer_json({"dimension": what, "subject": subject, "resumed": ended})
    else:
        answer("Work goes on." if ended else "It was not paused.")


def _read(ask: Callable[[Connection], Found]) -> Found:
    """What somebody wants of the database, in one transaction under the fleet's scope."""
    from pilar.database.engine import Scope
    from pilar_cli.databases import product_database

    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        return ask(connection)


def _filters(
    workspace: str | None,
    type_name: str | None,
    state: WorkState | None,
    correlation: str | None,
    before: int | None,
    limit: int,
) -> dict[str, Any]:
    from pilar.backplane.work import Status

    return {
        "workspace_id": as_id(workspace, "--workspace") if workspace else None,
        "type": type_name,
        "status": Status(state) if state else None,
        "correlation_id": as_id(correlation, "--correlation") if correlation else None,
        "before": before,
        "limit": limit,
    }


def _lane(name: str, waiting: Waiting | None, lately: WorkHistogram | None, now: datetime) -> dict[str, Any]:
    return {
        "lane": name,
        "waiting": waiting.count if waiting else 0,
        "oldest_seconds": (now - waiting.oldest).total_seconds() if waiting else None,
        "ended": lately.count if lately else 0,
        "wait": _percentiles(lately.wait if lately else None),
        "run": _percentiles(lately.run if lately else None),
    }


def _percentiles(of: Histogram | None) -> dict[str, float | None]:
    return {part: getattr(of, part) if of else None for part in ("p50", "p95", "p99", "longest")}


def _show(what: str, found: Sequence[EventState] | Sequence[JobState], limit: int, *, as_json: bool) -> None:
    more = found[-1].position if len(found) == limit else None
    if as_json:
        answer_json({what: [asdict(one) for one in found], "next_before": more})
        return
    show_table(
        ("Id", "Type", "Studio", "Status", "Tried", "Made", "Error"),
        [
            (
                str(one.id),
                one.type,
                str(one.workspace_id or "fleet"),
                one.status + (f" ({one.held_by})" if one.held_by else ""),
                f"{one.attempts} of {one.max_attempts}" if one.max_attempts else str(one.attempts),
                f"{one.created_at:%Y-%m-%d %H:%M:%S}",
                one.error or "",
            )
            for one in found
        ],
        nothing=f"There are no such {what}.",
    )
    if more is not None:
        answer(f"There may be more: --before {more}")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g} s"


def _word(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f} UTC"
    return "" if value is None else str(value)
