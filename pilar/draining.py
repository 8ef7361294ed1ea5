"""Draining without a warm worker: what there is to drain, and one visit that stays until it is quiet.

What belongs here: what Dagster's sensor looks at and what its run does, and the renewal of leases that the worker
(`worker.py`) shares. What does not: draining itself (`backplane/drain.py`), and anything of Dagster's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pilar.app import App
from pilar.backplane import backlog, heartbeat
from pilar.backplane.drain import Drain
from pilar.clocks import Clocks
from pilar.database.engine import WAKE_CHANNEL, Scope
from pilar.database.shared_clock import load_setting
from pilar.errors import Transient

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds after which work is looked for though nobody has told of any: what was put off wakes nobody."""

PATIENCE = timedelta(seconds=5)
"""While a worker lives, only what has waited for longer than this is not its."""


@dataclass(frozen=True)
class Due:
    """What there is to drain for somebody who leaves a living worker its own."""

    lanes: tuple[backlog.Waiting, ...]
    later: int
    """Scheduled work whose time has come."""
    workers: int
    """How many workers are alive."""

    @property
    def total(self) -> int:
        """How many pieces of work that are."""
        return sum(lane.count for lane in self.lanes) + self.later


def look(connection: Connection, clocks: Clocks) -> Due:
    """See what is due, leaving out what a living worker is about to take. Needs the fleet's scope."""
    real_now = clocks.real.now()
    workers = heartbeat.live_workers(connection, real_now)
    if not workers:
        later = backlog.later_due(connection, business_now=clocks.business.now(), real_now=real_now)
        return Due(tuple(backlog.waiting(connection, real_now)), later, workers)
    then = real_now - PATIENCE
    # Business time may run a thousand times as fast: it is taken as it was a few *real* seconds ago.
    setting = load_setting(connection)
    business_then = setting.at(then) if setting else clocks.business.now() - PATIENCE
    return Due(
        tuple(backlog.waiting(connection, real_now, for_at_least=PATIENCE)),
        backlog.later_due(connection, business_now=business_then, real_now=then),
        workers,
    )


def drain_until_quiet(app: App, name: str, *, quiet_for: timedelta, deadline: datetime) -> int:
    """Drain all lanes, and stay until nothing has been due for a while; return how many pieces were claimed.

    A studio's provisioning wakes itself by webhooks within a second or two: who left at the first pause would have
    to be started again for each step. Where a worker lives, only what it has left is taken, and nobody stays.

    Args:
        app: the system.
        name: the name under which work is claimed, unique among living processes.
        quiet_for: how long nothing must have been due.
        deadline: when to take nothing new any more (real time).

    Raises:
        Transient: the database is away.
    """
    drain = app.drain(name)
    total = 0
    with (
        psycopg.connect(app.database.url, autocommit=True, connect_timeout=5) as listener,
        renewed(drain),
    ):
        listener.execute(f"listen {WAKE_CHANNEL}")
        busy_at = time.monotonic()
        try:
            while app.clocks.real.now() < deadline:
                with app.database.transaction(Scope.fleet()) as connection:
                    patience = PATIENCE if heartbeat.live_workers(connection, app.clocks.real.now()) else timedelta(0)
                if claimed := drain.run_until_idle(deadline, waiting_for=patience):
                    total += claimed
                    busy_at = time.monotonic()
                quiet = time.monotonic() - busy_at
                if patience or quiet >= quiet_for.total_seconds():
                    break
                pause = min(LOOK_EVERY, quiet_for.total_seconds() - quiet)
                for _ in listener.notifies(timeout=pause, stop_after=1):
                    break
        finally:
            drain.close()
    return total


@contextmanager
def renewed(drain: Drain, beat: Callable[[], None] | None = None) -> Iterator[None]:
    """Renew a drain's leases in a thread of its own, since the drain may be busy for long, until the block ends.

    Args:
        drain: whose leases.
        beat: also called each time, and at once: the worker's heartbeat.
    """
    interval = min(drain.lease, heartbeat.LIVE_FOR).total_seconds() / 3
    ended = threading.Event()

    def renew() -> None:
        while True:
            try:
                drain.renew_leases()
                if beat:
                    beat()
            except (Transient, DBAPIError, psycopg.Error) as error:
                log.warning("leases were not renewed: %s", error)
            if ended.wait(interval):
                return

    thread = threading.Thread(target=renew, name="leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
