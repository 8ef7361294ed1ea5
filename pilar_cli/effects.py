"""`pilar effects`. What belongs here: effects whose outcome is not known, and settling one by what somebody knows."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group
from pilar_cli.databases import product_database
from pilar_cli.identifiers import as_id

app = new_group("What was asked of a provider and never answered.")


class Outcome(StrEnum):
    """What somebody knows about an effect."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did-not-happen"


@app.command("list")
def list_unknown(
    before: Annotated[str | None, typer.Option(metavar="ID", help="Older than this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show effects whose outcome is not known, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from pilar.backplane.unknown_effects import unknown_effects
    from pilar.database.engine import Scope

    before_id = as_id(before, "--before") if before else None
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        found = unknown_effects(connection, before=before_id, limit=limit)
    if as_json:
        answer_json({"effects": [asdict(one) for one in found]})
        return
    if not found:
        answer("The outcome of every effect is known.")
        return
    table = Table("Id", "Kind", "Key", "Attempted", "Times", "Looked for", "Waits for", "Last error")
    for one in found:
        table.add_row(
            str(one.id),
            one.kind,
            one.key,
            f"{one.attempted_at:%Y-%m-%d %H:%M}",
            str(one.attempts),
            str(one.looks),
            "a decision" if one.needs_a_person else "a look",
            one.error or "",
        )
    Console().print(table)


@app.command("settle")
def settle(
    effect_id: Annotated[str, typer.Argument(metavar="ID", help="As `pilar effects list` shows it.")],
    outcome: Annotated[Outcome, typer.Argument(help="What you know: a thing that happened is not done again.")],
    note: Annotated[str, typer.Option(help="How you know; kept in the audit log.")],
    as_json: Json = False,
) -> None:
    """Settle an effect whose outcome is not known; what waits for it goes on."""
    from pilar.backplane.effects import Verdict, decide
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks

    wanted = as_id(effect_id, "ID")
    with product_database(read_settings()) as database:
        clocks = shared_clocks(database)
        with database.transaction(Scope.fleet()) as connection:
            verdict: Verdict = "happened" if outcome is Outcome.HAPPENED else "did_not_happen"
            decide(connection, clocks, wanted, verdict, ACTOR, note)
    if as_json:
        answer_json({"id": wanted, "verdict": verdict})
    else:
        answer("It is confirmed." if verdict == "happened" else "It is free to be tried again.")
