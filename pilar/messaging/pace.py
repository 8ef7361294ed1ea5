"""How quickly messages may follow each other. What belongs here: the arithmetic; pure.

A pace is kept by one moment: when the next message would be due if all came evenly. A burst borrows from that future,
as WhatsApp has it: 80 messages a second from a number (1,000 once it is upgraded), and to the same person one per six
seconds, 45 of them at once. Rates go by real time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_LONGEST = timedelta(minutes=15)


@dataclass(frozen=True)
class Pace:
    """So many at an even distance, and how many may come at once."""

    interval: timedelta
    burst: int

    def free_at(self, due: datetime) -> datetime:
        """When one more may go, by when it would be due; a moment that is past means now."""
        return due - self.interval * (self.burst - 1)

    def after(self, due: datetime | None, now: datetime) -> datetime:
        """When the next one is due once one has gone now."""
        return max(due or now, now) + self.interval

    def struck(self, due: datetime | None, now: datetime, wait: timedelta) -> datetime:
        """When the next one is due, so that none goes before the wait is over."""
        return max(due or now, now + wait + self.interval * (self.burst - 1))


PAIR = Pace(timedelta(seconds=6), 45)
APP = Pace(timedelta(0), 1)


def of_number(throughput: int) -> Pace:
    """A number's pace, by how many messages a second it may send."""
    rate = max(throughput, 1)
    return Pace(timedelta(seconds=1) / rate, rate)


def wait_of_pair(strikes: int) -> timedelta:
    """How long a pair rests after so many refusals in a row: 4^n seconds, as WhatsApp's documents ask."""
    return min(timedelta(seconds=4 ** min(strikes, 10)), _LONGEST)


def wait_of_bucket(strikes: int) -> timedelta:
    """How long a number, account or app rests after so many refusals in a row."""
    return min(timedelta(seconds=2 ** min(strikes, 10)), _LONGEST)
