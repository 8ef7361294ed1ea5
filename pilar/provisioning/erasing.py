"""What time asks of subscriptions and closed studios. What belongs here: reading again, and erasing, both in portions.

What does not: which rows are erased (`workspaces/erasure_store.py`). Stripe's webhooks are hints and may be lost: who
was not asked about for a day is asked about again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.provisioning.events import ReconcileSubscription, SubscriptionRead
from pilar.workspaces import erasure_store, standing_store

READ_AGAIN_AFTER = timedelta(days=1)
"""Real time: nobody's standing is older than this, whatever became of the webhooks."""
PORTION = 500


def read_again(database: Database, clocks: Clocks, *, limit: int = PORTION) -> int:
    """Have subscriptions read that were not for a day, or that time has made something else of; return how many."""
    now, business = clocks.real.now(), clocks.business.now()
    with database.transaction(Scope.fleet()) as connection:
        found = standing_store.subscriptions_to_read(
            connection, read_before=now - READ_AGAIN_AFTER, business_now=business, limit=limit
        )
        jobs = [
            Job(
                payload=ReconcileSubscription(subscription_id=row.stripe_subscription_id),
                # Asked once for each state of our knowledge and hour, whoever asks.
                key=f"again:{row.stripe_subscription_id}:{row.read_at.isoformat()}:{now:%Y-%m-%dT%H}",
            )
            for row in found
        ]
        return enqueue(connection, clocks, jobs, Cause.new())


def erase_closed(database: Database, clocks: Clocks, *, deadline: datetime, limit: int = PORTION) -> int:
    """Erase the data of closed studios whose time has come, a transaction each; return how many were erased."""
    erased = 0
    with database.transaction(Scope.fleet()) as connection:
        due = standing_store.studios_to_erase(connection, clocks.business.now(), limit)
    for workspace_id in due:
        if clocks.real.now() >= deadline:
            break
        with database.transaction(Scope.fleet()) as connection:
            gone = erasure_store.erase(connection, workspace_id)
            now = clocks.business.now()
            standing_store.change_standing(connection, workspace_id, {"erased_at": now})
            audit.record(
                connection, actor=audit.SYSTEM, action="workspace.erased", subject=f"workspace:{workspace_id}",
                now=clocks.real.now(), workspace_id=workspace_id, details={"rows": sum(gone.values())},
            )  # fmt: skip
            event = Event(
                payload=SubscriptionRead(workspace_id=workspace_id),
                key=f"erased:{workspace_id}",
                aggregate=("workspace", str(workspace_id)),
                workspace_id=workspace_id,
            )
            emit(connection, clocks, [event], Cause.new())
        erased += 1
    return erased
