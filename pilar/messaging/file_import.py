"""A studio brings a file of rows. What belongs here: taking it, and working through it as a job, of whatever it holds.

The file is kept in parts until it is read, and read in batches of rows: each is committed with how far it is, so that
whoever is killed goes on behind the last one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Job, Lane, Payload, enqueue
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid, Transient
from pilar.ids import new_id
from pilar.messaging import csv_rows
from pilar.messaging import lead_import_store as store
from pilar.messaging.csv_rows import Refusal, UnreadableFile
from pilar.workspaces import store as workspaces

LARGEST = 8 * 1024 * 1024
"""Bytes of one file: some 80,000 rows."""
PART = 256 * 1024
BATCH = 500
"""Rows that are decided together."""

Good = TypeVar("Good")


@dataclass(frozen=True)
class Content:
    """What files of a kind hold.

    Attributes:
        holds: leads or trainings.
        columns: those that are known.
        needed: those that the first line must name.
        job: what works through such a file, by the import's id.
        action: of the audit log, when one is brought.
    """

    holds: str
    columns: Sequence[str]
    needed: Sequence[str]
    job: Callable[[UUID], Payload]
    action: str

    def rows(self, parts: Iterator[bytes]) -> Iterator[tuple[int, dict[str, str] | None]]:
        """The rows of a file; errors are those of `csv_rows.rows`."""
        return csv_rows.rows(csv_rows.decoded(parts), self.columns, self.needed)


@dataclass(frozen=True)
class Taken:
    """An import, and whether it is new or of a file that was brought before."""

    row: Row[Any]
    is_new: bool


def take(
    connection: Connection, clocks: Clocks, workspace_id: UUID, file_name: str, file: bytes, content: Content, *,
    actor: str,
) -> Taken:  # fmt: skip
    """Keep a file and have it worked through; a file that was brought before is that import.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio.
        file_name: as it was called where it came from.
        file: itself.
        content: what it holds.
        actor: who brings it, as in the audit log.

    Raises:
        Invalid: it is empty or too large, or its first line does not name the columns that are needed.
        NotFound: there is no such studio.
    """
    workspaces.get_workspace(connection, workspace_id)
    if not file.strip():
        raise Invalid("The file is empty.")
    if len(file) > LARGEST:
        raise Invalid(f"The file is larger than {LARGEST // 1024**2} MB: send it in several.")
    next(content.rows(iter([file])), None)
    digest, now = hashlib.sha256(file).digest(), clocks.real.now()
    values = {
        "workspace_id": workspace_id,
        "id": new_id(),
        "digest": digest,
        "file_name": file_name.strip()[:200] or f"{content.holds}.csv",
        "bytes": len(file),
        "state": "waiting",
        "holds": content.holds,
        **dict.fromkeys(("rows_read", "added", "known", "refused"), 0),
        "asked_by": actor,
        "created_at": now,
    }
    is_new = store.add_import(connection, values)
    row = store.import_of_digest(connection, workspace_id, digest)
    if not is_new:
        return Taken(row, is_new=False)
    for number, start in enumerate(range(0, len(file), PART)):
        store.add_part(connection, workspace_id, row.id, number, file[start : start + PART])
    job = Job(payload=content.job(row.id), key=str(row.id), workspace_id=workspace_id, lane=Lane.BULK)
    enqueue(connection, clocks, [job], Cause.new())
    audit.record(
        connection,
        actor=actor,
        action=content.action,
        subject=f"lead_import:{row.id}",
        now=now,
        workspace_id=workspace_id,
        details={"bytes": len(file), "sha256": digest.hex()},
    )
    return Taken(row, is_new=True)


def work_through(
    database: Database,
    clocks: Clocks,
    workspace_id: UUID,
    import_id: UUID,
    content: Content,
    read: Callable[[int, dict[str, str] | None], Good | Refusal],
    settle: Callable[[Connection, list[Good | Refusal]], Mapping[str, int]],
) -> dict[str, int]:
    """Work through a file from where it stands; return how many rows it had, and what came of them.

    Args:
        database: where it is.
        clocks: both clocks.
        workspace_id: the studio's.
        import_id: the import.
        content: what it holds.
        read: what a row holds, by its line and fields, or why it can't be used.
        settle: decides a batch in its transaction, keeps what is refused, and tells added, known and refused.

    Raises:
        Transient: somebody else works through it at this moment.
    """
    with database.transaction(Scope.fleet()) as connection:
        row = store.get_import(connection, workspace_id, import_id)
    if row.finished_at is None:
        error = None
        try:
            found = content.rows(_parts(database, workspace_id, import_id))
            rows = (read(line, fields) for line, fields in islice(found, row.rows_read, None))
            _settle_all(database, workspace_id, import_id, row.rows_read, rows, settle)
        except UnreadableFile as broken:
            error = broken.message
        _finish(database, clocks, workspace_id, import_id, error)
    with database.transaction(Scope.fleet()) as connection:
        row = store.get_import(connection, workspace_id, import_id)
    return {"rows": row.rows_read, "added": row.added, "known": row.known, "refused": row.refused}


def _settle_all(
    database: Database, workspace_id: UUID, import_id: UUID, done: int, rows: Iterator[Good | Refusal],
    settle: Callable[[Connection, list[Good | Refusal]], Mapping[str, int]],
) -> None:  # fmt: skip
    while batch := list(islice(rows, BATCH)):
        with database.transaction(Scope.fleet()) as connection:
            row = store.get_import(connection, workspace_id, import_id, lock=True)
            if row.rows_read != done or row.finished_at is not None:
                raise Transient("Somebody else goes on with this file: it is looked at again.")
            counts = settle(connection, batch)
            done += len(batch)
            values = {name: getattr(row, name) + count for name, count in counts.items()}
            store.change_import(connection, workspace_id, import_id, {"state": "running", "rows_read": done, **values})


def _parts(database: Database, workspace_id: UUID, import_id: UUID) -> Iterator[bytes]:
    number = 0
    while True:
        with database.transaction(Scope.fleet()) as connection:
            part = store.part(connection, workspace_id, import_id, number)
        if part is None:
            return
        yield part
        number += 1


def _finish(database: Database, clocks: Clocks, workspace_id: UUID, import_id: UUID, error: str | None) -> None:
    with database.transaction(Scope.fleet()) as connection:
        row = store.get_import(connection, workspace_id, import_id, lock=True)
        if row.finished_at is not None:
            return
        values = {"state": "failed" if error else "done", "error": error, "finished_at": clocks.real.now()}
        store.change_import(connection, workspace_id, import_id, values)
        store.forget_parts(connection, workspace_id, import_id)
