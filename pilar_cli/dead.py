"""`pilar dead`. What belongs here: dead letters, sent back to work or let go of, one, many or all that match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group, show_table, wrong_usage
from pilar_cli.identifiers import as_id

if TYPE_CHECKING:
    from pilar.backplane.dead_letters import DeadFilter

BATCH = 1_000

app = new_group("Dead letters: work that can't be done without somebody's help.")


class Of(StrEnum):
    """What work is on."""

    DELIVERY = "delivery"
    EVENT = "event"
    JOB = "job"


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Of these events, jobs or deliveries.")]
Type = Annotated[str | None, typer.Option("--type", help="Of one type.")]
Workspace = Annotated[str | None, typer.Option(help="Of one studio, by its id.")]
Error = Annotated[str | None, typer.Option(help="With one error code, as unknown_type.")]
Kind = Annotated[Of | None, typer.Option(help="Of work on this.")]
Since = Annotated[datetime | None, typer.Option(help="That died at this moment (UTC) or later.")]
Until = Annotated[datetime | None, typer.Option(help="That died before this moment (UTC).")]
All = Annotated[bool, typer.Option("--all", help="All of them, without any filter.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the audit log.")]


@app.command("list")
def list_all(
    type_name: Type = None,
    workspace: Workspace = None,
    error: Error = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """Show dead letters, those that died last first."""
    from pilar.backplane.dead_letters import count_dead, list_dead
    from pilar.database.engine import Scope
    from pilar_cli.databases import product_database

    wanted = _filter(None, type_name, workspace, error, kind, since, until)
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        found = list_dead(connection, wanted, limit=limit)
        count = count_dead(connection, wanted)
    if as_json:
        answer_json({"count": count, "dead_letters": [asdict(one) | {"kind": one.kind.name.lower()} for one in found]})
        return
    show_table(
        ("Id", "Type", "Handler", "Studio", "Died", "Tried", "Code", "Error"),
        [
            (
                str(one.id),
                one.type,
                one.handler,
                str(one.workspace_id or "fleet"),
                f"{one.failed_at:%Y-%m-%d %H:%M:%S}",
                f"{one.attempts} of {one.max_attempts}",
                one.error_code,
                one.error,
            )
            for one in found
        ],
        nothing="There are no such dead letters.",
    )
    if count > len(found):
        answer(f"{count} in all.")


@app.command("requeue")
def requeue(
    ids: Ids = None,
    type_name: Type = None,
    workspace: Workspace = None,
    error: Error = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Send dead letters back to work, as if nobody had tried yet: by id, by filter, or all."""
    from pilar.backplane import dead_letters

    wanted = _chosen(ids, type_name, workspace, error, kind, since, until, everything=everything)
    count = _in_batches(dead_letters.requeue, wanted, reason)
    if as_json:
        answer_json({"requeued": count})
    else:
        answer(f"{count} went back to work." if count else "There are no such dead letters.")


@app.command("discard")
def discard(
    ids: Ids = None,
    type_name: Type = None,
    workspace: Workspace = None,
    error: Error = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Let go of dead letters: they are logged as discarded, and what they were about stays."""
    from pilar.backplane import dead_letters

    wanted = _chosen(ids, type_name, workspace, error, kind, since, until, everything=everything)
    count = _in_batches(dead_letters.discard, wanted, reason)
    if as_json:
        answer_json({"discarded": count})
    else:
        answer(f"{count} are discarded." if count else "There are no such dead letters.")


def _in_batches(act: Callable[..., int], wanted: DeadFilter, reason: str | None) -> int:
    """Do it to all, a batch a transaction; what dies again meanwhile is left alone."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.databases import product_database

    total = 0
    with product_database(read_settings()) as database:
        clocks = shared_clocks(database)
        began = clocks.real.now()
        wanted = replace(wanted, until=min(wanted.until or began, began))
        while True:
            with database.transaction(Scope.fleet()) as connection:
                count = act(connection, clocks, wanted, actor=ACTOR, reason=reason, limit=BATCH)
            total += count
            if count < BATCH:
                return total


def _chosen(ids: list[str] | None, *filters: Any, everything: bool) -> DeadFilter:
    """What is to be acted upon; nobody empties the whole list by leaving something out."""
    if not everything and not ids and all(one is None for one in filters):
        wrong_usage("Which ones? Name ids or filters, or say --all.")
    return _filter(ids, *filters)


def _filter(
    ids: list[str] | None,
    type_name: str | None,
    workspace: str | None,
    error: str | None,
    kind: Of | None,
    since: datetime | None,
    until: datetime | None,
) -> DeadFilter:
    from pilar.backplane import facts
    from pilar.backplane.dead_letters import DeadFilter

    return DeadFilter(
        type=type_name,
        workspace_id=as_id(workspace, "--workspace") if workspace else None,
        error_code=error,
        kind=facts.Kind[kind.name] if kind else None,
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
        ids=[as_id(one, "ID") for one in ids] if ids else None,
    )
