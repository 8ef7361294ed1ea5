"""A studio brings its leads in a file. What belongs here: what becomes of its rows.

What does not: what a row must hold (`lead_import_rows.py`), and how a file is worked through (`file_import.py`).

Who has withdrawn their consent stays withdrawn, whatever a file says: only they themselves can agree anew. The leads of
a batch are held while it is decided, as for an opt-out.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.ids import new_id
from pilar.messaging import file_import, people_store
from pilar.messaging import lead_import_rows as form
from pilar.messaging import lead_import_store as store
from pilar.messaging.csv_rows import Refusal
from pilar.messaging.events import ImportLeads
from pilar.messaging.file_import import Content, Taken
from pilar.messaging.lead_import_rows import LeadRow, Studio
from pilar.messaging.rooms import People
from pilar.workspaces import store as workspaces

WITHDRAWN = "The person asked for no more messages: only they themselves can agree anew, by writing to you."

ERASED = "The person asked to be forgotten: only they themselves can come back, by writing to you."

LEADS = Content(
    "leads", form.COLUMNS, form.NEEDED, lambda import_id: ImportLeads(import_id=import_id), "messaging.leads_brought"
)


def take_file(
    connection: Connection, clocks: Clocks, workspace_id: UUID, file_name: str, content: bytes, *, actor: str
) -> Taken:
    """Keep a file of leads and have it worked through; arguments and errors are those of `file_import.take`."""
    return file_import.take(connection, clocks, workspace_id, file_name, content, LEADS, actor=actor)


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
            document = workspaces.load_configuration(connection, workspace_id)[1].studio
        studio = Studio(document.country, document.time_zone, self._clocks.business.now())

        def settle(connection: Connection, batch: list[LeadRow | Refusal]) -> dict[str, int]:
            return self._settle(connection, workspace_id, import_id, batch, document.language)

        read = partial(form.read, studio=studio)
        return file_import.work_through(self._database, self._clocks, workspace_id, import_id, LEADS, read, settle)

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
        for phone, reason in self._silent(connection, workspace_id, good.values()).items():
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
                values = {"name": good[phone].name, "time_zone": good[phone].time_zone, "email": good[phone].email}
                store.fill_in(connection, workspace_id, lead_id, values)
        unmailed = store.withdrawn(connection, workspace_id, set(ids.values()), scopes=("email",))
        consents = [
            {
                "workspace_id": workspace_id,
                "lead_id": lead_id,
                "scope": scope,
                "granted": True,
                "source": "import",
                "proof": good[phone].proof,
                "recorded_at": now,
            }
            for phone, lead_id in {**ids, **added}.items()
            if lead_id not in silent
            for scope in ("marketing", "email")
            if scope == "marketing" or (good[phone].agreed_to_email and lead_id not in unmailed)
        ]
        store.add_consents(connection, consents)
        store.add_refusals(connection, workspace_id, import_id, refused)
        return {"added": len(added), "known": len(ids.keys()) - len(silent) + again, "refused": len(refused)}

    def _silent(self, connection: Connection, workspace_id: UUID, rows: Collection[LeadRow]) -> dict[str, str]:
        """Who was erased, or wants nothing from any studio: why their rows are refused, by number.

        An address of somebody who was erased is known again as their number is; two may have the same.
        """
        digests: dict[bytes, list[str]] = {}
        for row in rows:
            for one in self._people.digests.of(connection, (row.phone, row.email)):
                digests.setdefault(one, []).append(row.phone)
        erased = people_store.suppressed(connection, workspace_id, list(digests))
        stopped = people_store.stopped_among(connection, list(digests))
        return {phone: reason for found, reason in ((stopped, WITHDRAWN), (erased, ERASED))
                for one in found for phone in digests[one]}  # fmt: skip


def _lead(workspace_id: UUID, row: LeadRow, language: str, now: datetime) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": new_id(),
        # WhatsApp's id of a person is the number without its plus, until it tells another.
        "provider_user_id": row.phone.lstrip("+"),
        "phone": row.phone,
        "name": row.name,
        "email": row.email,
        "language": row.language or language,
        "country": row.country,
        "time_zone": row.time_zone,
        "tags": [],
        "properties": {},
        "lifecycle": "lead",
        "source": "import",
        "created_at": now,
    }
