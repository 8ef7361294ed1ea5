"""The SQL of making many nudges messages. What belongs here: holding them with their leads, and what is written of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

_GIVEN = "unnest(cast(:studios as uuid[]), cast(:nudges as uuid[])) as given (workspace_id, id)"

# The lead before the nudge, as everybody who decides about a lead does; who is held by somebody is not waited for.
_HOLD = text(
    f"""
    select n.workspace_id, n.id from {_GIVEN}
    join coach_nudge n on n.workspace_id = given.workspace_id and n.id = given.id
    join lead l on l.workspace_id = n.workspace_id and l.id = n.lead_id
    join coach_enrolment e on e.workspace_id = n.workspace_id and e.lead_id = n.lead_id
    where n.message_id is null and n.skipped is null
    order by l.workspace_id, l.id, n.id
    for update of l, n skip locked for share of e skip locked
    """
)
# What it sees of other tables is as old as its beginning: so it comes after the locks.
_READ = text(
    f"""
    select n.workspace_id, n.id, n.lead_id, n.type, n.due_at, l.name, l.language, e.motivation_style,
           g.target, g.progress
    from {_GIVEN}
    join coach_nudge n on n.workspace_id = given.workspace_id and n.id = given.id
    join lead l on l.workspace_id = n.workspace_id and l.id = n.lead_id
    join coach_enrolment e on e.workspace_id = n.workspace_id and e.lead_id = n.lead_id
      and e.ended_at is null and e.paused_at is null
    left join lateral (
      select target, progress from coach_goal g
      where g.workspace_id = n.workspace_id and g.lead_id = n.lead_id and g.state = 'active'
      order by g.deadline asc nulls last, g.created_at desc, g.id limit 1
    ) g on true
    """
)
_KEEP = text(
    """
    update coach_nudge n set message_id = given.message_id, written_by = given.written_by
    from unnest(cast(:studios as uuid[]), cast(:nudges as uuid[]), cast(:messages as uuid[]), cast(:writers as text[]))
      as given (workspace_id, id, message_id, written_by)
    where n.workspace_id = given.workspace_id and n.id = given.id
    """
)


class Written(NamedTuple):
    """A nudge that was made a message; none where its cause had made one before."""

    workspace_id: UUID
    nudge_id: UUID
    message_id: UUID | None
    written_by: str


def held(connection: Connection, keys: Collection[tuple[UUID, UUID]]) -> Sequence[Row[Any]]:
    """Those of these nudges, by studio and id, that are still to be written and whose leads are coached and free.

    They and their leads are held until the transaction ends; each comes with what its text may speak of.
    """
    mine = [(row.workspace_id, row.id) for row in connection.execute(_HOLD, _given(keys))]
    return connection.execute(_READ, _given(mine)).all() if mine else []


def keep_messages(connection: Connection, written: Sequence[Written]) -> None:
    """Keep which message each nudge was made, and who wrote it."""
    if written:
        names = ("studios", "nudges", "messages", "writers")
        connection.execute(_KEEP, dict(zip(names, map(list, zip(*written, strict=True)), strict=True)))


def _given(keys: Collection[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"studios": [studio for studio, _ in keys], "nudges": [nudge for _, nudge in keys]}
