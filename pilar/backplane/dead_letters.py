"""Dead letters: work that can't be done without somebody's help, and what that somebody may do.

What belongs here: finding them, sending them back to work, letting go of them. What does not: why work dies
(`outcomes.py`).

Both ways out are one statement for a batch: it takes the letters away and puts their work (or the log's entry) in their
place, so that of two who click at once each takes what the other has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from pilar.backplane import audit
from pilar.backplane.facts import Kind
from pilar.clocks import Clocks
from pilar.database.engine import wake_workers
from pilar.ids import FLEET


@dataclass(frozen=True)
class DeadFilter:
    """Which dead letters; what is None does not matter.

    Attributes:
        workspace_id: a studio's; all zeros: the fleet's own.
        since: that died at this moment (real time) or later.
        until: that died before this moment. Whoever sends all of them back in several batches names the moment of the
            first, so that what dies again meanwhile is not sent back again and again.
        ids: of these facts.
    """

    type: str | None = None
    workspace_id: UUID | None = None
    error_code: str | None = None
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[UUID] | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A piece of work that needs help.

    Attributes:
        id: the fact's; an event has a dead letter for each handler that could not.
        handler: which handler could not; empty for a job, or where the event was not told apart.
        place: where it stands in the list: a page goes on below it.
    """

    id: UUID
    kind: Kind
    handler: str
    workspace_id: UUID | None
    type: str
    lane: str
    attempts: int
    max_attempts: int
    error_code: str
    error: str
    failed_at: datetime
    correlation_id: UUID
    position: int

    @property
    def place(self) -> tuple[datetime, int, str]:
        """The key of the order, newest first."""
        return self.failed_at, self.position, self.handler


_MATCHES = """
      (cast(:type as text) is null or d.type = :type)
  and (cast(:workspace_id as uuid) is null or d.workspace_id = :workspace_id)
  and (cast(:error_code as text) is null or d.error_code = :error_code)
  and (cast(:kind as smallint) is null or d.kind = :kind)
  and (cast(:since as timestamptz) is null or d.failed_at >= :since)
  and (cast(:until as timestamptz) is null or d.failed_at < :until)
  and (cast(:positions as bigint[]) is null or d.position = any(:positions))
"""

_LIST = f"""
select d.* from dead_letter d
where {_MATCHES} and (cast(:failed_at as timestamptz) is null
                      or (d.failed_at, d.position, d.handler) < (:failed_at, :position, :handler))
order by d.failed_at desc, d.position desc, d.handler desc limit :limit
"""

_TAKE = f"""
with chosen as materialized (
  select d.position, d.handler from dead_letter d where {_MATCHES}
  order by d.position, d.handler limit :limit for update skip locked
), gone as (
  delete from dead_letter d using chosen c where d.position = c.position and d.handler = c.handler returning d.*
)"""

_WORK = "position, handler, kind, workspace_id, type, lane, priority, 0, max_attempts"
_COLUMNS = "position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts"

# All get the same moment, so the queue has them in the order of their facts. What takes its turn by a key lines up.
_REQUEUE = f"""
{_TAKE}, at_once as (
  insert into queue ({_COLUMNS}, due_at) select {_WORK}, :now from gone where concurrency_key is null
), in_turn as (
  insert into parked ({_COLUMNS}, concurrency_key, concurrency_limit, due_at, held_by)
  select {_WORK}, concurrency_key, concurrency_limit, :now, 'key:' || concurrency_key
  from gone where concurrency_key is not null
)
select position, kind, workspace_id, type from gone order by position, handler
"""

_DISCARD = f"""
{_TAKE}, freed as (
  delete from unique_work u using gone g where u.position = g.position
), log as (
  insert into queue_log (finished_at, position, handler, fencing_token, kind, workspace_id, lane, type, outcome,
                         attempts, due_at, claimed_at, worker, error)
  select :now, position, handler, nextval('fencing_token'), kind, workspace_id, lane, type, 'discarded', attempts,
         failed_at, :now, :actor, error
  from gone
)
select position, kind, workspace_id, type from gone order by position, handler
"""

_FACTS = """
select position, id, correlation_id from autopilot_event where position = any(:positions)
union all select position, id, correlation_id from autopilot_job where position = any(:positions)
"""
_DELIVERIES = "select position, id, id as correlation_id from inbox where position = any(:positions)"

_POSITIONS = """
select position from autopilot_event where id = any(:ids)
union all select position from autopilot_job where id = any(:ids)
"""
_POSITIONS_OF_DELIVERIES = "select position from inbox where id = any(:ids)"
_SEES_DELIVERIES = "select has_table_privilege(current_user, 'inbox', 'select')"


def list_dead(
    connection: Connection,
    filter: DeadFilter,  # noqa: A002 - the word of the field
    *,
    before: tuple[datetime, int, str] | None = None,
    limit: int = 50,
) -> list[DeadLetter]:
    """Dead letters, those that died last first.

    Args:
        connection: under the studio's scope or the fleet's.
        filter: which.
        before: below this place: the last one of the page before.
        limit: how many at most.
    """
    failed_at, position, handler = before or (None, None, None)
    values = {
        **_values(connection, filter),
        "failed_at": failed_at,
        "position": position,
        "handler": handler,
        "limit": limit,
    }
    rows = connection.execute(text(_LIST), values).mappings().all()
    facts = _facts(connection, rows)
    return [
        DeadLetter(
            id=facts[row["position"]][0],
            kind=Kind(row["kind"]),
            handler=row["handler"],
            workspace_id=None if row["workspace_id"] == FLEET else row["workspace_id"],
            type=row["type"],
            lane=row["lane"],
            attempts=row["attempts"],
            max_attempts=row["max_attempts"],
            error_code=row["error_code"],
            error=row["error"],
            failed_at=row["failed_at"],
            correlation_id=facts[row["position"]][1],
            position=row["position"],
        )
        for row in rows
    ]


def count_dead(connection: Connection, filter: DeadFilter) -> int:  # noqa: A002 - the word of the field
    """How many dead letters there are."""
    statement = text(f"select count(*) from dead_letter d where {_MATCHES}")
    return int(connection.execute(statement, _values(connection, filter)).scalar_one())


@dataclass(frozen=True)
class Counted:
    """How many dead letters have something in common: their type, their error's code, or their studio's id."""

    subject: str
    count: int


def count_dead_by(
    connection: Connection,
    filter: DeadFilter,  # noqa: A002 - the word of the field
    by: Literal["type", "error_code", "workspace_id"],
) -> list[Counted]:
    """How many dead letters there are of each type, with each code or of each studio, the most first."""
    column = {"type": "type", "error_code": "error_code", "workspace_id": "workspace_id"}[by]
    statement = text(
        f"select cast(d.{column} as text) as subject, count(*) as letters from dead_letter d where {_MATCHES}"
        " group by 1 order by 2 desc, 1"
    )
    return [Counted(row.subject, row.letters) for row in connection.execute(statement, _values(connection, filter))]


def requeue(
    connection: Connection,
    clocks: Clocks,
    filter: DeadFilter,  # noqa: A002 - the word of the field
    *,
    actor: str,
    reason: str | None = None,
    limit: int = 1_000,
) -> int:
    """Send dead letters back to work, as if nobody had tried yet, the oldest facts first.

    Args:
        connection: under the fleet's scope. One transaction holds one batch: call it again while it returns `limit`.
        clocks: both.
        filter: which.
        actor: who does it, as in the audit log.
        reason: why.
        limit: how many at most.

    Returns:
        How many went back: fewer than `limit` where no more are left, or another is taking them just now.
    """
    values = {**_values(connection, filter), "limit": limit, "now": clocks.real.now()}
    gone = connection.execute(text(_REQUEUE), values).mappings().all()
    _record(connection, clocks, "queue.requeued", filter, gone, actor, reason)
    if gone:
        wake_workers(connection)
    return len(gone)


def discard(
    connection: Connection,
    clocks: Clocks,
    filter: DeadFilter,  # noqa: A002 - the word of the field
    *,
    actor: str,
    reason: str | None = None,
    limit: int = 1_000,
) -> int:
    """Let go of dead letters: they are logged as discarded, and their facts stay; as `requeue`."""
    values = {**_values(connection, filter), "limit": limit, "now": clocks.real.now(), "actor": actor}
    gone = connection.execute(text(_DISCARD), values).mappings().all()
    _record(connection, clocks, "queue.discarded", filter, gone, actor, reason)
    return len(gone)


def _values(connection: Connection, filter: DeadFilter) -> dict[str, Any]:  # noqa: A002 - the word of the field
    positions: list[int] | None = None
    if filter.ids is not None:
        ids = {"ids": list(filter.ids)}
        positions = list(connection.scalars(text(_POSITIONS), ids))
        # A studio has no deliveries: they come in before it is known whose they are.
        if len(positions) < len(ids["ids"]) and connection.execute(text(_SEES_DELIVERIES)).scalar_one():
            positions += connection.scalars(text(_POSITIONS_OF_DELIVERIES), ids)
    return {
        "type": filter.type,
        "workspace_id": filter.workspace_id,
        "error_code": filter.error_code,
        "kind": None if filter.kind is None else filter.kind.value,
        "since": filter.since,
        "until": filter.until,
        "positions": positions,
    }


def _facts(connection: Connection, rows: Sequence[RowMapping]) -> dict[int, tuple[UUID, UUID]]:
    """Id and story of each piece's fact, by position."""
    of_facts = [row["position"] for row in rows if row["kind"] != Kind.DELIVERY]
    of_deliveries = [row["position"] for row in rows if row["kind"] == Kind.DELIVERY]
    found = connection.execute(text(_FACTS), {"positions": of_facts}).all() if of_facts else []
    if of_deliveries:
        found = [*found, *connection.execute(text(_DELIVERIES), {"positions": of_deliveries}).all()]
    return {row[0]: (row[1], row[2]) for row in found}


def _record(
    connection: Connection,
    clocks: Clocks,
    action: str,
    filter: DeadFilter,  # noqa: A002 - the word of the field
    gone: Sequence[RowMapping],
    actor: str,
    reason: str | None,
) -> None:
    """One entry for the batch: whose work it was is told where it was one studio's."""
    if not gone:
        return
    facts = _facts(connection, gone)
    owners = {row["workspace_id"] for row in gone}
    owner = owners.pop() if len(owners) == 1 else FLEET
    asked = {
        name: str(value)
        for name in ("type", "workspace_id", "error_code", "kind", "since", "until")
        if (value := getattr(filter, name)) is not None
    }
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject="dead_letters",
        now=clocks.real.now(),
        workspace_id=None if owner == FLEET else owner,
        details={
            "count": len(gone),
            "types": sorted({row["type"] for row in gone}),
            "ids": [str(facts[row["position"]][0]) for row in gone],
            "asked_for": asked,
            "reason": reason,
        },
    )
