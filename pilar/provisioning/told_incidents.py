"""What provisioning tells the founder by incident, and having it closed once it is over.

What belongs here: by which keys the incidents are known, and which of them are over when. What does not: noticing the
trouble (`runner.py`, `following.py`, `undoing.py`), and keeping incidents (the room of health).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause
from pilar.backplane.notices import end_incidents
from pilar.clocks import Clocks


def stuck(job_id: UUID, step: str) -> str:
    """A step has failed for good."""
    return f"provisioning:{job_id}:{step}"


def long_wait(job_id: UUID, step: str) -> str:
    """A step waits for longer than it should."""
    return f"{stuck(job_id, step)}:wait:long"


def vain_wait(job_id: UUID, step: str) -> str:
    """A step has waited in vain."""
    return f"{stuck(job_id, step)}:wait:expired"


def undo_stuck(job_id: UUID, step: str) -> str:
    """A step can't be taken back."""
    return f"provisioning:{job_id}:undo:{step}"


def wait_is_over(connection: Connection, clocks: Clocks, job: Any, steps: Iterable[str], reason: str) -> None:
    """Have what was told about the waits of these steps closed, in the transaction that ends the waits.

    Args:
        connection: that transaction; it has changed the steps' rows already, and so holds them.
        clocks: both clocks.
        job: the job.
        steps: their names.
        reason: how the wait ended, as a sentence.
    """
    keys = [key(job.id, step) for step in steps for key in (long_wait, vain_wait)]
    _end(connection, clocks, job, keys, reason)


def step_is_over(connection: Connection, clocks: Clocks, job: Any, steps: Iterable[str], reason: str) -> None:
    """The same for whatever was told about these steps: they are done, or wanted no more."""
    keys = [key(job.id, step) for step in steps for key in (stuck, long_wait, vain_wait, undo_stuck)]
    _end(connection, clocks, job, keys, reason)


def _end(connection: Connection, clocks: Clocks, job: Any, keys: list[str], reason: str) -> None:
    end_incidents(
        connection, clocks, keys, reason=reason, cause=Cause(job.correlation_id), workspace_id=job.workspace_id
    )
