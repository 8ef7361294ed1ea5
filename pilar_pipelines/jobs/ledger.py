"""What is kept up behind those who work: effects in doubt and the audit log's seal.

What belongs here: the job, and how often it runs. How an effect is settled and what is sealed is the backplane's.
"""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import executor, longest, retries
from pilar_pipelines.resources.pilar import PilarResource

WORKING_SECONDS = 200
"""So that a run has ended before the next one is due; what is left over is the next one's."""


@dg.op(retry_policy=retries)
def reconcile_effects(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Look for effects whose outcome their own work did not learn, and have that work go on."""
    from dataclasses import asdict
    from datetime import timedelta

    from pilar.backplane.reconciling import reconcile

    app = pilar.app
    deadline = app.clocks.real.now() + timedelta(seconds=WORKING_SECONDS)
    done = reconcile(app.database, app.clocks, app.reconcilers, deadline=deadline)
    context.add_output_metadata(asdict(done))


@dg.op(retry_policy=retries)
def seal_audit(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Seal the audit log's new entries. The newest hash is kept with the run: in another database than the log."""
    from datetime import timedelta

    from pilar.backplane.sealing import seal

    deadline = pilar.clocks.real.now() + timedelta(seconds=WORKING_SECONDS)
    done = seal(pilar.database, pilar.clocks, deadline=deadline)
    context.add_output_metadata(
        {
            "segments": done.segments,
            "entries": done.entries,
            "sealed_to": done.to_position or 0,
            "hash": done.hash or "",
        }
    )


@dg.job(executor_def=executor, tags=longest(600))
def keep_ledger() -> None:
    """Settle effects in doubt, and seal the audit log."""
    reconcile_effects()
    seal_audit()


ledger_every_five_minutes = dg.ScheduleDefinition(
    name="keep_ledger_every_five_minutes",
    job=keep_ledger,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
