"""Deliveries that somebody has worked on again. What belongs here: giving them back to work, once, and saying who did.

What does not: the replay of the spool, which no one asks for (`replay.py`), and what makes a second time harmless: that
is each handler's promise, by the idempotency keys of what it records and by the providers' own ids.

A delivery that is a dead letter goes back as one: the handler that could not tries again, the others have done theirs.
One that was worked on to the end is worked on by all its handlers, and what it caused is there already. That is known
for as long as idempotency keys are kept: an older one is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.backplane import audit, dead_letters
from pilar.backplane.dead_letters import DeadFilter
from pilar.backplane.facts import Kind, Lane
from pilar.backplane.inbox_link import MAX_ATTEMPTS
from pilar.backplane.received import DeliveryFilter, Place, find_places, narrowed
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope, wake_workers
from pilar.ids import FLEET

_A_MOMENT = timedelta(microseconds=1)

BATCH = 1_000
"""How many one transaction gives back, at most."""
PRIORITY = 40
"""Below that of what has just come in."""

FORGETTING = 7_305_118_205
"""The advisory lock of whoever forgets deliveries: one that is done gets work anew, and must not go in that moment."""


@dataclass(frozen=True)
class GivenBack:
    """What became of a wish to have deliveries worked on again.

    Attributes:
        replayed: how many will be.
        waiting: how many are being worked on or wait for it anyway.
        too_old: how many are left alone, since it is not known any more what they caused.
        unknown: how many are not there (any more).
    """

    replayed: int = 0
    waiting: int = 0
    too_old: int = 0
    unknown: int = 0

    def __add__(self, other: GivenBack) -> GivenBack:
        """Both together."""
        return GivenBack(
            self.replayed + other.replayed,
            self.waiting + other.waiting,
            self.too_old + other.too_old,
            self.unknown + other.unknown,
        )


_HOLD = "select pg_advisory_xact_lock_shared(:lock)"

_FIND = """
select i.position, i.id, i.received_at < :oldest as is_old,
       exists (select from dead_letter d where d.position = i.position) as is_dead,
       exists (select from live_work w where w.position = i.position) as is_alive
from inbox i where {which} order by i.position
"""

# Of two who click at once the second finds the row there, or the delivery at work.
_GIVE = """
insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)
select i.position, '', :kind, coalesce(i.workspace_id, :fleet), i.provider, :lane, :priority, 0, :max_attempts, :now
from inbox i
where i.position = any(:positions) and not exists (select from live_work w where w.position = i.position)
order by i.position on conflict do nothing returning position
"""

_NOTE = """
insert into inbox_replay (position, replayed_at, replayed_by)
select position, :now, :actor from unnest(cast(:positions as bigint[])) p(position) on conflict do nothing
"""


def replay(
    connection: Connection,
    clocks: Clocks,
    *,
    actor: str,
    known_for: timedelta,
    ids: Sequence[UUID] | None = None,
    positions: Sequence[int] | None = None,
    reason: str | None = None,
) -> GivenBack:
    """Have deliveries worked on again.

    Args:
        connection: under the fleet's scope: one transaction for one batch, at most `BATCH` of them.
        clocks: both.
        actor: who wants it, as in the audit log.
        known_for: how long it is known what a delivery caused: how long idempotency keys are kept.
        ids: these deliveries,
        positions: or these.
        reason: why.
    """
    now = clocks.real.now()
    connection.execute(text(_HOLD), {"lock": FORGETTING})
    wanted = list(dict.fromkeys(positions or ids or ()))
    which = "i.position = any(:wanted)" if positions is not None else "i.id = any(:wanted)"
    found = connection.execute(text(_FIND.format(which=which)), {"wanted": wanted, "oldest": now - known_for}).all()
    dead = [row for row in found if row.is_dead]
    idle = [row for row in found if not row.is_alive and not row.is_old]
    given = _give(connection, [row.position for row in idle], now)
    if dead:
        chosen = DeadFilter(ids=[row.id for row in dead])
        dead_letters.requeue(connection, clocks, chosen, actor=actor, reason=reason, limit=len(dead) * 100)
    done = [row for row in found if row.is_dead or row.position in given]
    if done:
        values = {"positions": [row.position for row in done], "now": now, "actor": actor}
        connection.execute(text(_NOTE), values)
        audit.record(
            connection,
            actor=actor,
            action="inbox.replayed",
            subject=f"delivery:{done[0].id}" if len(done) == 1 else "deliveries",
            now=now,
            details={"count": len(done), "ids": [str(row.id) for row in done], "reason": reason},
        )
        wake_workers(connection)
    too_old = sum(row.is_old and not row.is_alive for row in found)
    return GivenBack(
        replayed=len(done),
        waiting=len(found) - len(done) - too_old,
        too_old=too_old,
        unknown=len(wanted) - len(found),
    )


def replay_matching(
    database: Database,
    clocks: Clocks,
    filter: DeliveryFilter,  # noqa: A002 - the word of the field
    *,
    actor: str,
    known_for: timedelta,
    reason: str | None = None,
    below: Place | None = None,
    most: int | None = None,
    questions: int | None = None,
) -> tuple[GivenBack, Place | None]:
    """Have all the deliveries worked on again that match, the newest first, a batch a transaction.

    Whoever is killed half-way has done a part of it, and who asks again does the rest: what was given back already
    waits, or is worked on once more without anything being done twice.

    Args:
        database: each batch is a transaction of its own.
        clocks: both. What comes in meanwhile is left alone.
        filter: which.
        actor: as in `replay`.
        known_for: likewise.
        reason: likewise.
        below: only those below this place.
        most: begin no further batch after so many.
        questions: ask so many times at most which they are; each time looks at a bounded number.

    Returns:
        What became of it, and where to go on, None where these were all.
    """
    wanted = narrowed(filter, clocks.real.now() + _A_MOMENT)
    total, seen, asked = GivenBack(), 0, 0
    while True:
        with database.transaction(Scope.fleet()) as connection:
            found = find_places(connection, wanted, below=below, limit=BATCH)
            positions = [position for _, position in found.places]
            total += replay(connection, clocks, actor=actor, known_for=known_for, positions=positions, reason=reason)
        seen, asked, below = seen + len(positions), asked + 1, found.below
        if below is None or (most is not None and seen >= most) or asked == questions:
            return total, below


def count_replays(connection: Connection, position: int) -> int:
    """How often somebody has had a delivery worked on again."""
    statement = text("select count(*) from inbox_replay where position = :position")
    return int(connection.execute(statement, {"position": position}).scalar_one())


def _give(connection: Connection, positions: Sequence[int], now: Any) -> set[int]:
    values = {
        "positions": list(positions),
        "kind": Kind.DELIVERY.value,
        "fleet": FLEET,
        "lane": Lane.DEFAULT.value,
        "priority": PRIORITY,
        "max_attempts": MAX_ATTEMPTS,
        "now": now,
    }
    return set(connection.scalars(text(_GIVE), values)) if positions else set()
