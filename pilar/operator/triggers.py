"""Having Dagster run a job now. What belongs here: which jobs are asked for by name, and that each runs once at a time.

What does not: the jobs (`pilar_pipelines/jobs/`) and when they run by themselves (their schedules and sensors). A
trigger asks for the very job that a schedule asks for, so there is one way of doing each thing.

Asked for again while it is queued or running, a job is not started again: whoever asks is led to that run. Between
looking and launching a lock is held, in short transactions of its own, since Dagster takes a second to answer. Who is
killed in between leaves the lock to expire and at most a run that the next one finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pilar.backplane import audit
from pilar.backplane.locks import LockKeeper
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Busy, Conflict, OutcomeUnknown
from pilar.providers.dagster.client import UNDER_WAY, DagsterClient, Run, range_of

LOCKED_FOR = timedelta(minutes=2)
"""Longer than looking and launching can take; a launch of unknown outcome keeps the lock for so long."""

ASKED_BY = "pilar/asked_by"
"""The tag that says on whose behalf a run was launched."""


@dataclass(frozen=True)
class Trigger:
    """A job that can be asked for.

    Attributes:
        name: what it is called from outside; stays the same for good.
        job: Dagster's name for it.
        by_studio: whether it takes all studios as a range of partitions.
        says: what it does, in a sentence.
    """

    name: str
    job: str
    says: str
    by_studio: bool = False


SCHEDULER = Trigger(
    "scheduler", "plan_coaching", "Plan what the coached leads of all studios get next.", by_studio=True
)
RUN = Trigger("run", "drain", "Work off the events and jobs that are due.")
HEALTH_CHECK = Trigger("health_check", "watch_fleet", "Look at every part of every studio, and test the promises.")
BUDGET_RESET = Trigger("budget_reset", "reset_budgets", "Give back what was reserved and never settled.")
CLEAN_UP = Trigger("clean_up", "clean_up", "Forget what is past its time.")

TRIGGERS = (SCHEDULER, RUN, HEALTH_CHECK, BUDGET_RESET, CLEAN_UP)


@dataclass(frozen=True)
class Started:
    """The run that a trigger led to, and whether the trigger launched it or found it."""

    run: Run
    is_new: bool


def start(
    database: Database, clocks: Clocks, locks: LockKeeper, dagster: DagsterClient, trigger: Trigger, *, actor: str
) -> Started:
    """Have a job run now, unless it is queued or running already.

    Args:
        database: for the lock and the audit log; no transaction is open while Dagster is asked.
        clocks: both clocks.
        locks: who keeps them.
        dagster: whom to ask.
        trigger: what for.
        actor: who asks, as in the audit log.

    Raises:
        Busy: somebody else is asking for the same job at this moment.
        Conflict: there is no studio yet to run it for, or Dagster refuses.
        Transient: Dagster does not answer.
    """
    keys = dagster.partition_keys() if trigger.by_studio else None
    if keys is not None and not keys:
        raise Conflict("There is no studio yet that this could be done for.")
    # A run over other studios is another run.
    tags = range_of(keys) if keys else {}
    if found := _under_way(dagster, trigger, tags):
        return Started(found, is_new=False)
    with database.transaction(Scope.fleet()) as connection:
        lock = locks.acquire(connection, f"dagster:{trigger.job}", holder=actor, ttl=LOCKED_FOR)
    if lock is None:
        raise Busy("Somebody is asking for this at this very moment: ask again in a few seconds.")
    try:
        found = _under_way(dagster, trigger, tags)  # whoever held the lock before may have launched it
        run_id = found.id if found else dagster.launch(trigger.job, keys, tags={ASKED_BY: actor})
    except OutcomeUnknown:
        raise  # the run may turn up in a moment, and until then nobody is to launch another
    except BaseException:
        with database.transaction(Scope.fleet()) as connection:
            locks.release(connection, lock)
        raise
    with database.transaction(Scope.fleet()) as connection:
        locks.release(connection, lock)
        if found is None:
            audit.record(
                connection, actor=actor, action="dagster.run_asked_for", subject=f"run:{run_id}",
                now=clocks.real.now(), details={"trigger": trigger.name, "job": trigger.job},
            )  # fmt: skip
    return Started(found or dagster.run(run_id), is_new=found is None)


def newest_runs(dagster: DagsterClient) -> dict[str, Run | None]:
    """The newest run of each job that can be asked for, by the trigger's name; raise `Transient` as Dagster does."""
    return {trigger.name: next(iter(dagster.runs(trigger.job)), None) for trigger in TRIGGERS}


def _under_way(dagster: DagsterClient, trigger: Trigger, tags: Mapping[str, str]) -> Run | None:
    return next(iter(dagster.runs(trigger.job, statuses=UNDER_WAY, tags=tags)), None)
