"""What becomes of an attempt. What belongs here: from a result or an error to the row that settles the work.

Our own errors say by their type whether another try may help; anything else is a defect or the database's, and worth
another try.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from pilar.backplane.facts import Event
from pilar.backplane.handlers import Outside, Result, Snooze, Work
from pilar.backplane.notices import ABOUT_INCIDENTS, IncidentRequested, incident
from pilar.backplane.retries import backoff
from pilar.backplane.store import SettledRow
from pilar.errors import CircuitOpen, PilarError, Transient
from pilar.masking import mask, mask_text, masked_traceback
from pilar.storable import storable

log = logging.getLogger(__name__)

LONGEST_ERROR = 2_000


def done(work: Work[Any], result: Result) -> SettledRow:
    """The work is done."""
    answered = json.dumps(mask(result), default=str) if result else None
    if answered and ("\\u0000" in answered or "\\ud" in answered):
        # Somebody else's words: the row is stored with those of all the batch.
        answered = json.dumps(storable(mask(result)), default=str)
    return SettledRow(work.position, work.fencing_token, "done", result=answered)


def of_outside(handler: Outside, works: Sequence[Work[Any]]) -> list[SettledRow | Exception]:
    """Run pieces outside, together where there are several, and say what became of each; nothing is raised."""
    try:
        said = handler.together(works) if handler.together is not None else [handler.run(work) for work in works]
        return [one if isinstance(one, Exception) else done(work, one) for work, one in zip(works, said, strict=True)]
    except Exception as error:
        return [error for _ in works]


def failed(work: Work[Any], error: Exception, now: datetime) -> SettledRow:
    """The work is put off, tried again later, or buried.

    Args:
        work: what was attempted.
        error: what its handler raised.
        now: real time.
    """
    if not isinstance(error, PilarError | Snooze):
        log.error("%s %s failed: %s", work.type, work.id, masked_traceback(error))
    due_at: datetime | None = None
    if isinstance(error, Snooze):
        outcome, due_at = "snoozed", now + error.delay
    elif isinstance(error, CircuitOpen):
        # Nothing was asked of anybody, so it is no attempt: an outage uses none up but those that find out about it.
        outcome, due_at = "snoozed", now + backoff(work.attempts, at_least=error.retry_after)
    elif _may_succeed_later(error) and work.attempts < work.max_attempts:
        asked = error.retry_after if isinstance(error, Transient) else None
        outcome, due_at = "retry", now + backoff(work.attempts, at_least=asked)
    else:
        outcome = "dead"
    return SettledRow(
        work.position,
        work.fencing_token,
        outcome,
        due_at=due_at,
        error_code=error.code if isinstance(error, PilarError) else type(error).__name__,
        error=storable(mask_text(str(error))[:LONGEST_ERROR]),
    )


def notice(work: Work[Any], row: SettledRow) -> Event | None:
    """The event by which somebody hears of a dead letter; None for anything else.

    An incident about the failure to record or to show an incident would never end: there is none.
    """
    if row.outcome != "dead" or work.type.startswith(ABOUT_INCIDENTS):
        return None
    request = IncidentRequested(
        dedupe_key=f"dead_letter:{work.type}:{row.error_code}",
        title=f"Work of type {work.type} can't be done",
        description=row.error or row.error_code or "",
        severity="high",
        component="queue_processing",
    )
    key = f"{work.position}:{work.handler}:{work.fencing_token}"
    return incident(request, key=key, workspace_id=work.workspace_id)


def _may_succeed_later(error: Exception) -> bool:
    return isinstance(error, Transient) or not isinstance(error, PilarError | ValidationError)
