"""`pilar dictionary`. What belongs here: writing the data dictionary, and telling whether the written one is true."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilar_cli.console import Json, answer, answer_json, fail

PLACE = Path("docs/data-dictionary.md")


def text() -> str:
    """The dictionary of every table there is."""
    import importlib
    import pkgutil

    import pilar
    from pilar.database import dictionary as rendering
    from pilar.database.schema import metadata

    for module in pkgutil.walk_packages(pilar.__path__, "pilar."):
        if module.name.endswith(("tables", ".shared_clock")):
            importlib.import_module(module.name)
    return rendering.render(metadata)


def dictionary(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; 1 if the written one is out of date.")] = False,
    place: Annotated[Path, typer.Option(help="Where it is written.")] = PLACE,
    as_json: Json = False,
) -> None:
    """Write the data dictionary: every table and column, and what it means."""
    current = text()
    is_true = place.exists() and place.read_text() == current
    if check and not is_true:
        fail(f"{place} is out of date: run `pilar dictionary`.")
    if not check and not is_true:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(current)
    if as_json:
        answer_json({"place": str(place), "changed": not is_true})
    else:
        answer(f"{place} is up to date." if is_true else f"{place} was written.")
