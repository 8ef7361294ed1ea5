"""Bringing studios to the newest default template. What belongs here: the job; it runs when it is asked for.

What is changed in whom is provisioning's. It has no schedule: the founder looks at what it would change first.
"""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import executor, longest, retries
from pilar_pipelines.resources.pilar import PilarResource


class Wanted(dg.Config):
    """What the run does."""

    apply: bool = False
    """Do it; false: only tell what would be another."""


@dg.op(retry_policy=retries)
def update_defaults(context: dg.OpExecutionContext, config: Wanted, pilar: PilarResource) -> None:
    """Tell, or bring to studios, what they have not changed of the newest template; done twice it is done once."""
    from pilar.provisioning.defaults_template import update_studios

    app = pilar.app
    done = update_studios(app.database, app.clocks, app.defaults, apply=config.apply, actor="system")
    context.add_output_metadata(
        {
            "template_version": done.template_version,
            "applied": done.applied,
            "looked_at": done.looked_at,
            "offered": done.offered,
            "own_parts": sum(done.own.values()),
            "failed": dg.MetadataValue.json({str(studio): reason for studio, reason in done.failed.items()}),
            "offers": dg.MetadataValue.json(
                [
                    {
                        "workspace_id": str(offer.workspace_id),
                        "changes": {part: [list(one) for one in found] for part, found in offer.changes.items()},
                    }
                    for offer in done.offers
                ]
            ),
        }
    )


@dg.job(executor_def=executor, tags=longest(1_800))
def bring_defaults_up_to_date() -> None:
    """The newest default template, for studios that have not changed what they got; a dry run unless it is told."""
    update_defaults()
