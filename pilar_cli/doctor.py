"""`pilar doctor`. What belongs here: what is set, what a missing setting turns off, and whether the database is well.

It changes nothing, and starts nothing. Values of secrets are never shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilar.errors import NotConfigured, Transient
from pilar.settings import Secrets, Settings, reveal
from pilar_cli import kept
from pilar_cli.configuration import is_given, read_settings, variable
from pilar_cli.console import FAILED, Json, answer, answer_json

if TYPE_CHECKING:
    from pilar.database.embedded import ServerStatus


@dataclass(frozen=True)
class SettingReport:
    """One setting."""

    name: str
    is_set: bool
    value: str | None
    """What it is or defaults to; None for secrets."""
    description: str
    turns_off: str
    """What does not work without it, if it has no default that does."""


@dataclass(frozen=True)
class DatabaseReport:
    """The product's database."""

    kind: str
    """`embedded` or `named`, by PILAR_DATABASE_URL."""
    state: str
    """`reachable`, `stopped` (embedded: `pilar up` starts it) or `unreachable`."""
    error: str | None = None
    missing_revisions: tuple[str, ...] = ()
    data: str | None = None
    port: int | None = None


@dataclass(frozen=True)
class SpoolReport:
    """Where deliveries wait while the database is away."""

    directory: str
    waiting: int
    refused: int
    error: str | None = None


def doctor(
    new_key: Annotated[bool, typer.Option("--new-key", help="Show a fresh key for PILAR_SECRET_KEYS and end.")] = False,
    as_json: Json = False,
) -> None:
    """Show every setting with what a missing one turns off, and how the database is."""
    if new_key:
        from pilar.crypto import new_key as make_key

        made = make_key()
        if as_json:
            answer_json({"new_key": made})
        else:
            answer(made)
        return
    settings = read_settings()
    reports = setting_reports(settings)
    database = look_at_database(settings)
    spool = look_at_spool(settings)
    missing = essentials_missing(settings, database)
    if spool.error:
        missing.append(f"Deliveries can't be kept while the database is away: {spool.error}.")
    if as_json:
        answer_json(
            {
                "settings": [asdict(one) for one in reports],
                "database": asdict(database),
                "spool": asdict(spool),
                "missing": missing,
            }
        )
    else:
        _print(reports, database, spool, missing)
    if missing:
        raise typer.Exit(FAILED)


def setting_reports(settings: Settings) -> list[SettingReport]:
    """Every setting, in the order of their file."""
    reports = []
    for field, info in Settings.model_fields.items():
        extra: dict[str, Any] = dict(info.json_schema_extra) if isinstance(info.json_schema_extra, dict) else {}
        value = getattr(settings, field)
        is_secret = "SecretStr" in str(info.annotation) or info.annotation == Secrets
        shown = None if is_secret or value in (None, "") else str(value)
        reports.append(
            SettingReport(variable(field), is_given(field), shown, info.description or "", str(extra["turns_off"]))
        )
    return reports


def turned_off(settings: Settings) -> dict[str, str]:
    """The settings whose absence turns something off, with what; not those that `pilar up` provides itself."""
    provided = {variable("secret_keys"), variable("database_url"), variable("dagster_database_url")}
    return {
        report.name: report.turns_off
        for report in setting_reports(settings)
        if report.turns_off and not report.is_set and report.name not in provided
    }


def look_at_database(settings: Settings) -> DatabaseReport:
    """Whether the database can be reached and is up to date; an embedded server that rests is left at rest."""
    if settings.database_url is not None:
        return _reached("named", settings.database_url.get_secret_value())
    from pilar.database.embedded import EmbeddedServer
    from pilar_cli.databases import PRODUCT, lent_server

    server = EmbeddedServer(settings.home_path)
    try:
        status = server.status()
    except NotConfigured as error:
        return DatabaseReport("embedded", "unreachable", error.message)
    if not status.running:
        return DatabaseReport("embedded", "stopped", data=str(status.data))
    with lent_server(settings.home_path) as url:
        return _reached("embedded", _with_database(url, PRODUCT), status)


def look_at_spool(settings: Settings) -> SpoolReport:
    """Whether deliveries can be kept on this machine, and what waits there."""
    from pilar.backplane.spool_report import look, unusable

    files = look(settings.spool_path)
    broken = next((f"{one.path} can't be read ({one.error})" for one in files if one.error), None)
    return SpoolReport(
        str(settings.spool_path),
        sum(one.waiting for one in files),
        sum(one.refused for one in files),
        unusable(settings.spool_path) or broken,
    )


def essentials_missing(settings: Settings, database: DatabaseReport) -> list[str]:
    """What PILAR can't do without, each as a sentence."""
    from pilar.crypto import SecretBox

    missing = []
    keys = reveal(settings.secret_keys)
    if not keys and (own := kept.read(settings.home_path / kept.SECRETS).get("secret_keys")):
        keys = [str(own)]
    if not keys:
        missing.append(
            "PILAR_SECRET_KEYS is not set: `pilar up` makes a key and keeps it, `--new-key` shows a fresh one."
        )
    else:
        try:
            SecretBox(keys)
        except NotConfigured as error:
            missing.append(error.message)
    if database.state == "unreachable":
        missing.append(f"The database can't be used: {database.error}")
    elif database.missing_revisions:
        missing.append(f"The database is not up to date, run `pilar migrate`: {', '.join(database.missing_revisions)}.")
    return missing


def _reached(kind: str, url: str, status: ServerStatus | None = None) -> DatabaseReport:
    from pilar_cli.databases import missing_revisions

    place: dict[str, Any] = {"data": str(status.data), "port": status.port} if status else {}
    try:
        return DatabaseReport(kind, "reachable", missing_revisions=tuple(missing_revisions(url)), **place)
    except Transient as error:
        return DatabaseReport(kind, "unreachable", error.message, **place)


def _with_database(url: str, name: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _print(reports: list[SettingReport], database: DatabaseReport, spool: SpoolReport, missing: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Setting", "State", "What it is", "Without it", highlight=False)
    for report in reports:
        state = "set" if report.is_set else ("default" if report.value else "missing")
        value = f": {report.value}" if report.value else ""
        off = "" if report.is_set or not report.turns_off else report.turns_off
        table.add_row(report.name, f"{state}{value}", report.description, off)
    console = Console(soft_wrap=False)
    console.print(table)
    told = [f"Database ({database.kind}): {database.state}"]
    if database.data:
        told.append(f"data in {database.data}")
    if database.state == "reachable":
        told.append("up to date" if not database.missing_revisions else "not up to date")
    answer(", ".join(told) + ".")
    answer(f"Spool: {spool.waiting} deliveries wait in {spool.directory}, {spool.refused} are refused.")
    for one in missing:
        answer(f"Missing: {one}")
    if not missing:
        answer("Nothing essential is missing.")
