"""`pilar inbox`: webhooks as they came in.

What belongs here: finding them, reading one, having them worked on again; those that wait on this machine's disk, or
that the database refuses.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import ACTOR, Json, answer, answer_json, new_group, say, show_table, wrong_usage
from pilar_cli.identifiers import as_id
from pilar_cli.work_states import WorkState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.backplane.received import DeliveryFilter, Place
    from pilar.backplane.working_again import GivenBack
    from pilar.operator.delivery_story import DeliveryStory

app = new_group("Webhooks as they came in.")


Provider = Annotated[str | None, typer.Option(help="Of one provider: stripe, twilio or whatsapp.")]
Workspace = Annotated[str | None, typer.Option(help="That name an account of one studio, by its id.")]
Since = Annotated[datetime | None, typer.Option(help="That came at this moment (UTC) or later.")]
Until = Annotated[datetime | None, typer.Option(help="That came before this moment (UTC).")]
InState = Annotated[WorkState | None, typer.Option("--state", help="In one state, as a whole.")]
Search = Annotated[
    str | None,
    typer.Option(help="By its id at the provider, or an id, number or address that it names, once it was tried."),
]
Says = Annotated[str | None, typer.Option(help="Whose body holds this, to the letter; slower.")]


@app.command("list")
def list_received(
    provider: Provider = None,
    workspace: Workspace = None,
    since: Since = None,
    until: Until = None,
    state: InState = None,
    search: Search = None,
    says: Says = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the list before said to go on.")] = None,
    as_json: Json = False,
) -> None:
    """Show webhooks with what became of them, the newest first."""
    from pilar.backplane.received import list_deliveries
    from pilar.database.engine import Scope
    from pilar_cli.databases import product_database

    below = _place(cursor)
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        wanted = _filter(connection, provider, workspace, since, until, state, search, says)
        page = list_deliveries(connection, wanted, below=below, limit=limit)
    more = f"{page.below[0].isoformat()}/{page.below[1]}" if page.below else None
    if as_json:
        answer_json({"deliveries": [asdict(one) for one in page.items], "next_cursor": more})
        return
    show_table(
        ("Id", "Provider", "Its id", "Received", "Bytes", "State", "Tried", "Error"),
        [
            (
                str(one.id),
                one.provider,
                one.external_id,
                f"{one.received_at:%Y-%m-%d %H:%M:%S}",
                str(one.bytes),
                one.status,
                str(one.attempts),
                one.error or "",
            )
            for one in page.items
        ],
        nothing="None of those that were looked at so far." if more else "There are no such webhooks.",
    )
    if more:
        answer(f"There may be more: --cursor {more}")


@app.command("show")
def show(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="The webhook's id, as the list shows it.")],
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show personal data; the audit log says that you did.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one webhook: its body, masked unless asked for, and what came of it."""
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar.operator.delivery_story import tell
    from pilar_cli.databases import product_database

    wanted = as_id(delivery, "ID")
    with product_database(read_settings()) as database:
        clocks = shared_clocks(database)
        with database.transaction(Scope.fleet()) as connection:
            story = tell(connection, clocks, wanted, unmasked_for=ACTOR if unmask else None)
    if as_json:
        answer_json(asdict(story) | {"messages": [row._asdict() for row in story.messages]})
    else:
        _show(story)


@app.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="These webhooks.")] = None,
    provider: Provider = None,
    workspace: Workspace = None,
    since: Since = None,
    until: Until = None,
    state: InState = None,
    search: Search = None,
    says: Says = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first, where a filter says which.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit log.")] = None,
    as_json: Json = False,
) -> None:
    """Have webhooks worked on again, by id or by filter; what they caused before is not caused twice."""
    from pilar.backplane import working_again
    from pilar.backplane.received import count_deliveries, narrowed
    from pilar.database.engine import Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.databases import product_database

    filters = (provider, workspace, since, until, state, search, says)
    if bool(ids) == any(one is not None for one in filters):
        wrong_usage("Which ones? Name ids, or filters, and not both.")
    settings = read_settings()
    options: dict[str, Any] = {
        "actor": ACTOR, "reason": reason, "known_for": timedelta(days=settings.keys_kept_days)
    }  # fmt: skip
    named = [as_id(one, "ID") for one in ids or []]
    given = working_again.GivenBack()
    with product_database(settings) as database:
        clocks = shared_clocks(database)
        for start in range(0, len(named), working_again.BATCH):
            with database.transaction(Scope.fleet()) as connection:
                some = named[start : start + working_again.BATCH]
                given += working_again.replay(connection, clocks, ids=some, **options)
        if not named:
            with database.transaction(Scope.fleet()) as connection:
                # What comes in after they were counted, nobody has agreed to.
                wanted = narrowed(_filter(connection, *filters), clocks.real.now() + timedelta(microseconds=1))
                count, more = count_deliveries(connection, wanted, most=_MOST_COUNTED)
            say(f"{count}{' and more' if more else ''} match{'es' if count == 1 else ''}.")
            if count and not yes:
                typer.confirm("Have them worked on again?", abort=True, err=True)
            given, _ = working_again.replay_matching(database, clocks, wanted, **options)
    if as_json:
        answer_json(asdict(given))
    else:
        answer(_told(given, settings.keys_kept_days))


_MOST_COUNTED = 1_000_000


@app.command("spool")
def spool(as_json: Json = False) -> None:
    """Show the deliveries that wait on this machine's disk, and those that the database refuses."""
    from pilar.backplane.spool_report import look

    place = read_settings().spool_path
    files = look(place)
    if as_json:
        answer_json(
            {
                "directory": place,
                "waiting": sum(one.waiting for one in files),
                "refused": sum(one.refused for one in files),
                "oldest": min((one.oldest for one in files if one.oldest), default=None),
                "bytes": sum(one.bytes for one in files),
                "files": [asdict(one) for one in files],
            }
        )
        return
    if not files:
        answer(f"Nothing waits in {place}.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("File", "Held", "Bytes", "Waiting", "Since", "Refused", "Trouble", highlight=False)
    for one in files:
        since = f"{one.oldest:%Y-%m-%d %H:%M:%S}" if one.oldest else ""
        held = "by a process" if one.in_use else "by nobody: the next web service takes it over"
        table.add_row(one.path.name, held, str(one.bytes), str(one.waiting), since, str(one.refused), one.error or "")
    console = Console()
    console.print(table)
    refused = [delivery for one in files for delivery in one.refused_deliveries]
    if refused:
        table = Table("Provider", "Id", "Received", "Bytes", "Why the database refuses it", highlight=False)
        for delivery in refused:
            table.add_row(
                delivery.provider,
                delivery.external_id,
                f"{delivery.received_at:%Y-%m-%d %H:%M:%S}",
                str(delivery.bytes),
                delivery.reason,
            )
        console.print(table)
        answer("`pilar inbox retry` has the refused ones tried again.")


@app.command("items")
def items(
    hours: Annotated[int, typer.Option(min=1, max=720, help="How far back.")] = 24, as_json: Json = False
) -> None:
    """Show what became of the parts of deliveries: those passed over are of kinds that nobody here works on."""
    from datetime import UTC, datetime, timedelta

    from pilar.backplane.items_store import count_items
    from pilar.database.engine import Scope
    from pilar_cli.databases import product_database

    since = datetime.now(UTC) - timedelta(hours=hours)
    with product_database(read_settings()) as database, database.transaction(Scope.fleet()) as connection:
        found = count_items(connection, since)
    if as_json:
        answer_json({"hours": hours, "items": [asdict(one) for one in found]})
        return
    show_table(
        ("Provider", "Handler", "Fate", "Count", "Last (UTC)"),
        [(one.provider, one.handler, one.fate, str(one.count), f"{one.last_at:%Y-%m-%d %H:%M:%S}") for one in found],
        nothing="No delivery was worked on.",
    )


@app.command("retry")
def retry(as_json: Json = False) -> None:
    """Have the deliveries that the database refused tried again, after their cause is mended."""
    from pilar.backplane.spool_report import release_refused

    released = release_refused(read_settings().spool_path)
    if as_json:
        answer_json({"released": released})
    else:
        answer(f"{released} will be tried again by the web service, within a quarter of a minute.")


def _filter(
    connection: Connection,
    provider: str | None,
    workspace: str | None,
    since: datetime | None,
    until: datetime | None,
    state: WorkState | None,
    search: str | None,
    says: str | None,
) -> DeliveryFilter:
    from pilar.backplane.received import DeliveryFilter
    from pilar.backplane.work import Status
    from pilar.operator.delivery_story import names_of
    from pilar.workspaces.store import get_workspace

    named = None
    if workspace:
        studio = as_id(workspace, "--workspace")
        get_workspace(connection, studio)
        named = names_of(connection, studio)
    return DeliveryFilter(
        provider=provider,
        named=named,
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
        status=Status(state.value) if state else None,
        search=search,
        says=says or None,
    )


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    moment, _, position = cursor.partition("/")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), int(position)
    except ValueError:
        wrong_usage("--cursor is what the list before said to go on with.")


def _told(given: GivenBack, known_days: int) -> str:
    """What became of it, in sentences."""
    parts = [f"{given.replayed} will be worked on again."]
    if given.waiting:
        parts.append(f"{given.waiting} are at work or wait for it anyway.")
    if given.too_old:
        parts.append(
            f"{given.too_old} came in more than {known_days} days ago and are left alone: what they caused is not known"
            " any more (PILAR_KEYS_KEPT_DAYS)."
        )
    if given.unknown:
        parts.append(f"{given.unknown} are not there (any more).")
    return " ".join(parts)


def _show(story: DeliveryStory) -> None:
    one = story.delivery
    answer(f"{one.provider} {one.external_id}, received {one.received_at:%Y-%m-%d %H:%M:%S}, {one.status}")
    for handler in one.handlers:
        result = f", result {dict(handler.result)}" if handler.result else ""
        error = f", {handler.error_code}: {handler.error}" if handler.error else ""
        answer(f"  {handler.handler or 'work'}: {handler.status}, tried {handler.attempts} times{result}{error}")
    for again in story.replays:
        answer(f"  replayed {again.replayed_at:%Y-%m-%d %H:%M:%S} by {again.replayed_by}")
    for name, value in story.headers.items():
        answer(f"  {name}: {value}")
    answer(story.body)
    if story.is_masked:
        say("Personal data is shortened: --unmask shows it, and the audit log says that you did.")
    show_table(
        ("What", "Type", "Studio", "Id", "State"),
        [("event", one.type, str(one.workspace_id or "fleet"), str(one.id), one.status) for one in story.events]
        + [("job", one.type, str(one.workspace_id or "fleet"), str(one.id), one.status) for one in story.jobs]
        + [
            (f"message {row.direction}", row.kind, str(row.workspace_id), str(row.id), row.state)
            for row in story.messages
        ],
        nothing="Nothing came of it: no event, no job, no message.",
    )
    if story.is_cut:
        answer("There is more than the first hundred of each.")
