"""A worker in a process of its own that is killed at a boundary between steps: run as a module, settings on stdin.

What belongs here: draining until the boundary is committed, and SIGKILL at that very moment. No assertions.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, text

from pilar.app import build_app
from pilar.database.engine import Database, Scope
from pilar.draining import drain_until_quiet
from pilar.settings import Settings

REACHED = {
    "begun": "select 1 from provisioning_step where name = :step and attempts > 0",
    "done": "select 1 from provisioning_step where name = :step and status = 'completed'",
}
PATIENCE = timedelta(seconds=20)


class KillingDatabase(Database):
    """A database that kills its process once a step has been begun, or is done, and that is committed."""

    def __init__(self, url: str, step: str, boundary: str) -> None:
        super().__init__(url)
        self._step = step
        self._reached = text(REACHED[boundary])

    @contextmanager
    def transaction(self, scope: Scope, *, settings: str = "") -> Iterator[Connection]:
        with super().transaction(scope, settings=settings) as connection:
            yield connection
        with super().transaction(Scope.fleet()) as connection:
            reached = connection.execute(self._reached, {"step": self._step}).first()
        if reached is not None:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Drain until the end comes."""
    asked = json.load(sys.stdin)
    app = build_app(Settings(**asked["settings"]), database=KillingDatabase(asked["url"], asked["step"], asked["at"]))
    deadline = app.clocks.real.now() + PATIENCE
    drain_until_quiet(app, "dying", quiet_for=PATIENCE, deadline=deadline)


if __name__ == "__main__":
    main()
