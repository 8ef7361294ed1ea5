"""`pilar inbox`. What belongs here: deliveries that wait on this machine's disk, or that the database refuses."""

from __future__ import annotations

from dataclasses import asdict

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer, answer_json, new_group

app = new_group("Deliveries on their way into the database.")


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


@app.command("retry")
def retry(as_json: Json = False) -> None:
    """Have the deliveries that the database refused tried again, after their cause is mended."""
    from pilar.backplane.spool_report import release_refused

    released = release_refused(read_settings().spool_path)
    if as_json:
        answer_json({"released": released})
    else:
        answer(f"{released} will be tried again by the web service, within a quarter of a minute.")
