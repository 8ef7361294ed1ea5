"""What commands say. What belongs here: sentences, JSON, and failures as one sentence with an exit code.

Answers go to standard output, everything else to standard error, so that a command's answer can be piped.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Never
from uuid import UUID

import typer
from typer.core import TyperGroup

from pilar.errors import PilarError

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130

ACTOR = "admin:command line"
"""Who has this machine's command line has the founder's rights; the audit log says that it was used."""

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


class PlainGroup(TyperGroup):
    """A group of commands whose failures are sentences, never tracebacks."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except BrokenPipeError:
            raise typer.Exit(FAILED) from None
        except Exception as error:
            fail(sentence(error))


def new_group(help_text: str) -> typer.Typer:
    """A group of commands that fails in plain words."""
    return typer.Typer(
        cls=PlainGroup, help=help_text, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
    )


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


def answer(text: str) -> None:
    """Say what was asked for."""
    print(text, flush=True)


def answer_json(content: Any) -> None:
    """Say what was asked for, as one JSON object."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=_plain), flush=True)


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str = "") -> None:
    """Say what was asked for, as a table; where it is empty, the sentence that says so."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        answer(nothing)
        return
    table = Table()
    for name in head:
        # Folded, not cut: half an id is of no use to whoever copies it.
        table.add_column(name, overflow="fold")
    for row in rows:
        # What comes out of the database is shown as it is: brackets in it are no mark-up.
        table.add_row(*map(Text, row))
    Console().print(table)


def fail(text: str, code: int = FAILED) -> Never:
    """End the command with one sentence."""
    say(text)
    raise typer.Exit(code)


def wrong_usage(text: str) -> Never:
    """End the command because of how it was asked."""
    fail(text, WRONG_USAGE)


def sentence(error: Exception) -> str:
    """An error in words for the person who has to act on it."""
    if isinstance(error, PilarError):
        return error.message
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}."
    return _of_database(error) or _fault(error)


def _of_database(error: Exception) -> str | None:
    import psycopg
    from sqlalchemy.exc import DBAPIError

    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    if isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return "The database is not up to date: run `pilar migrate`."
    said = str(cause).strip().splitlines()
    return f"The database refuses: {said[0] if said else type(cause).__name__}"


def _fault(error: Exception) -> str:
    """A defect of ours: where it happened is of use to us, so it is kept."""
    told = f"This is a fault in pilar ({type(error).__name__}: {error})"
    home = Path(".pilar")
    if not home.is_dir():
        return f"{told}."
    path = home / "fault.log"
    path.write_text("".join(traceback.format_exception(error)))
    return f"{told}; where it happened is in {path}."


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
