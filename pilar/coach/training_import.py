"""A studio brings its trainings in a file. What belongs here: what a row must hold, and what becomes of it.

What does not: how a file is worked through (`messaging/file_import.py`) and what can be kept (`trainings.py`). A row
tells of a moment and a lead: a file that is brought again in part, or a row that comes twice, tells nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import training_store, trainings
from pilar.coach.events import ImportTrainings
from pilar.coach.trainings import STATES, State, Training
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import file_import
from pilar.messaging import lead_import_store as imports
from pilar.messaging.csv_rows import Refusal, e164, told_in
from pilar.messaging.file_import import Content, Taken
from pilar.workspaces import store as workspaces

COLUMNS = ("lead", "starts_at", "kind", "state")
NEEDED = ("lead", "starts_at", "state")
TRAININGS = Content(
    "trainings", COLUMNS, NEEDED, lambda import_id: ImportTrainings(import_id=import_id), "coach.trainings_brought"
)


@dataclass(frozen=True)
class TrainingRow:
    """A row that can be used.

    Attributes:
        line: where it begins in the file.
        lead: their number as it is written, our id of them, or WhatsApp's.
        starts_at: when it begins.
        kind: what is trained; None: not told.
        state: done, missed or planned.
    """

    line: int
    lead: str
    starts_at: datetime
    kind: str | None
    state: State


def take_file(
    connection: Connection, clocks: Clocks, workspace_id: UUID, file_name: str, content: bytes, *, actor: str
) -> Taken:
    """Keep a file of trainings and have it worked through; arguments and errors are those of `file_import.take`."""
    return file_import.take(connection, clocks, workspace_id, file_name, content, TRAININGS, actor=actor)


def read(line: int, fields: dict[str, str] | None, zone: ZoneInfo) -> TrainingRow | Refusal:
    """What a row holds, or why it can't be used.

    Args:
        line: where it begins.
        fields: by column; None: nobody can say which is which.
        zone: where a moment is that names none: the studio's.
    """
    told = told_in(line, fields, COLUMNS)
    if isinstance(told, Refusal):
        return told
    if not told["lead"]:
        return Refusal(line, "lead is missing: write their number, or the id that PILAR or WhatsApp has for them.")
    moment = moment_of(told["starts_at"], zone)
    if moment is None:
        return Refusal(line, "starts_at is missing or no moment: write it as 2026-03-31 18:00, or with +02:00 behind.")
    state = next((one for one in STATES if one == told["state"].lower()), None)
    if state is None:
        return Refusal(line, f"state is none: write {', '.join(STATES[:-1])} or {STATES[-1]}.")
    return TrainingRow(line, told["lead"], moment, told["kind"] or None, state)


def moment_of(text: str, zone: ZoneInfo) -> datetime | None:
    """A moment as somebody wrote it; one that names no zone is on the wall clock of that one. None: it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= len("2026-03-31"):  # a day is no moment
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


class TrainingImporter:
    """Works through files."""

    def __init__(self, database: Database, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks

    def on_job(self, work: Work[ImportTrainings]) -> dict[str, int]:
        """The job's handler."""
        if work.workspace_id is None:
            raise Permanent("Trainings belong to a studio.")
        workspace_id, import_id = work.workspace_id, work.content.import_id
        with self._database.transaction(Scope.fleet()) as connection:
            studio = workspaces.load_configuration(connection, workspace_id)[1].studio

        def settle(connection: Connection, batch: list[TrainingRow | Refusal]) -> dict[str, int]:
            return self._settle(connection, workspace_id, import_id, batch, studio.country)

        return file_import.work_through(
            self._database, self._clocks, workspace_id, import_id, TRAININGS,
            partial(read, zone=ZoneInfo(studio.time_zone)), settle,
        )  # fmt: skip

    def _settle(
        self, connection: Connection, workspace_id: UUID, import_id: UUID, batch: list[TrainingRow | Refusal],
        country: str,
    ) -> dict[str, int]:  # fmt: skip
        refused = [(one.line, one.reason) for one in batch if isinstance(one, Refusal)]
        rows = [one for one in batch if isinstance(one, TrainingRow)]
        who = _finder(connection, workspace_id, {one.lead for one in rows}, country)
        known = [(one, lead_id) for one in rows if (lead_id := who(one.lead)) is not None]
        refused += [(one.line, "lead is nobody whom the studio knows: bring them first.") for one in rows
                    if who(one.lead) is None]  # fmt: skip
        told = [Training(one.starts_at, lead_id=lead_id, state=one.state, kind=one.kind) for one, lead_id in known]
        found = trainings.sort_out(connection, self._clocks, workspace_id, told)
        refused += [(known[place][0].line, reason[0].upper() + reason[1:]) for place, reason in found.refused.items()]
        added = trainings.keep(connection, self._clocks, workspace_id, found.fine, "file")
        imports.add_refusals(connection, workspace_id, import_id, refused)
        return {"added": added, "known": len(batch) - len(refused) - added, "refused": len(refused)}


def _finder(
    connection: Connection, workspace_id: UUID, written: Collection[str], country: str
) -> Callable[[str], UUID | None]:
    """Who a lead is by what is written of them: their number, our id, or WhatsApp's."""
    phones = {one: phone for one in written if (phone := e164(one, country)) is not None}
    by_phone = training_store.leads_by_phone(connection, workspace_id, set(phones.values()))
    by_id = training_store.leads_by_id(connection, workspace_id, written)

    def find(one: str) -> UUID | None:
        try:
            return UUID(one)
        except ValueError:
            return by_phone.get(phones.get(one, "")) or by_id.get(one)

    return find
