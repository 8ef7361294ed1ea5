"""`pilar defaults`. What belongs here: the founder's default template by file, and offering it to studios."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer, answer_json, new_group, wrong_usage
from pilar_cli.databases import product_database
from pilar_cli.identifiers import as_id

if TYPE_CHECKING:
    from pilar.provisioning.defaults_template import Updated

ACTOR = "system"
"""Whoever has this machine's command line is asked for nothing more."""
FAILED = 1
SHOWN = 20

app = new_group("What new studios start with, and bringing it to those that have not changed it.")


@app.command("show")
def show(
    version: Annotated[int | None, typer.Option(min=0, help="Another than the newest; 0: built in.")] = None,
) -> None:
    """Show the default template, as `pilar defaults set` reads it."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.registrations.steps import studio_defaults

    with product_database(read_settings()) as database:
        keeper = studio_defaults(shared_clocks(database))
        with database.transaction(Scope.fleet()) as connection:
            number, document = keeper.template(connection, version)
    answer_json({"version": number, "defaults": document.model_dump(mode="json")})


@app.command("set")
def set_template(
    file: Annotated[Path, typer.Argument(help="What `pilar defaults show` told.", exists=True, dir_okay=False)],
    note: Annotated[str, typer.Option(help="What is new; kept with the version.")],
    as_json: Json = False,
) -> None:
    """Write another version of the default template; studios that are there stay as they are."""
    from pydantic import ValidationError

    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.provisioning.defaults_document import WorkspaceDefaults
    from pilar.provisioning.defaults_template import write_template
    from pilar.registrations.steps import studio_defaults

    try:
        told: Any = json.loads(file.read_text())
        wanted = WorkspaceDefaults.model_validate(told["defaults"])
        expected = int(told["version"])
    except ValidationError as error:
        first = error.errors()[0]
        wrong_usage(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}.")
    except (ValueError, KeyError, TypeError):
        wrong_usage(f"{file} is not of the form that `pilar defaults show` tells: `version` and `defaults`.")
    with product_database(read_settings()) as database:
        clocks = shared_clocks(database)
        with database.transaction(Scope.fleet()) as connection:
            keeper = studio_defaults(clocks)
            number = write_template(
                connection, clocks, keeper, wanted, expected_version=expected, actor=ACTOR, note=note
            )
    if as_json:
        answer_json({"version": number})
    else:
        same = " already" if number == expected else ""
        answer(f"The default template is at version {number}{same}. `pilar defaults update` tells whom it changes.")


@app.command("update")
def update(
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else it is only told.")] = False,
    workspace: Annotated[list[str] | None, typer.Option(help="Only these studios; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what the newest template changes in studios that have not changed that part, or do it."""
    from pilar.database.shared_clock import shared_clocks
    from pilar.provisioning.defaults_template import update_studios
    from pilar.registrations.steps import studio_defaults

    studios = [as_id(one, "--workspace") for one in workspace] if workspace else None
    with product_database(read_settings()) as database:
        clocks = shared_clocks(database)
        keeper = studio_defaults(clocks)
        done = update_studios(database, clocks, keeper, studios=studios, apply=apply, actor=ACTOR)
    if as_json:
        told = asdict(done)
        told["failed"] = {str(studio): reason for studio, reason in done.failed.items()}
        answer_json(told)
    else:
        _tell(done)
    if done.failed:
        raise typer.Exit(FAILED)


def _tell(done: Updated) -> None:
    for offer in done.offers[:SHOWN]:
        answer(f"{offer.workspace_id}")
        for part, changes in offer.changes.items():
            for path, before, after in changes:
                answer(f"  {part}.{path}: {json.dumps(before)} -> {json.dumps(after)}")
    if done.offered > SHOWN:
        answer(f"… and {done.offered - SHOWN} more studios.")
    for studio, reason in done.failed.items():
        answer(f"{studio} can't be updated: {reason}")
    for own, count in sorted(done.own.items()):
        answer(f"{own}: {count} studios have one of their own, which stays.")
    verb = "were brought" if done.applied else "would be brought"
    answer(
        f"{done.offered} of {done.looked_at} studios {verb} to version {done.template_version}; "
        f"{done.up_to_date} have nothing to change."
    )
