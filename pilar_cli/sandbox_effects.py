"""`pilar sandbox effects`. What belongs here: showing what was really done at the providers."""

from __future__ import annotations

from typing import Annotated

import typer

from pilar_cli.console import Json, answer_json, show_table
from pilar_cli.sandbox_client import Url, ask


def effects(
    provider: Annotated[str | None, typer.Option(help="Of this provider only: stripe, twilio, meta, mail …")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind, or of this pattern: 'meta.message_*'.")] = None,
    key: Annotated[str | None, typer.Option(help="What happened to this one: an address, a number, an id.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From this moment: 2026-05-01T09:00:00+02:00.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show what was really done at the sandbox's providers, and how often."""
    wanted = {"provider": provider, "kind": kind, "key": key, "since": since}
    found = ask("GET", "effects", url, params={name: value for name, value in wanted.items() if value is not None})
    if as_json:
        answer_json(found)
        return
    rows = [
        [row["kind"], row["key"], str(row["count"]), row["first_at"][:19], row["last_at"][:19]]
        for row in found["by_kind_and_key"]
    ]
    show_table(("What", "To whom", "Times", "First", "Last"), rows, nothing="Nothing of the kind was done.")
