"""Who writes: which lead a number or an id at WhatsApp belongs to.

What belongs here: recognising somebody, and what follows where two leads turn out to be one. What does not: moving
what is kept about them (`merging.py`).

Meta tells a number, an id of the person towards this business, or both. An id that is told with a number ties the two:
who came with one of them and tells the other later is the same lead, and two leads who are tied become one. A number
that comes with another id than it had has changed hands: the new holder is somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import merging, people_store, store
from pilar.messaging.consent import keep_stopped
from pilar.messaging.rooms import People

BY = "system"


def recognise(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    names: tuple[str | None, str | None],
    values: Mapping[str, Any],
    story: Cause,
    people: People,
) -> Row[Any]:
    """The lead whom these belong to, held; made, filled in or put together of two if need be.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        names: WhatsApp's id of them: by their number, and towards this business; one of the two at least.
        values: the other columns of a new lead; what is not known of one who is there is filled in from them.
        story: the story it belongs to.
        people: who else keeps something about leads.
    """
    number, user_id = names
    ids, phone = [name for name in names if name], values.get("phone")
    found = people_store.candidates(connection, workspace_id, ids, phone)
    if user_id is not None and phone is not None:
        found = _without_former_holders(connection, workspace_id, found, user_id, phone)
    if not found:
        people_store.among_persons(connection)
        row = {**values, "workspace_id": workspace_id, "id": new_id(), "provider_user_id": user_id or number}
        people_store.add_lead(connection, row)
        # Whoever was quicker has written the same person.
        found = people_store.candidates(connection, workspace_id, ids, phone)
        keep_stopped(connection, clocks, workspace_id, found[0].id, story, people)
    stays = found[0]
    for other in found[1:]:
        reason = "WhatsApp told that they are one person."
        merging.merge(connection, clocks, people, workspace_id, stays.id, other.id, BY, reason, story)
    changes = {
        name: values[name]
        for name in ("phone", "name", "country")
        if values.get(name) is not None and getattr(stays, name) is None
    }
    if user_id is not None and stays.provider_user_id != user_id:
        changes["provider_user_id"] = user_id
    if changes:
        store.change_lead(connection, workspace_id, stays.id, changes)
        if "phone" in changes:
            keep_stopped(connection, clocks, workspace_id, stays.id, story, people)
    return store.lock_lead(connection, workspace_id, stays.id)


def _without_former_holders(
    connection: Connection, workspace_id: UUID, found: list[Row[Any]], user_id: str, phone: str
) -> list[Row[Any]]:
    """Without those who had the number under another id towards this business; it is theirs no more."""
    stay = []
    for row in found:
        is_number = row.provider_user_id.isdigit()
        if row.phone == phone and not is_number and row.provider_user_id != user_id:
            store.change_lead(connection, workspace_id, row.id, {"phone": None})
        else:
            stay.append(row)
    return stay
