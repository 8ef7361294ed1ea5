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
         and u.period = any(coalesce(r.periods, array['day', 'hour']))
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
    Invariant(
        "work_bears_its_facts_type",
        "Work that is due, scheduled, parked or a dead letter has the type and the studio of its fact.",
        """
        select w.position, w.handler, w.type, coalesce(e.type, j.type) as type_of_fact
        from live_work w
        left join autopilot_event e on w.kind = 2 and e.position = w.position
        left join autopilot_job j on w.kind = 3 and j.position = w.position
        where w.type <> coalesce(e.type, j.type)
           or nullif(w.workspace_id, '00000000-0000-0000-0000-000000000000')
              is distinct from coalesce(e.workspace_id, j.workspace_id) and w.kind <> 1
        """,
    ),
    Invariant(
        "no_work_is_lost",
        "What was put off or could not be done in the last hour waits for another attempt, is a dead letter, or ended.",
        """
        select l.position, l.handler, l.outcome, l.finished_at from queue_log l
        where l.finished_at > cast(:real_now as timestamptz) - interval '1 hour'
          and l.outcome in ('retry', 'snoozed', 'dead')
          and not exists (select from live_work w where w.position = l.position and w.handler = l.handler)
          and not exists (select from queue_log g where g.position = l.position and g.handler = l.handler
                          and g.fencing_token > l.fencing_token)
        """,
    ),
    Invariant(
        "no_fact_is_forgotten",
        "Each event and job of the last hour waits, is a dead letter, or ended as the log tells.",
        """
        select k.position from idempotency_key k
        where k.recorded_at > cast(:real_now as timestamptz) - interval '1 hour'
          and not exists (select from live_work w where w.position = k.position)
          and not exists (select from queue_log l where l.position = k.position
                          and l.finished_at > cast(:real_now as timestamptz) - interval '2 hours')
        """,
    ),
    Invariant(
        "places_are_held_by_those_who_wait",
        "Who holds a place as the one unique job of its kind waits and has never begun.",
        """
        select u.workspace_id, u.type, u.unique_key, u.position from unique_work u
        where not exists (select from pending_work p where p.position = u.position)
           or exists (select from queue_log l where l.position = u.position)
        """,
    ),
)
