"""Erasing what is kept of a closed studio. What belongs here: which rows go, and which stay and why.

Every table that belongs to studios is emptied of it, so that a table that is added later is too; what stays is named.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, exists, func, select, update

from pilar.database.schema import metadata
from pilar.workspaces.tables import membership, person, studio_standing, subscription, workspace

STAYS = frozenset(
    {
        # That there was a studio, when it stood how, and what it paid: the books have to be explained for years.
        *(workspace.fullname, subscription.fullname, studio_standing.fullname),
        # Which studio a subscription was for: a late event of Stripe's must not begin another.
        "provisioning_job",
    }
)
NAMELESS = "Erased studio"


def erase(connection: Connection, workspace_id: UUID) -> dict[str, int]:
    """Erase a studio's rows, and people who worked in no other; return how many rows went, by table.

    Needs the fleet's scope; the database refuses it for a studio that is not closed. Events, jobs and the audit log
    hold no personal data and go by age.
    """
    people = select(membership.c.person_id).filter_by(workspace_id=workspace_id)
    staff = list(connection.execute(people).scalars())
    gone: dict[str, int] = {}
    for table in reversed(metadata.sorted_tables):
        if _is_studios(table) and table.fullname not in STAYS:
            call = func.pilar_erase_studio(workspace_id, table.schema or "public", table.name)
            rows: int = connection.execute(select(call)).scalar_one()
            if rows:
                gone[table.fullname] = rows
    connection.execute(update(workspace).filter_by(workspace_id=workspace_id).values(name=NAMELESS))
    nowhere_else = ~exists().where(membership.c.person_id == person.c.id)
    for one in staff:
        blank: dict[str, Any] = {"email": f"{one}@erased.invalid", "name": "", "phone": None, "password_hash": None}
        erased = connection.execute(
            update(person)
            .where(person.c.id == one, ~person.c.is_founder, person.c.affiliate_id.is_(None), nowhere_else)
            .values(**blank)
        ).rowcount
        gone[person.fullname] = gone.get(person.fullname, 0) + erased
    return gone


def _is_studios(table: Table) -> bool:
    return table.info.get("kind") == "tenant"
