"""`pilar down`. What belongs here: ending what runs in a home from outside, also what a killed run has left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer, answer_json


def down(
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the home as well: the embedded database, keys, the sandbox.")
    ] = False,
    as_json: Json = False,
) -> None:
    """End what `pilar up` or `pilar demo` runs here, also what is left of a killed one."""
    home = read_settings().home_path
    ended = end_all(home, delete=delete) if home.is_dir() else []
    if as_json:
        answer_json({"ended": ended, "deleted": delete})
    else:
        answer(f"Ended: {', '.join(ended)}." if ended else "Nothing runs here.")


def end_all(home: Path, *, delete: bool) -> list[str]:
    """End everything in a home, delete it if that is wanted, and return the names of what ran."""
    from pilar.database.embedded import EmbeddedServer
    from pilar_cli.processes import Supervisor, ask_to_end

    first = ask_to_end(home)
    ended = [first] if first else []
    supervisor = Supervisor(home, "pilar down")
    try:
        ended += supervisor.claim()
        server = EmbeddedServer(home)
        if server.stop():
            ended.append("PostgreSQL")
        if delete:
            server.remove()
    finally:
        supervisor.stop_all()
    if delete:
        shutil.rmtree(home)
    return ended
