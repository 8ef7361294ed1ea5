"""`pilar budget`. What belongs here: how full budgets are, and an admin's other limit for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer, answer_json, new_group, wrong_usage

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.clocks import Clocks

ACTOR = "system"
"""Whoever has this machine's command line is asked for nothing more."""

app = new_group("Budgets: how full they are, and another limit for a while.")

Workspace = Annotated[str, typer.Option(help="The studio's id.")]


class Resource(StrEnum):
    """What is budgeted."""

    MESSAGES = "messages"
    TOKENS = "tokens"
    API_CALLS = "api_calls"
    MONEY = "money"


class Per(StrEnum):
    """For how long a budget is."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True)
class _Open:
    connection: Connection
    clocks: Clocks


@app.command("show")
def show(
    workspace: Annotated[str | None, typer.Option(help="The studio's id; all if none is told.")] = None,
    at_least: Annotated[int, typer.Option(min=0, help="Leave out those less full, in per cent.")] = 0,
    as_json: Json = False,
) -> None:
    """Show how full budgets are now, the fullest first, and the overrides in force."""
    from rich.console import Console
    from rich.table import Table

    from pilar.backplane import budget_overrides, budgets

    workspace_id = _uuid("--workspace", workspace) if workspace else None
    with _opened() as at:
        studios = [workspace_id] if workspace_id else None
        full = budgets.utilisation(at.connection, at.clocks, studios)
        overrides = budget_overrides.list_overrides(at.connection, at.clocks, workspace_id=workspace_id)
    shown = [one for one in full if one.share * 100 >= at_least]
    shown.sort(key=lambda one: one.share, reverse=True)
    if as_json:
        told = [asdict(one) | {"share": round(one.share, 4)} for one in shown]
        answer_json({"budgets": told, "overrides": [asdict(one) for one in overrides]})
        return
    if not shown:
        answer("There are no such budgets.")
        return
    table = Table("Studio", "Resource", "Per", "Limit", "Used", "Set aside", "Full", "Resets", "When full")
    for one in shown:
        limit = f"{one.limit}" if one.overridden_until is None else f"{one.limit} (in place of {one.granted})"
        table.add_row(
            str(one.workspace_id),
            one.resource,
            one.period,
            limit,
            str(one.used),
            str(one.reserved),
            f"{one.share:.0%}",
            _moment(one.resets_at),
            one.overage,
        )
    Console().print(table)
    for override in overrides:
        what = f"{override.amount} {override.resource} per {override.period} of {override.workspace_id}"
        answer(f"{what} until {_moment(override.until)} by {override.made_by}: {override.reason} ({override.id})")


@app.command("override")
def override(
    workspace: Workspace,
    resource: Annotated[Resource, typer.Option(help="Of what.")],
    amount: Annotated[int, typer.Option(min=0, help="How much may be used per period; money in minor units.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the audit log.")],
    per: Annotated[Per, typer.Option("--period", help="Whose limit it replaces.")] = Per.DAY,
    hours: Annotated[float | None, typer.Option(min=0.01, max=8_760, help="How long it lasts.")] = None,
    until: Annotated[str | None, typer.Option(help="When it ends, as 2026-05-01T18:00Z.")] = None,
    as_json: Json = False,
) -> None:
    """Have another amount stand in place of a limit for a while; it ends by itself."""
    from pilar.backplane import budget_overrides

    if (hours is None) == (until is None):
        wrong_usage("How long does it last? Say either --hours or --until.")
    workspace_id, ends = _uuid("--workspace", workspace), _when(until) if until else None
    with _opened() as at:
        ends = ends or at.clocks.business.now() + timedelta(hours=hours or 0)
        made = budget_overrides.override(
            at.connection, at.clocks, workspace_id, resource.value, per.value, amount, ends, ACTOR, reason
        )
    if as_json:
        answer_json(asdict(made))
    else:
        answer(f"{amount} {resource} per {per} until {_moment(made.until)}. Its id, to end it before: {made.id}")


@app.command("end-override")
def end_override(
    override_id: Annotated[str, typer.Argument(metavar="ID")], workspace: Workspace, as_json: Json = False
) -> None:
    """End an override before its time: the limit stands again."""
    from pilar.backplane import budget_overrides

    workspace_id, wanted = _uuid("--workspace", workspace), _uuid("ID", override_id)
    with _opened() as at:
        ended = budget_overrides.end_override(at.connection, at.clocks, workspace_id, wanted, actor=ACTOR)
    if as_json:
        answer_json(asdict(ended))
    else:
        answer(f"The limit of {ended.resource} per {ended.period} stands again.")


@contextmanager
def _opened() -> Iterator[_Open]:
    from pilar.database.engine import Database, Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.databases import server_for

    with server_for(read_settings()) as server:
        database = Database(server.url, pool_size=2, application_name="pilar budget")
        try:
            with database.transaction(Scope.fleet()) as connection:
                yield _Open(connection, shared_clocks(database))
        finally:
            database.close()


def _when(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        wrong_usage(f"--until is a moment such as 2026-05-01T18:00Z; {text!r} is none.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _uuid(what: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        wrong_usage(f"{what} is an id such as `pilar budget show` shows; {text!r} is none.")
