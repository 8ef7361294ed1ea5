"""The SQL of many effects at once. What belongs here: statements over any number of them; rules are `effects.py`'s."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.ids import new_id

# In the order of their keys: two who begin the same ones wait for each other, never in a circle.
_INSERT = text(
    """
    insert into effect (id, workspace_id, kind, key, state, attempts, request, correlation_id, created_at,
                        attempted_at, attempt_until)
    select id, workspace_id, :kind, key, 'attempted', 1, cast(request as jsonb), correlation_id, :now, :now, :until
    from unnest(cast(:ids as uuid[]), cast(:workspaces as uuid[]), cast(:keys as text[]), cast(:requests as text[]),
                cast(:correlations as uuid[])) as given (id, workspace_id, key, request, correlation_id)
    order by key
    on conflict (kind, key) do nothing
    returning key
    """
)
_DELETE = text("delete from effect where kind = :kind and key = any(cast(:keys as text[]))")
_CONFIRM = text(
    """
    update effect e
    set state = 'confirmed', response = jsonb_build_object('id', given.response), settled_at = :now, settled_by = null,
        attempt_until = null, given_up_at = null
    from unnest(cast(:keys as text[]), cast(:responses as text[])) as given (key, response)
    where e.kind = :kind and e.key = given.key and e.state <> 'confirmed'
    """
)


class New(NamedTuple):
    """An effect to be recorded: its key, whose it is, what is asked for as masked JSON, and its story."""

    key: str
    workspace_id: UUID | None
    request: str
    correlation_id: UUID | None


def insert_attempted(
    connection: Connection, kind: str, effects: Sequence[New], now: datetime, until: datetime
) -> set[str]:
    """Record effects as attempted for the first time; return the keys of those that were not there before.

    Args:
        connection: the caller's transaction.
        kind: of all of them.
        effects: which.
        now: real time.
        until: how long the attempts may be under way.
    """
    if not effects:
        return set()
    values = {
        "kind": kind,
        "now": now,
        "until": until,
        "ids": [new_id() for _ in effects],
        "workspaces": [one.workspace_id for one in effects],
        "keys": [one.key for one in effects],
        "requests": [one.request for one in effects],
        "correlations": [one.correlation_id for one in effects],
    }
    return set(connection.execute(_INSERT, values).scalars())


def forget(connection: Connection, kind: str, keys: Collection[str]) -> None:
    """Take back what this very transaction has recorded: it is not attempted after all."""
    if keys:
        connection.execute(_DELETE, {"kind": kind, "keys": list(keys)})


def confirm(connection: Connection, kind: str, responses: Mapping[str, str], now: datetime) -> None:
    """Record that effects were had, by key with the provider's id; one that is confirmed already stays as it is."""
    values = {"kind": kind, "keys": list(responses), "responses": list(responses.values()), "now": now}
    connection.execute(_CONFIRM, values)
