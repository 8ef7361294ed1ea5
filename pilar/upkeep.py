"""What the worker keeps in order beside its work. What belongs here: which chores, how often, and by whom.

What does not: the chores themselves (`backplane/`), and the same chores as Dagster's jobs (`pilar_pipelines/jobs/`).
The product must not depend on Dagster being up: locks that expired, reservations that were never settled and what is
past its time are seen to by the workers as well. Each chore is harmless when it is done twice, so nobody is asked
whether Dagster has done it; the nightly one is heavy, and a lock has it done once a day among all workers.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pilar.backplane import budgets, locks, retention
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Transient
from pilar.security import sessions

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=30)
ONCE_A_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Chore:
    """Something that is done again and again.

    Attributes:
        name: for the log.
        every: how long after the last time.
        run: does it in a transaction of the fleet's scope; returns how much there was to do.
    """

    name: str
    every: timedelta
    run: Callable[[Connection, Clocks], int]


def remove_expired_locks(connection: Connection, clocks: Clocks) -> int:
    """Delete locks that nobody holds any more."""
    return locks.remove_expired(connection, clocks.real.now())


def give_back_reservations(connection: Connection, clocks: Clocks) -> int:
    """Give back what was reserved and never settled."""
    return budgets.expire_reservations(connection, clocks.real.now())


def clean_up_daily(connection: Connection, clocks: Clocks) -> int:
    """Forget what is past its time, unless a worker has done so within a day.

    The lock is taken in the same transaction: who is killed half-way has neither cleaned nor kept others from it.
    """
    now = clocks.real.now()
    if locks.acquire(connection, "upkeep:clean_up", holder="upkeep", ttl=ONCE_A_DAY, now=now) is None:
        return 0
    retention.clean_up(connection, clocks)
    sessions.forget_expired(connection, now)
    return 1


CHORES = (
    Chore("remove expired locks", timedelta(minutes=5), remove_expired_locks),
    Chore("give back reservations", timedelta(minutes=1), give_back_reservations),
    Chore("clean up", timedelta(hours=1), clean_up_daily),
)


class Upkeep:
    """Does what is due, and remembers when it did."""

    def __init__(self, database: Database, clocks: Clocks, chores: Sequence[Chore] = CHORES) -> None:
        self._database = database
        self._clocks = clocks
        self._next: dict[str, datetime] = {}
        self._chores = chores

    def turn(self) -> dict[str, int]:
        """Do what is due by real time, each in a transaction of its own; how much there was to do, by name.

        A chore that fails is tried again when it is due the next time, and keeps none of the others from being done.
        """
        done = {}
        for chore in self._chores:
            now = self._clocks.real.now()
            if now < self._next.get(chore.name, now):
                continue
            self._next[chore.name] = now + chore.every
            try:
                with self._database.transaction(Scope.fleet()) as connection:
                    done[chore.name] = chore.run(connection, self._clocks)
            except (Transient, DBAPIError, psycopg.Error) as error:
                log.warning("%s: not done: %s", chore.name, error)
        return done


@contextmanager
def kept_up(database: Database, clocks: Clocks) -> Iterator[None]:
    """Do what is due from time to time in a thread of its own, until the block ends."""
    upkeep, ended = Upkeep(database, clocks), threading.Event()

    def look() -> None:
        # Workers that start together don't all look at once.
        wait = random.uniform(0.0, LOOK_EVERY.total_seconds())  # noqa: S311 - not for a secret
        while not ended.wait(wait):
            wait = LOOK_EVERY.total_seconds()
            try:
                upkeep.turn()
            except Exception:
                log.exception("upkeep failed, and is tried again")

    thread = threading.Thread(target=look, name="upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
