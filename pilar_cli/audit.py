"""`pilar audit`. What belongs here: reading the audit log, and having it verified, from this machine's command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import FAILED, Json, answer, answer_json, new_group, wrong_usage
from pilar_cli.databases import product_database
from pilar_cli.identifiers import as_id

app = new_group("Who did what, and whether the record of it is whole.")


@app.command("verify")
def verify(
    expect: Annotated[
        str | None, typer.Option(metavar="HASH", help="A hash that was shown before: it has to be in the chain.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Go over the whole sealed log, and name the first position that is not what was sealed; 1 if there is one."""
    from pilar.backplane import verifying
    from pilar.clocks import SystemClock
    from pilar.database.engine import Scope

    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        found = verifying.verify(connection, SystemClock().now())
        is_known = expect is None or verifying.has_hash(connection, _as_hash(expect))
    if as_json:
        answer_json({**asdict(found), "is_whole": found.broken is None, "has_expected_hash": is_known})
    elif found.broken is not None:
        answer(
            f"The chain breaks in segment {found.broken.segment}, at position {found.broken.position}:"
            f" {found.broken.what}."
        )
    elif found.sealed_to is None:
        answer(f"Nothing is sealed yet; {found.unsealed} entries wait for it.")
    else:
        answer(
            f"Sealed up to position {found.sealed_to}, in {found.segments} segments, and whole; {found.unsealed} newer"
            f" entries wait to be sealed.\nThe newest hash, to be kept elsewhere: {found.hash}"
        )
    if not is_known and not as_json:
        answer("The hash that was expected is not in the chain: it was made anew.")
    if found.broken is not None or not is_known:
        raise typer.Exit(FAILED)


@app.command("list")
def list_entries(
    workspace: Annotated[str | None, typer.Option(help="Of one studio, by its id.")] = None,
    actor: Annotated[str | None, typer.Option(help="By one actor, as system or admin:….")] = None,
    action: Annotated[str | None, typer.Option(help="Of one action, as security.signed_in.")] = None,
    before: Annotated[int | None, typer.Option(metavar="POSITION", help="Older than this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show audit entries, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from pilar.database.engine import Scope
    from pilar.security.trail import read_trail

    workspace_id = as_id(workspace, "--workspace") if workspace else None
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        entries = read_trail(connection, workspace_id, before=before, limit=limit, actor=actor, action=action)
    if as_json:
        answer_json({"entries": [asdict(entry) for entry in entries]})
        return
    if not entries:
        answer("There are no entries.")
        return
    table = Table("Position", "When", "Who", "What", "On what")
    for entry in entries:
        table.add_row(
            str(entry.position), f"{entry.recorded_at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.action, entry.subject
        )
    Console().print(table)


def _as_hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        wrong_usage(f"--expect is a hash such as `pilar audit verify` shows; {text!r} is none.")
