"""`pilar templates`. What belongs here: how a studio's templates stand, reading and submitting them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group, show_table
from pilar_cli.identifiers import as_id

app = new_group("The templates of a studio: how they stand at WhatsApp, and having new ones reviewed.")

Workspace = Annotated[str, typer.Option(help="The studio's id.")]


@app.command("list")
def list_templates(workspace: Workspace, as_json: Json = False) -> None:
    """Show a studio's templates with state, quality and what came of them in thirty days."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.messaging.template_overview import templates_of
    from pilar_cli.databases import product_database

    workspace_id = as_id(workspace, "--workspace")
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        found = templates_of(connection, shared_clocks(database), workspace_id)
    if as_json:
        answer_json([asdict(one) for one in found])
        return
    rows = [
        (one.name, one.language, one.category, one.state, one.quality or "", str(one.usage.sent),
         str(one.usage.answered), one.reason or one.unusable or "")
        for one in found
    ]  # fmt: skip
    show_table(("name", "language", "category", "state", "quality", "sent", "answered", "why"), rows)


@app.command("sync")
def sync(workspace: Workspace) -> None:
    """Have drafts submitted and all templates read at WhatsApp; the worker does it."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.provisioning.template_manager import ask_for_review
    from pilar_cli.databases import product_database

    workspace_id = as_id(workspace, "--workspace")
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        ask_for_review(connection, shared_clocks(database), workspace_id)
    answer("It is under way: `pilar templates list` tells how they stand.")


@app.command("submit")
def submit(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    body: Annotated[str, typer.Argument(help="The text; {{1}} is the lead's first name, {{2}} the studio's name.")],
    workspace: Workspace,
    language: Annotated[str, typer.Option(help="Two letters, such as nl.")],
    category: Annotated[str, typer.Option(help="utility or marketing.")] = "utility",
) -> None:
    """Write a template for a studio and have WhatsApp review it; the worker does that."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.provisioning.template_manager import write
    from pilar.registrations.steps import studio_defaults
    from pilar_cli.databases import product_database

    workspace_id = as_id(workspace, "--workspace")
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        keeper = studio_defaults(shared_clocks(database))
        version = write(
            connection, keeper, workspace_id, name=name, language=language, category=category, body=body, actor=ACTOR
        )
    answer(f"{name} ({language}) is part of the studio's configuration since version {version}, and is submitted.")
