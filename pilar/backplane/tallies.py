"""Counts of attempts by minute. What belongs here: adding them up, and forgetting them by age.

Each batch adds a few rows of its own when it is settled (`store.py`), in the same transaction: so what is counted is
what is logged. Here the rows of a minute are made few. What is read is the same before and after
(`histograms.py`): a batch that comes late is one more row.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

# Two who do this at once add up nothing twice: the second waits for each row, and finds it gone.
_ADD_UP = text(
    """
    with loose as (
      delete from queue_tally where not is_sum and minute < date_trunc('minute', cast(:now as timestamptz), 'UTC')
      returning *
    ), summed as (
      insert into queue_tally
        (minute, lane, outcome, wait_bucket, run_bucket, attempts, longest_wait, longest_run, is_sum)
      select minute, lane, outcome, wait_bucket, run_bucket, sum(attempts), max(longest_wait), max(longest_run), true
      from loose group by 1, 2, 3, 4, 5
    )
    select count(*) from loose
    """
)


def add_up(connection: Connection, now: datetime) -> int:
    """Make the rows of minutes that are over few; return how many there were.

    Args:
        connection: a transaction of the fleet's.
        now: real time.
    """
    return int(connection.execute(_ADD_UP, {"now": now}).scalar_one())


def forget_old(connection: Connection, before: datetime) -> int:
    """Forget the counts of minutes before a moment of real time; return how many rows those were."""
    return connection.execute(text("delete from queue_tally where minute < :before"), {"before": before}).rowcount
