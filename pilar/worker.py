"""The warm loop: drains work the moment it is due, and shows that it is alive.

What belongs here: when to drain, when to stop, the heartbeat. What does not: draining (`backplane/drain.py`).

It listens for the database's notifications and looks by itself every second, so a lost notification costs a second.
On SIGTERM it takes nothing new, gives back what it has not begun, finishes what runs, and leaves.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress

import psycopg
from sqlalchemy.exc import DBAPIError

from pilar.app import App
from pilar.backplane import heartbeat
from pilar.backplane.facts import Lane
from pilar.database.engine import WAKE_CHANNEL, Scope
from pilar.database.shared_clock import renew
from pilar.draining import LOOK_EVERY, renewed
from pilar.errors import Transient
from pilar.second_hand import SecondHand
from pilar.upkeep import kept_up

log = logging.getLogger(__name__)

_AWAY_FOR = 1.0
_GLANCE = 0.02

TURNS = (Lane.INBOX, Lane.REPLY, Lane.DEFAULT, Lane.REPLY, Lane.INBOX, Lane.REPLY, Lane.BULK)
"""The order in which lanes are looked at. Each look is a moment (`backplane/pace.py`), and somebody who has written to
a studio waits for one moment of something else at most.
"""


_YOUNG = 50_000
"""Objects made before the collector looks at them: a batch makes some thousands, and all go when it is settled."""


def _spare_the_collector() -> None:
    """Have garbage collection leave alone what the process has loaded: walking over it took a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 100)


class Worker:
    """Drains until it is told to stop."""

    def __init__(self, app: App, *, name: str | None = None) -> None:
        self._app = app
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._stopping = threading.Event()
        self._drain = app.drain(self.name)
        self._second = SecondHand(app.drain(f"{self.name}:2"), TURNS, on_failure=self.stop)

    def stop(self) -> None:
        """Have the loop end after what it is doing; safe to call from a signal handler and from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Drain until stopped. The database may go away and come back meanwhile."""
        log.info("worker %s is draining", self.name)
        try:
            _spare_the_collector()
            with renewed(self._drain, self._beat), kept_up(self._app), self._second.at_hand():
                try:
                    self._drain_until_stopped()
                    self._drain.leave()
                finally:
                    self._drain.close()
        finally:
            with suppress(Transient, DBAPIError), self._app.database.transaction(Scope.fleet()) as connection:
                heartbeat.leave(connection, self.name)
            log.info("worker %s has stopped", self.name)

    def _drain_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                self._drain_while_reachable()
            except (Transient, DBAPIError, psycopg.Error) as error:
                log.warning("the database is away: %s", error)
                self._stopping.wait(_AWAY_FOR)

    def _drain_while_reachable(self) -> None:
        with psycopg.connect(self._app.database.url, autocommit=True, connect_timeout=5) as listener:
            listener.execute(f"listen {WAKE_CHANNEL}")
            while not self._stopping.is_set():
                began = time.monotonic()
                if self._drain.turn(TURNS):
                    if self._drain.has_a_heap:
                        self._second.call()
                    continue
                if self._drain.is_busy:  # what ends may leave room for more of its lane
                    self._drain.wait_for_one(_GLANCE)
                    continue
                renew(self._app.clocks.business)
                for _ in listener.notifies(timeout=max(0.0, LOOK_EVERY - (time.monotonic() - began)), stop_after=1):
                    break

    def _beat(self) -> None:
        with self._app.database.transaction(Scope.fleet()) as connection:
            known = self._app.breakers.snapshot()
            heartbeat.beat(connection, self.name, self._app.clocks.real.now(), known)
