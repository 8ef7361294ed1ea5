"""A second drain beside the worker's own, for cheap work that comes in heaps.

What belongs here: when it lends a hand, and how it ends. What does not: draining (`backplane/drain.py`).

While one batch waits for the database, the other's handlers run: together they take in a heap of cheap work half as
fast again as one. Costly work gains nothing (one process runs one handler at a time), and two batches at once may wait
for each other's rows; so this one sleeps unless the worker's own has a full batch in hand and another behind it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from pilar.backplane.drain import Drain
from pilar.backplane.facts import Lane
from pilar.draining import renewed
from pilar.errors import Transient

log = logging.getLogger(__name__)


class SecondHand:
    """Drains in a thread of its own while it is called for."""

    def __init__(self, drain: Drain, lanes: Sequence[Lane], *, on_failure: Callable[[], None]) -> None:
        """Take a drain under a name of its own, and what is to be done should the thread fail for good."""
        self._drain = drain
        self._lanes = lanes
        self._on_failure = on_failure
        self._called = threading.Event()
        self._ended = threading.Event()
        self._failure: BaseException | None = None

    def call(self) -> None:
        """Have it drain until nothing is due any more."""
        self._called.set()

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Let it be called until the block ends; then it gives back what it has not begun, and finishes the rest.

        Raises:
            BaseException: what its thread failed with.
        """
        thread = threading.Thread(target=self._run, name="second hand")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._called.set()
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with renewed(self._drain):
                try:
                    self._lend_when_called()
                    self._drain.leave()
                finally:
                    self._drain.close()
        except BaseException as error:
            self._failure = error
            self._on_failure()

    def _lend_when_called(self) -> None:
        while True:
            self._called.wait()
            self._called.clear()
            if self._ended.is_set():
                return
            try:
                while self._drain.turn(self._lanes) and not self._ended.is_set():
                    pass
            except (Transient, DBAPIError, psycopg.Error) as error:
                # The worker's own drain meets it too, and waits; this one comes back when it is called again.
                log.warning("the second hand rests: %s", error)
