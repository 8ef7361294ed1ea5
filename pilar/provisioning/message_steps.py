"""The steps between a studio's number and its opening: templates that WhatsApp has approved, and a test message.

What belongs here: when such a step is done, and what wakes it. What does not: templates and messages themselves, which
are `messaging`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.errors import NotFound
from pilar.messaging import template_store
from pilar.messaging.events import TemplateChanged
from pilar.messaging.number_test import queue_test
from pilar.messaging.templates import TemplateKeeper
from pilar.provisioning import store
from pilar.provisioning.runner import wake
from pilar.provisioning.steps import Done, Job, Wait

UNDER_REVIEW = "pending"
REVIEW_STEP = "template_approval"


class MessageSteps:
    """Template approval and the test message."""

    def __init__(self, clocks: Clocks, templates: TemplateKeeper) -> None:
        self._clocks = clocks
        self._templates = templates

    def approve_templates(self, job: Job) -> Done | Wait:
        """Have the studio's templates reviewed; done when WhatsApp has decided about each, be it against some.

        Whether what it has approved is enough to open with is judged with its other prerequisites.
        """
        states = self._templates.submit(job.workspace_id, Cause(job.correlation_id))
        if waiting := states.get(UNDER_REVIEW, 0):
            return Wait("meta", f"WhatsApp is reviewing {waiting} message templates.")
        return Done({"templates": states})

    def send_test(self, connection: Connection, job: Job) -> Mapping[str, Any]:
        """Write to the owner's phone from the new number, before leads do; who gave no phone gets none."""
        story = Cause(job.correlation_id)
        sent = queue_test(connection, self._clocks, job.workspace_id, occasion=f"provisioning:{job.id}", story=story)
        return {"message": str(sent)} if sent else {"skipped": "the owner gave no phone number"}

    def on_template(self, connection: Connection, work: Work[TemplateChanged]) -> dict[str, str]:
        """WhatsApp has decided about a template: let the job that waits for it go on.

        The step of templates goes on once all are decided, and looking costs by their number: so it is woken then.
        Whoever is the last to decide sees that, since each decision is committed before it is told.
        """
        if work.workspace_id is None:
            return {"skipped": "it belongs to no studio"}
        try:
            job = store.job_of_workspace(connection, work.workspace_id)
        except NotFound:
            return {"skipped": "the studio has no provisioning job"}
        if job.state == "completed":
            return {"skipped": "the studio is provisioned"}
        waits = [step.name for step in store.steps_of(connection, job.id) if step.waits_on]
        if waits == [REVIEW_STEP] and (left := template_store.under_review(connection, work.workspace_id)):
            return {"skipped": f"WhatsApp is reviewing {left} more"}
        wake(connection, self._clocks, job, cause=f"template:{work.id}", correlation_id=job.correlation_id)
        return {"woken": str(job.id)}
