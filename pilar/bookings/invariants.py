"""What the calendar promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "no_two_bookings_overlap",
        "Nobody else is booked in a studio while a booking and its buffers last.",
        # Where any two overlap, two that follow each other by their ends do; in that order there is an index.
        """
        select workspace_id, id, busy_from, earlier_id, earlier_until from (
          select workspace_id, id, busy_from, lag(id) over by_end as earlier_id,
                 lag(busy_until) over by_end as earlier_until
          from booking where state = 'booked'
          window by_end as (partition by workspace_id order by busy_until)
        ) b where earlier_until > busy_from
        """,
    ),
    Invariant(
        "bookings_are_whole",
        "A booking ends after it starts, is busy from start to end at least, and says when it was cancelled if it was.",
        """
        select workspace_id, id, state from booking
        where ends_at <= starts_at or busy_until < ends_at or busy_from > starts_at
           or state not in ('booked', 'cancelled') or (state = 'cancelled') <> (cancelled_at is not null)
        """,
    ),
)
