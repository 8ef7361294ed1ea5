"""`pilar leads`. What belongs here: telling a person what is kept about them, and having them forgotten."""

from __future__ import annotations

from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group
from pilar_cli.identifiers import as_id

app = new_group("The people that studios talk with: what is kept about one, and erasing it.")

Workspace = Annotated[str, typer.Option(help="The studio's id.")]
Lead = Annotated[str, typer.Argument(help="The lead's id.")]


@app.command("export")
def export(lead: Lead, workspace: Workspace) -> None:
    """Print all that is kept about a lead, as JSON."""
    from pilar.app import KEEP_LEADS
    from pilar.crypto import SecretBox
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.messaging import erasing
    from pilar.messaging.rooms import People
    from pilar.settings import reveal
    from pilar_cli.databases import product_database

    workspace_id, lead_id, settings = as_id(workspace, "--workspace"), as_id(lead, "LEAD"), read_settings()
    people = People(SecretBox(reveal(settings.secret_keys)), KEEP_LEADS)
    with product_database(settings) as database, database.transaction(Scope.fleet()) as connection:
        told = erasing.export(connection, shared_clocks(database), people, workspace_id, lead_id, actor=ACTOR)
    answer_json(told)


@app.command("erase")
def erase(lead: Lead, workspace: Workspace, yes: Annotated[bool, typer.Option(help="Don't ask.")] = False,
          as_json: Json = False) -> None:  # fmt: skip
    """Have a lead erased; the worker does it. It can't be taken back."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.messaging import erasing
    from pilar_cli.databases import product_database

    workspace_id, lead_id, settings = as_id(workspace, "--workspace"), as_id(lead, "LEAD"), read_settings()
    if not yes:
        typer.confirm(f"Erase everything that tells who {lead_id} is, for good?", abort=True)
    with product_database(settings) as database, database.transaction(Scope.fleet()) as connection:
        is_new = erasing.ask(connection, shared_clocks(database), workspace_id, lead_id, actor=ACTOR)
    if as_json:
        answer_json({"workspace_id": workspace_id, "lead_id": lead_id, "is_new": is_new})
    else:
        answer("It is under way." if is_new else "It was asked for before: the lead's page tells whether it is done.")
