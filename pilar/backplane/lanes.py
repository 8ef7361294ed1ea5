"""How each lane stands: what is in it now, and how it went lately. What belongs here: putting the counts together.

What does not: counting what ended (`histograms.py`), and what sensors and the health check need at each look, which is
less (`backlog.py`).
"""

from __future__ import annotations

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


def list_lanes(connection: Connection, now: datetime, since: datetime) -> list[LaneState]:
    """Every lane, in the order in which they are drained.

    Args:
        connection: under the fleet's scope.
        now: real time.
        since: figures of what ended go back to this moment.
    """
    found = {(row.lane, row.what): row for row in connection.execute(text(_NOW), {"now": now})}
    lately = {one.subject: one for one in wait_and_run(connection, since, now)}
    by_minute = rates(connection, since, now)

    def count(lane: Lane, what: str) -> int:
        return int(found[lane, what].pieces) if (lane, what) in found else 0

    return [
        LaneState(
            lane=lane,
            waiting=count(lane, "waiting"),
            oldest=found[lane, "waiting"].oldest if (lane, "waiting") in found else None,
            in_progress=count(lane, "in_progress"),
            parked=count(lane, "parked"),
            scheduled=count(lane, "scheduled"),
            dead=count(lane, "dead"),
            wait=lately[lane].wait if lane in lately else EMPTY,
            run=lately[lane].run if lane in lately else EMPTY,
            rates=tuple(rate for rate in by_minute if rate.lane == lane),
        )
        for lane in Lane
    ]
