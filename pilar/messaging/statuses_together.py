"""Folding many statuses at once: the plain ones, with a few statements for all of them.

What belongs here: which statuses are plain, and folding these. What does not: any status of which there is more to say
than that a message went on its way (it failed, it settles a doubt, it is of somebody erased or of no message of ours):
those are folded one by one (`statuses.py`), after the others.

Statuses come to the same state in any order, so it does not matter which of them are taken together. The locks are
those of one status, lead and then message; who is held by somebody else is not waited for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.messaging import limit_store, states, status_store
from pilar.messaging.status_store import Told
from pilar.providers.whatsapp.deliveries import MessageStatus

PLAIN = frozenset({states.SENT, states.DELIVERED, states.READ})
"""What says no more of a message than how far it has come."""


class StudioStatus(NamedTuple):
    """A status of a studio's message."""

    workspace_id: UUID
    told: MessageStatus


def is_plain(told: MessageStatus) -> bool:
    """Whether a status says nothing but how far its message has come."""
    return told.status in PLAIN and not told.errors


def fold_groups(connection: Connection, groups: Sequence[Sequence[StudioStatus]]) -> dict[int, list[str]]:
    """Fold groups of plain statuses, of each group all or none.

    Args:
        connection: a transaction in the fleet's scope.
        groups: each the statuses of one delivery.

    Returns:
        By a group's place what became of each of its statuses, in one word. Groups that are left out are as they were.
    """
    found = _find(connection, groups)
    leads = sorted({(row.workspace_id, row.lead_id) for row in found.values()})
    held = status_store.hold_leads(connection, leads) if leads else set()
    messages = sorted({(row.workspace_id, row.id) for row in found.values() if (row.workspace_id, row.lead_id) in held})
    taken = status_store.hold_taken(connection, messages) if messages else {}
    # A message of one who has just been put together with another is theirs by now, and that lead is not held.
    taken = {key: row for key, row in taken.items() if (row.workspace_id, row.lead_id) in held}
    told: dict[int, list[Told]] = {}
    for place, group in enumerate(groups):
        rows = [found.get((place, number)) for number in range(len(group))]
        if all(row is not None and (row.workspace_id, row.id) in taken for row in rows):
            told[place] = [
                Told(row.workspace_id, row.id, one.told.status, one.told.at)
                for row, one in zip(rows, group, strict=True)
                if row is not None
            ]
    return _fold(connection, told, taken) if told else {}


def _find(connection: Connection, groups: Sequence[Sequence[StudioStatus]]) -> dict[tuple[int, int], Row[Any]]:
    places = [(place, number) for place, group in enumerate(groups) for number in range(len(group))]
    wanted = [(one.workspace_id, _our_id(one.told.callback), one.told.message_id) for group in groups for one in group]
    return {places[nth]: row for nth, row in status_store.find(connection, wanted).items()}


def _fold(
    connection: Connection, told: Mapping[int, Sequence[Told]], taken: Mapping[status_store.Key, Row[Any]]
) -> dict[int, list[str]]:
    new = status_store.add(connection, [one for statuses in told.values() for one in statuses])
    state = {key: row.state for key, row in taken.items()}
    for one in new:
        key = (one.workspace_id, one.message_id)
        state[key] = states.fold(state[key], one.status)
    changed = {key: now for key, now in state.items() if now != taken[key].state}
    status_store.change(connection, changed.items())
    arrived = (states.DELIVERED, states.READ)
    reached = {
        (key[0], taken[key].lead_id)
        for key, now in changed.items()
        if now in arrived and taken[key].state not in arrived
    }
    limit_store.forget_all_unreached(connection, sorted(reached))
    answers: dict[int, list[str]] = {}
    for place, statuses in told.items():
        answers[place] = []
        for one in statuses:
            answers[place].append("status" if one in new else "status_again")
            new.discard(one)  # the same once more in the same batch is no news
    return answers


def _our_id(callback: str | None) -> UUID | None:
    if not callback:
        return None
    try:
        return UUID(callback)
    except ValueError:
        return None  # somebody else's callback, on a number that several systems send from
