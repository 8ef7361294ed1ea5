"""`pilar credentials`. What belongs here: secrets that studios give for a provider's webhooks; never shown again."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group
from pilar_cli.identifiers import as_id

app = new_group("Secrets that studios give: of a Meta app of their own, of a Twilio account that is being rotated.")


class Provider(StrEnum):
    """Whose secret it is."""

    WHATSAPP = "whatsapp"
    TWILIO = "twilio"


Workspace = Annotated[str, typer.Option(help="The studio's id.")]
At = Annotated[Provider, typer.Argument(help="whatsapp: the app's secret. twilio: the account's secondary token.")]


@app.command("give")
def give(provider: At, workspace: Workspace, as_json: Json = False) -> None:
    """Keep a secret, read from standard input; two, comma-separated, while the secret of an app is rotated.

    The doors know it within a minute.
    """
    # Never an argument: those are seen by everybody on the machine, and kept in the shell's history.
    secret = typer.prompt("Secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    _change(provider, workspace, secret, "is kept", as_json=as_json)


@app.command("forget")
def forget(provider: At, workspace: Workspace, as_json: Json = False) -> None:
    """Forget a secret: what it signs is refused within a minute."""
    _change(provider, workspace, None, "is forgotten", as_json=as_json)


def _change(provider: Provider, workspace: str, secret: str | None, says: str, *, as_json: bool) -> None:
    from pilar.clocks import SystemClock
    from pilar.crypto import SecretBox
    from pilar.database.engine import Scope
    from pilar.settings import reveal
    from pilar.workspaces import credentials
    from pilar_cli.databases import product_database

    workspace_id, settings = as_id(workspace, "--workspace"), read_settings()
    box, now = SecretBox(reveal(settings.secret_keys)), SystemClock().now()
    with product_database(settings) as database, database.transaction(Scope.fleet()) as connection:
        name = credentials.give(connection, box, workspace_id, provider.value, secret, actor=ACTOR, now=now)
    if as_json:
        answer_json({"workspace_id": workspace_id, "provider": provider.value, "credential": name, "state": says})
    else:
        answer(f"The {name} of {workspace_id} {says}.")
