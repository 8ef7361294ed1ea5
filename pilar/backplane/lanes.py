"""How each lane stands: what is in it now, and how it went lately. What belongs here: putting the counts together.

What does not: what ended (`histograms.py`), and what sensors need at each look, which is less (`backlog.py`).

Counting what is in the lanes reads the index of all that waits: some milliseconds for ten thousand pieces, and half a
second for a million. So it is a step of its own, and whoever shows it may show one count for a while, with its moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from pilar.backplane.facts import Lane
from pilar.backplane.histograms import EMPTY, Histogram, Rate, rates, wait_and_run

# A lease that has run out is nobody's: its work waits.
_NOW = """
select lane, what, count(*) as pieces, min(due_at) as oldest from (
  select lane, due_at, case when lease_until >= :now then 'in_progress' else 'waiting' end as what from queue
  union all select lane, due_at, 'parked' from parked
  union all select lane, null, 'scheduled' from scheduled
  union all select lane, null, 'dead' from dead_letter
) work group by lane, what
"""


@dataclass(frozen=True)
class Pieces:
    """How many pieces of work, and since when the one has waited that has waited longest."""

    count: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True)
class Counted:
    """What was in the lanes at a moment of real time, by lane and where it was (`waiting`, `parked`, …)."""

    at: datetime
    pieces: Mapping[tuple[str, str], Pieces]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(one.count for one in self.pieces.values())

    def of(self, lane: Lane, where: str) -> Pieces:
        """What was there in one lane."""
        return self.pieces.get((lane.value, where), _NONE)


_NONE = Pieces()


@dataclass(frozen=True)
class LaneState:
    """A lane.

    Attributes:
        waiting: pieces of work that are due and that nobody holds: the depth.
        oldest: since when the one has waited that has waited longest; None where none waits.
        in_progress: held by a worker.
        parked: due, and held back by a pause or until others with their key are done.
        scheduled: for later.
        dead: in need of help.
        wait: of the attempts that ended lately, from when the work was due until it was claimed.
        run: of the same, from the claim until it was settled.
        rates: what ended in each minute; minutes without any are left out.
    """

    lane: Lane
    waiting: int
    oldest: datetime | None
    in_progress: int
    parked: int
    scheduled: int
    dead: int
    wait: Histogram
    run: Histogram
    rates: tuple[Rate, ...]

    @property
    def ended(self) -> int:
        """How many attempts ended lately."""
        return self.run.count


def count_work(connection: Connection, now: datetime) -> Counted:
    """Count what is in the lanes, under the fleet's scope and by real time."""
    rows = connection.execute(text(_NOW), {"now": now})
    return Counted(now, {(row.lane, row.what): Pieces(row.pieces, row.oldest) for row in rows})


def list_lanes(connection: Connection, counted: Counted, now: datetime, since: datetime) -> list[LaneState]:
    """Every lane, in the order in which they are drained.

    Args:
        connection: under the fleet's scope.
        counted: what is in them.
        now: real time.
        since: figures of what ended go back to the minute of this moment.
    """
    lately = {one.subject: one for one in wait_and_run(connection, since, now)}
    by_minute = rates(connection, since, now)
    return [
        LaneState(
            lane=lane,
            waiting=counted.of(lane, "waiting").count,
            oldest=counted.of(lane, "waiting").oldest,
            in_progress=counted.of(lane, "in_progress").count,
            parked=counted.of(lane, "parked").count,
            scheduled=counted.of(lane, "scheduled").count,
            dead=counted.of(lane, "dead").count,
            wait=lately[lane].wait if lane in lately else EMPTY,
            run=lately[lane].run if lane in lately else EMPTY,
            rates=tuple(rate for rate in by_minute if rate.lane == lane),
        )
        for lane in Lane
    ]
