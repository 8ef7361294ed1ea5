"""`pilar keys`. What belongs here: which keys encrypt what, and changing to the newest; a key is never shown."""

from __future__ import annotations

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import FAILED, Json, answer, answer_json, new_group, say, show_table
from pilar_cli.databases import product_database

ACTOR = "system"
"""Whoever has this machine's command line is asked for nothing more."""

app = new_group("The keys that encrypt stored credentials (PILAR_SECRET_KEYS, newest first).")


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """Show which keys are in use, by name; 1 if something can be opened by none of them."""
    from pilar.crypto import SecretBox
    from pilar.security.rotation import keys_in_use
    from pilar.settings import reveal

    settings = read_settings()
    box = SecretBox(reveal(settings.secret_keys))
    with product_database(settings) as database:
        found = keys_in_use(database, box)
    if as_json:
        keys = [
            {"key": name, "newest": place == 0, "values": counts.total(), "where": dict(counts)}
            for place, (name, counts) in enumerate(found.by_key.items())
        ]
        answer_json({"keys": keys, "unopened": dict(found.unopened)})
    else:
        rows = [
            (name, "the newest" if place == 0 else "older", str(counts.total()), _where(counts))
            for place, (name, counts) in enumerate(found.by_key.items())
        ]
        show_table(("Key", "Age", "Values", "Where"), rows)
        for name, counts in list(found.by_key.items())[1:]:
            if not counts:
                answer(f"Key {name} opens nothing any more: it can be taken out of PILAR_SECRET_KEYS.")
        if found.unopened:
            answer(f"No key opens these: {_where(found.unopened)}. Was a key taken out too early?")
    if found.unopened:
        raise typer.Exit(FAILED)


@app.command("rotate")
def rotate(as_json: Json = False) -> None:
    """Encrypt everything with the newest key that is under an older one; begun again, it goes on where it was.

    Studios' API keys at Twilio stay the same: they are encrypted anew like all credentials. One that is deleted in
    Twilio's console is replaced by itself.
    """
    from pilar.crypto import SecretBox
    from pilar.database.shared_clock import shared_clocks
    from pilar.security import rotation
    from pilar.settings import reveal

    settings = read_settings()
    box = SecretBox(reveal(settings.secret_keys))
    with product_database(settings) as database:
        done = rotation.rotate(
            database,
            shared_clocks(database),
            box,
            actor=ACTOR,
            told=lambda column, count: say(f"{column.name}: {count} looked at"),
        )
    if as_json:
        answer_json(
            {
                "key": done.key,
                "looked_at": done.looked_at,
                "resealed": done.resealed,
                "unopened": dict(done.unopened),
            }
        )
    else:
        answer(f"{done.looked_at} values are looked at, {done.resealed} of them are under key {done.key} since now.")
        if done.unopened:
            answer(f"No key opens these, they stay as they are: {_where(done.unopened)}.")
    if done.unopened:
        raise typer.Exit(FAILED)


def _where(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} in {name}" for name, count in sorted(counts.items()))
