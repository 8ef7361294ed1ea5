"""The SQL of files that studios bring. What belongs here: reading and writing their rows, and leads in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.errors import NotFound
from pilar.ids import new_id
from pilar.messaging.lead_import_tables import lead_import, lead_import_part, lead_import_refusal
from pilar.messaging.tables import consent, lead


def add_import(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Write a new import; return False where the studio has brought that file before."""
    statement = upsert(lead_import).values(dict(values))
    statement = statement.on_conflict_do_nothing(index_elements=["workspace_id", "digest"])
    return connection.execute(statement).rowcount == 1


def add_part(connection: Connection, workspace_id: UUID, import_id: UUID, number: int, content: bytes) -> None:
    """Keep a part of the file."""
    values = {"workspace_id": workspace_id, "import_id": import_id, "number": number, "content": content}
    connection.execute(insert(lead_import_part).values(values))


def part(connection: Connection, workspace_id: UUID, import_id: UUID, number: int) -> bytes | None:
    """A part of the file, if it has so many."""
    query = select(lead_import_part.c.content).filter_by(workspace_id=workspace_id, import_id=import_id, number=number)
    found = connection.execute(query).scalar_one_or_none()
    return bytes(found) if found is not None else None


def forget_parts(connection: Connection, workspace_id: UUID, import_id: UUID) -> None:
    """Forget the file."""
    connection.execute(delete(lead_import_part).filter_by(workspace_id=workspace_id, import_id=import_id))


def import_of_digest(connection: Connection, workspace_id: UUID, digest: bytes) -> Row[Any]:
    """The import of a file that was brought before."""
    return connection.execute(select(lead_import).filter_by(workspace_id=workspace_id, digest=digest)).one()


def get_import(
    connection: Connection, workspace_id: UUID, import_id: UUID, *, lock: bool = False, holds: str | None = None
) -> Row[Any]:
    """An import, of leads or of trainings or of either; raise `NotFound` where this scope sees none."""
    query = select(lead_import).filter_by(workspace_id=workspace_id, id=import_id)
    if holds is not None:
        query = query.filter_by(holds=holds)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("There is no such import.")
    return row


def imports_of(connection: Connection, workspace_id: UUID, limit: int, *, holds: str | None = None) -> list[Row[Any]]:
    """A studio's imports, of leads or of trainings or of both, the newest first."""
    query = select(lead_import).filter_by(workspace_id=workspace_id)
    if holds is not None:
        query = query.filter_by(holds=holds)
    query = query.order_by(lead_import.c.id.desc()).limit(limit)
    return list(connection.execute(query))


def change_import(connection: Connection, workspace_id: UUID, import_id: UUID, values: Mapping[str, Any]) -> None:
    """Change an import's row."""
    connection.execute(update(lead_import).filter_by(workspace_id=workspace_id, id=import_id).values(dict(values)))


def add_refusals(
    connection: Connection, workspace_id: UUID, import_id: UUID, refusals: Iterable[tuple[int, str]]
) -> None:
    """Keep which rows can't be used, and why."""
    rows = [
        {"workspace_id": workspace_id, "import_id": import_id, "line": line, "reason": reason}
        for line, reason in refusals
    ]
    if rows:
        connection.execute(insert(lead_import_refusal).values(rows))


def refusals_of(connection: Connection, workspace_id: UUID, import_id: UUID) -> list[Row[Any]]:
    """The rows that could not be used, in the file's order."""
    query = select(lead_import_refusal.c.line, lead_import_refusal.c.reason)
    query = query.filter_by(workspace_id=workspace_id, import_id=import_id).order_by(lead_import_refusal.c.line)
    return list(connection.execute(query))


def hold_leads(connection: Connection, workspace_id: UUID, phones: Collection[str]) -> dict[str, Row[Any]]:
    """The leads with these numbers, by number, held until the transaction ends: nobody opts out meanwhile."""
    ids = [phone.lstrip("+") for phone in phones]
    query = (
        select(lead.c.id, lead.c.phone, lead.c.provider_user_id)
        .where(lead.c.workspace_id == workspace_id)
        .where(or_(lead.c.phone.in_(phones), lead.c.provider_user_id.in_(ids)))
        .order_by(lead.c.id)
        .with_for_update()
    )
    rows: list[Row[Any]] = list(connection.execute(query))
    found: dict[str, Row[Any]] = {}
    for row in rows:
        if f"+{row.provider_user_id}" in phones:
            found.setdefault(f"+{row.provider_user_id}", row)
    for row in rows:
        if row.phone in phones:
            found[row.phone] = row  # who is known by number comes before who has it as an id at the provider
    return found


def add_leads(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, UUID]:
    """Write new leads; the ids by number of those that nobody wrote at the same moment."""
    if not rows:
        return {}
    statement = upsert(lead).values([dict(row) for row in rows]).on_conflict_do_nothing()
    return {row.phone: row.id for row in connection.execute(statement.returning(lead.c.phone, lead.c.id))}


def fill_in(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> None:
    """Keep what was not known of a lead; what was stays."""
    known = {name: func.coalesce(lead.c[name], value) for name, value in values.items() if value is not None}
    if known:
        connection.execute(update(lead).filter_by(workspace_id=workspace_id, id=lead_id).values(known))


def withdrawn(
    connection: Connection,
    workspace_id: UUID,
    leads: Collection[UUID],
    scopes: Collection[str] = ("marketing", "all", "founder"),
) -> set[UUID]:
    """Which of these leads want no messages, or none unasked for; with other scopes, nothing of those."""
    newest = (
        select(consent.c.lead_id, consent.c.granted)
        .where(consent.c.workspace_id == workspace_id, consent.c.lead_id.in_(leads), consent.c.scope.in_(scopes))
        .ext(distinct_on(consent.c.lead_id, consent.c.scope))
        .order_by(consent.c.lead_id, consent.c.scope, consent.c.id.desc())
    )
    return {row.lead_id for row in connection.execute(newest) if not row.granted}


def add_consents(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record what leads agreed to; the same proof counts once."""
    if rows:
        statement = upsert(consent).values([{"id": new_id(), **row} for row in rows])
        connection.execute(statement.on_conflict_do_nothing())
