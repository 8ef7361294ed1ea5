"""How people take a template, and what Meta does about it. What belongs here: quality, pauses, and their end.

A template that people complain about rests for three hours the first time, for six the second, and is disabled the
third time, by business time.
"""

from __future__ import annotations

from datetime import timedelta

from provider_sandbox.meta import agenda, templates
from provider_sandbox.meta.webhooks import Change, tell
from provider_sandbox.state import Body, Transaction
from provider_sandbox.tasks import TaskQueue

PAUSES = (("FIRST_PAUSE", timedelta(hours=3)), ("SECOND_PAUSE", timedelta(hours=6)))
UNPAUSE = templates.UNPAUSE
FIELD = "message_template_quality_update"


def set_quality(tx: Transaction, deliveries: TaskQueue, template: Body, score: str) -> Body:
    """Judge a template: GREEN, YELLOW, RED or UNKNOWN; a RED one is paused."""
    before = template["quality_score"]["score"]
    template = tx.change(templates.KIND, template["id"], {**template, "quality_score": {"score": score}})
    if score != before:
        value = {
            "previous_quality_score": before,
            "new_quality_score": score,
            "message_template_id": int(template["id"]),
            "message_template_name": template["name"],
            "message_template_language": template["language"],
        }
        tell(tx, deliveries, [Change(template["waba"], FIELD, value)])
    return pause(tx, deliveries, template) if score == "RED" and template["status"] == "APPROVED" else template


def pause(tx: Transaction, deliveries: TaskQueue, template: Body) -> Body:
    """Let a template rest, or disable it where it has rested twice."""
    count = template.get("pauses", 0)
    if count == len(PAUSES):
        return templates.set_status(tx, deliveries, template, "DISABLED", None, title="DISABLED")
    title, duration = PAUSES[count]
    changed = templates.set_status(tx, deliveries, {**template, "pauses": count + 1}, "PAUSED", None, title=title)
    agenda.plan(tx, UNPAUSE, template["id"], tx.business_now() + duration)
    return changed


def end_pause(tx: Transaction, deliveries: TaskQueue, template_id: str) -> None:
    """Let a template be sent again, unless something else has been decided meanwhile."""
    template = tx.get(templates.KIND, template_id)
    if template and template["status"] == "PAUSED":
        templates.set_status(tx, deliveries, template, "APPROVED", None, title="UNPAUSE")
