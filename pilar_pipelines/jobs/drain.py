"""Draining in a run. What belongs here: the job; when it is asked for is `sensors/drain.py`'s."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import DRAIN_TAG, executor, longest
from pilar_pipelines.resources.pilar import PilarResource


class Stay(dg.Config):
    """How long a run stays."""

    quiet_seconds: float = 4.0
    """It leaves after nothing was due for so long."""
    deadline_seconds: float = 45.0
    """It takes nothing new after so long, so that a release need not wait for it."""


@dg.op
def drain_work(context: dg.OpExecutionContext, config: Stay, pilar: PilarResource) -> None:
    """Drain all lanes until nothing is due any more."""
    from datetime import timedelta

    from pilar.draining import drain_until_quiet

    app = pilar.app
    claimed = drain_until_quiet(
        app,
        f"dagster:{context.run_id}",
        quiet_for=timedelta(seconds=config.quiet_seconds),
        deadline=app.clocks.real.now() + timedelta(seconds=config.deadline_seconds),
    )
    context.add_output_metadata({"claimed": claimed})


@dg.job(executor_def=executor, tags={DRAIN_TAG: "all", **longest(300)})
def drain() -> None:
    """Drain what waits in the queue: the same as the worker does, started anew each time."""
    drain_work()
