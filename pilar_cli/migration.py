"""`pilar migrate`. What belongs here: bringing the database up to date and saying what was done."""

from __future__ import annotations

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer, answer_json


def migrate(as_json: Json = False) -> None:
    """Bring the database up to date; it is made if there is none."""
    from pilar_cli.databases import make_product_database, server_for

    with server_for(read_settings()) as server:
        applied = make_product_database(server)
    if as_json:
        answer_json({"applied": applied, "embedded": server.is_embedded})
    elif applied:
        answer("Applied: " + ", ".join(applied) + ".")
    else:
        answer("The database is up to date.")
