"""A studio brings its leads in a file. What belongs here: taking the file, and working through it as a job.

What does not: what a row must hold (`lead_import_rows.py`).

The file is kept in parts until it is read, and read in batches of rows: each is committed with how far it is, so that
whoever is killed goes on behind the last one. Who has withdrawn their consent stays withdrawn, whatever a file says:
only they themselves can agree anew. The leads of a batch are held while it is decided, as for an opt-out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid, Permanent, Transient
from pilar.ids import new_id
from pilar.messaging import lead_import_rows as form
from pilar.messaging import lead_import_store as store
from pilar.messaging import people_store
from pilar.messaging.events import ImportLeads
from pilar.messaging.lead_import_rows import LeadRow, Refusal, Studio, UnreadableFile
from pilar.messaging.rooms import People
from pilar.workspaces import store as workspaces

LARGEST = 8 * 1024 * 1024
"""Bytes of one file: some 80,000 leads."""
PART = 256 * 1024
BATCH = 500
"""Rows that are decided together."""
WITHDRAWN = "The person asked for no more messages: only they themselves can agree anew, by writing to you."

ERASED = "The person asked to be forgotten: only they themselves can come back, by writing to you."


@dataclass(frozen=True)
class Taken:
    """An import, and whether it is new or of a file that was brought before."""

    row: Row[Any]
    is_new: bool


def take_file(
    connection: Connection, clocks: Clocks, workspace_id: UUID, file_name: str, content: bytes, *, actor: str
) -> Taken:
    """Keep a file of leads and have it worked through; a file that was brought before is that import.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio.
        file_name: as it was called where it came from.
        content: the file.
        actor: who brings it, as in the audit log.

    Raises:
        Invalid: it is empty or too large, or its first line does not name the columns that are needed.
        NotFound: there is no such studio.
    """
    workspaces.get_workspace(connection, workspace_id)
    if not content.strip():
        raise Invalid("The file is empty.")
    if len(content) > LARGEST:
        raise Invalid(f"The file is larger than {LARGEST // 1024**2} MB: send it in several.")
    next(form.rows(form.decoded([content])), None)
    digest, now = hashlib.sha256(content).digest(), clocks.real.now()
    values = {
        "workspace_id": workspace_id,
        "id": new_id(),
        "digest": digest,
        "file_name": file_name.strip()[:200] or "leads.csv",
        "bytes": len(content),
        "state": "waiting",
        **dict.fromkeys(("rows_read", "added", "known", "refused"), 0),
        "asked_by": actor,
        "created_at": now,
    }
    is_new = store.add_import(connection, values)
    row = store.import_of_digest(connection, workspace_id, digest)
    if not is_new:
        return Taken(row, is_new=False)
    for number, start in enumerate(range(0, len(content), PART)):
        store.add_part(connection, workspace_id, row.id, number, content[start : start + PART])
    job = Job(payload=ImportLeads(import_id=row.id), key=str(row.id), workspace_id=workspace_id, lane=Lane.BULK)
    enqueue(connection, clocks, [job], Cause.new())
    audit.record(
        connection,
        actor=actor,
        action="messaging.leads_brought",
        subject=f"lead_import:{row.id}",
        now=now,
        workspace_id=workspace_id,
        details={"bytes": len(content), "sha256": digest.hex()},
    )
    return Taken(row, is_new=True)


class LeadImporter:
    """Works through files."""

    def __init__(self, database: Database, clocks: Clocks, people: People) -> None:
        self._database = database
        self._clocks = clocks
        self._people = people

    def on_job(self, work: Work[ImportLeads]) -> dict[str, int]:
        """The job's handler."""
        if work.workspace_id is None:
            raise Permanent("Leads belong to a studio.")
        workspace_id, import_id = work.workspace_id, work.content.import_id
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.get_import(connection, workspace_id, import_id)
            document = workspaces.load_configuration(connection, workspace_id)[1].studio
        if row.finished_at is None:
            studio = Studio(document.country, document.time_zone, self._clocks.business.now())
            try:
                self._work_through(workspace_id, import_id, row.rows_read, studio, document.language)
                error = None
            except UnreadableFile as broken:
                error = broken.message
            self._finish(workspace_id, import_id, error)
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.get_import(connection, workspace_id, import_id)
        return {"rows": row.rows_read, "added": row.added, "known": row.known, "refused": row.refused}

    def _work_through(self, workspace_id: UUID, import_id: UUID, done: int, studio: Studio, language: str) -> None:
        rows = form.rows(form.decoded(self._parts(workspace_id, import_id)))
        found = (form.read(line, fields, studio) for line, fields in islice(rows, done, None))
        while batch := list(islice(found, BATCH)):
            with self._database.transaction(Scope.fleet()) as connection:
                row = store.get_import(connection, workspace_id, import_id, lock=True)
                if row.rows_read != done or row.finished_at is not None:
                    raise Transient("Somebody else goes on with this file: it is looked at again.")
                counts = self._settle(connection, workspace_id, import_id, batch, language)
                done += len(batch)
                store.change_import(
                    connection,
                    workspace_id,
                    import_id,
                    {
                        "state": "running",
                        "rows_read": done,
                        **{name: getattr(row, name) + count for name, count in counts.items()},
                    },
                )

    def _parts(self, workspace_id: UUID, import_id: UUID) -> Iterator[bytes]:
        number = 0
        while True:
            with self._database.transaction(Scope.fleet()) as connection:
                content = store.part(connection, workspace_id, import_id, number)
            if content is None:
                return
            yield content
            number += 1

    def _settle(
        self,
        connection: Connection,
        workspace_id: UUID,
        import_id: UUID,
        batch: list[LeadRow | Refusal],
        language: str,
    ) -> dict[str, int]:
        refused = [(one.line, one.reason) for one in batch if isinstance(one, Refusal)]
        good = {one.phone: one for one in reversed(batch) if isinstance(one, LeadRow)}
        again = sum(isinstance(one, LeadRow) for one in batch) - len(good)
        now = self._clocks.business.now()
        people_store.among_persons(connection)
        for phone, reason in self._silent(connection, workspace_id, good).items():
            refused.append((good.pop(phone).line, reason))
        held = store.hold_leads(connection, workspace_id, good)
        fresh = [_lead(workspace_id, one, language, now) for phone, one in good.items() if phone not in held]
        added = store.add_leads(connection, fresh)
        if len(added) < len(fresh):  # somebody wrote to the studio at this very moment
            held = store.hold_leads(connection, workspace_id, [phone for phone in good if phone not in added])
        ids = {phone: row.id for phone, row in held.items()}
        silent = store.withdrawn(connection, workspace_id, set(ids.values()))
        for phone, lead_id in ids.items():
            if lead_id in silent:
                refused.append((good[phone].line, WITHDRAWN))
            else:
                values = {"name": good[phone].name, "time_zone": good[phone].time_zone}
                store.fill_in(connection, workspace_id, lead_id, values)
        consents = [
            {
                "workspace_id": workspace_id,
                "lead_id": lead_id,
                "scope": "marketing",
                "granted": True,
                "source": "import",
                "proof": good[phone].proof,
                "recorded_at": now,
            }
            for phone, lead_id in {**ids, **added}.items()
            if lead_id not in silent
        ]
        store.add_consents(connection, consents)
        store.add_refusals(connection, workspace_id, import_id, refused)
        return {"added": len(added), "known": len(ids.keys()) - len(silent) + again, "refused": len(refused)}

    def _silent(self, connection: Connection, workspace_id: UUID, phones: Collection[str]) -> dict[str, str]:
        """Who was erased, or wants nothing from any studio: why their rows are refused."""
        digests = {self._people.digests.of(connection, [phone])[0]: phone for phone in phones}
        erased = people_store.suppressed(connection, workspace_id, list(digests))
        stopped = people_store.stopped_among(connection, list(digests))
        return {digests[one]: WITHDRAWN for one in stopped} | {digests[one]: ERASED for one in erased}

    def _finish(self, workspace_id: UUID, import_id: UUID, error: str | None) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.get_import(connection, workspace_id, import_id, lock=True)
            if row.finished_at is not None:
                return
            values = {
                "state": "failed" if error else "done",
                "error": error,
                "finished_at": self._clocks.real.now(),
            }
            store.change_import(connection, workspace_id, import_id, values)
            store.forget_parts(connection, workspace_id, import_id)


def _lead(workspace_id: UUID, row: LeadRow, language: str, now: datetime) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": new_id(),
        # WhatsApp's id of a person is the number without its plus, until it tells another.
        "provider_user_id": row.phone.lstrip("+"),
        "phone": row.phone,
        "name": row.name,
        "language": row.language or language,
        "country": row.country,
        "time_zone": row.time_zone,
        "tags": [],
        "properties": {},
        "lifecycle": "lead",
        "source": "import",
        "created_at": now,
    }
