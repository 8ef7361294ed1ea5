"""How long work waits and runs, and how much is done in a minute. What belongs here: reading what was counted of it.

What does not: counting it. That is done where an attempt is settled (`store.py`), so that no question reads the log.

Attempts are counted into fixed buckets, five to each factor of ten; so histograms of two spans of time add up.
Percentiles are read off the buckets: within one they are as if its attempts were spread evenly on the logarithmic
scale, so they may be off by a half of their value at worst, mostly by far less. What took longest is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

BOUNDS = tuple(round(10 ** (step / 5), 4) for step in range(-15, 26))
"""Upper ends of the buckets in seconds, from a millisecond to 100,000 s; one more bucket holds what is longer."""

_HISTOGRAM = """
select lane as subject, x.what, x.bucket, sum(attempts)::int as count, max(x.longest) as longest
from queue_tally cross join lateral (values
  ('wait', wait_bucket, longest_wait), ('run', run_bucket, longest_run)
) x(what, bucket, longest)
where minute >= date_trunc('minute', cast(:since as timestamptz), 'UTC') and minute <= :until
group by 1, 2, 3 order by 1
"""

_RATES = """
select lane, minute,
       coalesce(sum(attempts) filter (where outcome = 'done'), 0)::int as done,
       coalesce(sum(attempts) filter (where outcome in ('retry', 'snoozed')), 0)::int as put_off,
       coalesce(sum(attempts) filter (where outcome = 'dead'), 0)::int as dead
from queue_tally
where minute >= date_trunc('minute', cast(:since as timestamptz), 'UTC') and minute <= :until
group by 1, 2 order by 1, 2
"""


@dataclass(frozen=True)
class Histogram:
    """How many took how long.

    Attributes:
        counts: by bucket: below the first bound, below the second, …, and from the last one up.
        longest: seconds, exactly; 0 where there was none.
    """

    counts: tuple[int, ...]
    longest: float

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.counts)

    def percentile(self, part: float) -> float:
        """The seconds that so large a part (0 to 1) did not exceed; 0 where there was none."""
        rank, seen = part * self.count, 0
        for bucket, count in enumerate(self.counts):
            if count and seen + count >= rank:
                low, high = _ends(bucket)
                return min(float(low * (high / low) ** ((rank - seen) / count)), self.longest)
            seen += count
        return self.longest

    @property
    def p50(self) -> float:
        """One half took no longer."""
        return self.percentile(0.50)

    @property
    def p95(self) -> float:
        """All but one in twenty took no longer."""
        return self.percentile(0.95)

    @property
    def p99(self) -> float:
        """All but one in a hundred took no longer."""
        return self.percentile(0.99)


EMPTY = Histogram((0,) * (len(BOUNDS) + 1), 0.0)
"""Of nothing."""


@dataclass(frozen=True)
class WorkHistogram:
    """The attempts of one lane that ended in a span of time.

    Attributes:
        subject: which lane.
        wait: from when the work was due until it was claimed.
        run: from the claim until it was settled.
    """

    subject: str
    wait: Histogram
    run: Histogram

    @property
    def count(self) -> int:
        """How many attempts."""
        return self.run.count


@dataclass(frozen=True)
class Rate:
    """The attempts of one lane that ended in one minute; minutes without any are left out."""

    lane: str
    minute: datetime
    done: int
    put_off: int
    dead: int


def wait_and_run(connection: Connection, since: datetime, until: datetime) -> list[WorkHistogram]:
    """How long work waited and ran whose attempts ended in these minutes (real time), by lane.

    Args:
        connection: under the fleet's scope.
        since: from the beginning of this moment's minute on.
        until: up to the end of this one's.
    """
    rows = connection.execute(text(_HISTOGRAM), {"since": since, "until": until}).all()
    subjects: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for row in rows:
        both = subjects.setdefault(row.subject, {what: ([0] * (len(BOUNDS) + 1), [0.0]) for what in ("wait", "run")})
        counts, longest = both[row.what]
        counts[row.bucket] += row.count
        longest.append(row.longest)
    return [
        WorkHistogram(subject, *(Histogram(tuple(counts), max(longest)) for counts, longest in both.values()))
        for subject, both in subjects.items()
    ]


def rates(connection: Connection, since: datetime, until: datetime) -> list[Rate]:
    """What each lane did in each of these minutes (real time), in order; as `wait_and_run`."""
    rows = connection.execute(text(_RATES), {"since": since, "until": until}).mappings()
    return [Rate(**row) for row in rows]


def _ends(bucket: int) -> tuple[float, float]:
    low = BOUNDS[bucket - 1] if bucket else BOUNDS[0] / 10
    return low, BOUNDS[bucket] if bucket < len(BOUNDS) else BOUNDS[-1] * 10
