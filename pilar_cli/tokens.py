"""`pilar token`. What belongs here: tokens for programs, and the founder's way in, from this machine's command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from pilar_cli import kept
from pilar_cli.configuration import is_given, read_settings
from pilar_cli.console import Json, answer, answer_json, new_group, wrong_usage
from pilar_cli.ports import LOOPBACK

if TYPE_CHECKING:
    from pilar.database.engine import Database
    from pilar.settings import Settings

app = new_group("Access for programs, and the founder's way in.")


class Role(StrEnum):
    """What a token stands for."""

    SYSTEM = "system"
    ADMIN = "admin"
    OWNER = "owner"
    MEMBER = "member"


class Use(StrEnum):
    """What a token may be used for."""

    READ = "read"
    WRITE = "write"


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for.")],
    role: Annotated[Role, typer.Option("--kind", help="What it stands for.")] = Role.ADMIN,
    workspace: Annotated[str | None, typer.Option(help="The studio's id, for owner and member.")] = None,
    use: Annotated[list[Use] | None, typer.Option("--scope", help="What it may do; both if none is named.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How long it is valid; for good if not told.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token and show it, once."""
    from pilar.clocks import SystemClock
    from pilar.database.engine import Scope
    from pilar.security import api_tokens
    from pilar.security.principals import Access, Kind

    workspace_id = _uuid("--workspace", workspace) if workspace else None
    with _database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        made = api_tokens.create(
            connection,
            name=name,
            kind=Kind(role.value),
            actor="system",
            now=SystemClock().now(),
            workspace_id=workspace_id,
            scopes={Access(one.value) for one in use or Use},
            lasts=timedelta(days=days) if days else None,
        )
    if as_json:
        answer_json({"id": made.id, "token": made.plain})
    else:
        answer(f"{made.plain}\nIt is not shown again. Its id, to revoke it: {made.id}")


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Show all tokens, the newest first; never their secret."""
    from rich.console import Console
    from rich.table import Table

    from pilar.database.engine import Scope
    from pilar.security import api_tokens

    with _database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        found = api_tokens.list_all(connection)
    if as_json:
        answer_json({"tokens": [asdict(token) for token in found]})
        return
    if not found:
        answer("There are no tokens.")
        return
    table = Table("Id", "Name", "Stands for", "May", "Made", "Last used", "State")
    for token in found:
        table.add_row(
            str(token.id),
            token.name,
            f"{token.kind} of {token.workspace_id}" if token.workspace_id else token.kind,
            ", ".join(token.scopes),
            f"{token.created_at:%Y-%m-%d}",
            f"{token.last_used_at:%Y-%m-%d}" if token.last_used_at else "never",
            "revoked" if token.revoked_at else "in force",
        )
    Console().print(table)


@app.command("revoke")
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Take a token out of force, for good."""
    from pilar.clocks import SystemClock
    from pilar.database.engine import Scope
    from pilar.security import api_tokens

    wanted = _uuid("ID", token_id)
    with _database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        api_tokens.revoke(connection, wanted, actor="system", now=SystemClock().now())
    if as_json:
        answer_json({"id": wanted, "revoked": True})
    else:
        answer("The token is out of force.")


@app.command("founder")
def founder(
    email: Annotated[str | None, typer.Option(help="The founder's address; else PILAR_FOUNDER_EMAIL.")] = None,
    name: Annotated[str, typer.Option(help="As pages show it, if the person is new.")] = "Founder",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Take a password from standard input as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the founder and show a link that signs them in, once, within half an hour."""
    from pilar.clocks import SystemClock
    from pilar_cli.founder import set_password, sign_in_link

    settings = read_settings()
    address = email or settings.founder_email
    if not address or "@" not in address:
        wrong_usage("Whose access is it? Name an address with --email, or set PILAR_FOUNDER_EMAIL.")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    now = SystemClock().now()
    with _database(settings) as database:
        link = sign_in_link(database, _public_url(settings), address, name, now)
        if password is not None:
            set_password(database, address, password, now)
    if as_json:
        answer_json({"email": address, "link": link})
    else:
        answer(f"{link}\nThe link signs {address} in, once, within half an hour.")


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    from pilar.database.engine import Database
    from pilar_cli.databases import server_for

    with server_for(settings) as server:
        database = Database(server.url, pool_size=2, application_name="pilar token")
        try:
            yield database
        finally:
            database.close()


def _public_url(settings: Settings) -> str:
    """Where the web service is: as set, else where it ran last."""
    port = kept.read(settings.home_path / kept.PORTS).get("web")
    return settings.public_url if is_given("public_url") or not port else f"http://{LOOPBACK}:{port}"


def _uuid(what: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        wrong_usage(f"{what} is an id such as `pilar token list` and the overview show; {text!r} is none.")
