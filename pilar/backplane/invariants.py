"""What the backplane promises, as queries that return no row while the promise holds.

What belongs here: the type of an invariant, and the backplane's own. Every room has a file like this one; the
composition root collects them and Dagster runs them as asset checks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Invariant:
    """A promise.

    Attributes:
        name: short name in snake case.
        promise: the sentence that holds while the query returns no row.
        query: SQL; each row is a breach and says where. Parameters: `:business_now`, `:real_now`.
    """

    name: str
    promise: str
    query: str


INVARIANTS = (
    Invariant(
        "no_effect_left_in_the_dark",
        "Every effect that was attempted more than an hour ago is settled, or known to be unknown.",
        """
        select id, kind, key, state from effect
        where state = 'attempted' and attempt_until < cast(:real_now as timestamptz) - interval '1 hour'
        """,
    ),
    Invariant(
        "reservations_add_up",
        "What a budget counts as reserved is the sum of its reservations.",
        """
        select u.workspace_id, u.resource, u.period, u.window_start, u.reserved, coalesce(sum(r.amount), 0) as held
        from budget_usage u left join budget_reservation r
          on r.workspace_id = u.workspace_id and r.resource = u.resource
         and date_trunc(u.period, r.reserved_at at time zone 'UTC') = u.window_start at time zone 'UTC'
        group by u.workspace_id, u.resource, u.period, u.window_start, u.reserved
        having u.reserved <> coalesce(sum(r.amount), 0)
        """,
    ),
    Invariant(
        "work_has_its_fact",
        "Each piece of work that is due, scheduled or parked points to a fact.",
        """
        select w.position, w.kind from pending_work w
        where not exists (select from inbox f where w.kind = 1 and f.position = w.position)
          and not exists (select from autopilot_event f where w.kind = 2 and f.position = w.position)
          and not exists (select from autopilot_job f where w.kind = 3 and f.position = w.position)
        """,
    ),
    Invariant(
        "work_is_in_one_place",
        "A piece of work is due, scheduled, parked or a dead letter, and only one of these.",
        """
        select position, handler, count(*) from (
          select position, handler from pending_work union all select position, handler from dead_letter
        ) w group by position, handler having count(*) > 1
        """,
    ),
    Invariant(
        "turns_are_kept",
        "No more work with a key is due or run at once than its limit allows.",
        """
        select concurrency_key, count(*), max(concurrency_limit) from queue where concurrency_key is not null
        group by concurrency_key having count(*) > max(concurrency_limit)
        """,
    ),
)
