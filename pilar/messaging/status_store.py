"""The SQL of folding many statuses at once. What belongs here: statements over any number of messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from pilar.messaging.erasing import ERASED

# By our own id where it came back with the status, else by WhatsApp's. `offset 0` keeps the look-ups by index, however
# many there are.
_FIND = text(
    """
    select given.place, found.workspace_id, found.id, found.lead_id
    from unnest(cast(:places as int[]), cast(:studios as uuid[]), cast(:ids as uuid[]), cast(:provider_ids as text[]))
      as given (place, workspace_id, id, provider_id)
    left join lateral (select m.* from message m
                       where m.workspace_id = given.workspace_id and m.id = given.id offset 0) ours on true
    left join lateral (select m.* from message m
                       where ours.id is null and m.provider_message_id = given.provider_id
                         and m.workspace_id = given.workspace_id limit 1) theirs on true
    cross join lateral (values (coalesce(ours.workspace_id, theirs.workspace_id), coalesce(ours.id, theirs.id),
                                coalesce(ours.lead_id, theirs.lead_id))) as found (workspace_id, id, lead_id)
    where found.id is not null
    """
)
_HOLD_LEADS = text(
    """
    select l.workspace_id, l.id from lead l
    join unnest(cast(:studios as uuid[]), cast(:leads as uuid[])) as given (workspace_id, id)
      on l.workspace_id = given.workspace_id and l.id = given.id
    where l.lifecycle <> :erased
    order by 1, 2 for update of l skip locked
    """
)
_HOLD_MESSAGES = text(
    """
    select m.workspace_id, m.id, m.lead_id, m.state from message m
    join unnest(cast(:studios as uuid[]), cast(:messages as uuid[])) as given (workspace_id, id)
      on m.workspace_id = given.workspace_id and m.id = given.id
    where m.provider_message_id is not null and m.accepted_at is not null
    order by 1, 2 for update of m skip locked
    """
)
_ADD = text(
    """
    insert into message_status (workspace_id, message_id, status, at)
    select * from unnest(cast(:studios as uuid[]), cast(:messages as uuid[]), cast(:statuses as text[]),
                         cast(:moments as timestamptz[])) as given (workspace_id, message_id, status, at)
    order by 1, 2, 3, 4
    on conflict do nothing
    returning workspace_id, message_id, status, at
    """
)
_CHANGE = text(
    """
    update message m set state = given.state
    from unnest(cast(:studios as uuid[]), cast(:messages as uuid[]), cast(:states as text[]))
      as given (workspace_id, id, state)
    where m.workspace_id = given.workspace_id and m.id = given.id
    """
)

Key = tuple[UUID, UUID]
"""A studio, and a lead or a message of it."""


class Told(NamedTuple):
    """A status as it is kept."""

    workspace_id: UUID
    message_id: UUID
    status: str
    at: datetime


def find(connection: Connection, wanted: Sequence[tuple[UUID, UUID | None, str]]) -> dict[int, Row[Any]]:
    """Studio, id and lead of messages, by their place among what is wanted; those that are unknown are left out.

    Args:
        connection: a transaction in the fleet's scope.
        wanted: studio, our id where it is told, and WhatsApp's.
    """
    values = {
        "places": list(range(len(wanted))),
        "studios": [studio for studio, _, _ in wanted],
        "ids": [ours for _, ours, _ in wanted],
        "provider_ids": [theirs for _, _, theirs in wanted],
    }
    return {row.place: row for row in connection.execute(_FIND, values)}


def hold_leads(connection: Connection, leads: Collection[Key]) -> set[Key]:
    """Hold those of the leads whom nobody else holds, and who were not erased."""
    values = {**_keys("leads", leads), "erased": ERASED}
    return {(row.workspace_id, row.id) for row in connection.execute(_HOLD_LEADS, values)}


def hold_taken(connection: Connection, messages: Collection[Key]) -> dict[Key, Row[Any]]:
    """Lead and state of those of the messages that the provider is known to have, held; others' are not waited for."""
    found = connection.execute(_HOLD_MESSAGES, _keys("messages", messages))
    return {(row.workspace_id, row.id): row for row in found}


def add(connection: Connection, statuses: Sequence[Told]) -> set[Told]:
    """Keep statuses; return those that are new."""
    values = {
        "studios": [one.workspace_id for one in statuses],
        "messages": [one.message_id for one in statuses],
        "statuses": [one.status for one in statuses],
        "moments": [one.at for one in statuses],
    }
    return {Told(*row) for row in connection.execute(_ADD, values)}


def change(connection: Connection, states: Iterable[tuple[Key, str]]) -> None:
    """Have messages stand in another state; their rows are held."""
    changed = list(states)
    if changed:
        values = {**_keys("messages", [key for key, _ in changed]), "states": [state for _, state in changed]}
        connection.execute(_CHANGE, values)


def _keys(name: str, keys: Collection[Key]) -> dict[str, list[UUID]]:
    return {"studios": [studio for studio, _ in keys], name: [one for _, one in keys]}
