"""What the worker keeps in order beside its work. What belongs here: which chores, how often, and by whom.

What does not: the chores themselves (`backplane/`), and the same chores as Dagster's jobs (`pilar_pipelines/jobs/`).
The product must not depend on Dagster being up: locks that expired, reservations that were never settled, effects in
doubt, provisioning that waits, the audit log's seal and what is past its time are seen to by the workers as well. Each
chore is harmless when it is done twice, so nobody is asked whether Dagster has done it; the nightly one is heavy, and a
lock has it done once a day among all workers.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pilar.agents import slot_store
from pilar.app import App
from pilar.backplane import budgets, locks, retention, tallies
from pilar.backplane.reconciling import reconcile
from pilar.backplane.sealing import seal
from pilar.database.engine import Scope
from pilar.errors import PilarError, Transient
from pilar.followups import planning
from pilar.messaging import limit_store, media, window_store, windows
from pilar.provisioning import erasing
from pilar.provisioning.channel_look import look_at_all
from pilar.provisioning.following import follow_up
from pilar.security import sessions
from pilar.workspaces.fleet import open_workspaces

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=30)
LONGEST = timedelta(seconds=20)
"""A chore begins nothing new after so long: a worker that is told to stop waits for it. The rest is the next time's."""
STRETCH = 200
"""Studios that are taken in one transaction."""
CLEANING = timedelta(hours=1)
ONCE_A_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Chore:
    """Something that is done again and again.

    Attributes:
        name: for the log.
        every: how long after the last time.
        run: does it, in transactions of its own; returns how much there was to do.
    """

    name: str
    every: timedelta
    run: Callable[[App], int]


def remove_expired_locks(app: App) -> int:
    """Delete locks that nobody holds any more."""
    with app.database.transaction(Scope.fleet()) as connection:
        return locks.remove_expired(connection, app.clocks.real.now())


def give_back_reservations(app: App) -> int:
    """Give back what was reserved and never settled."""
    with app.database.transaction(Scope.fleet()) as connection:
        return budgets.expire_reservations(connection, app.clocks.real.now())


def settle_effects(app: App) -> int:
    """Look for effects whose outcome their own work did not learn."""
    until = app.clocks.real.now() + LONGEST
    return reconcile(app.database, app.clocks, app.reconcilers, deadline=until).looked_for


def seal_audit(app: App) -> int:
    """Seal the audit log's new entries."""
    return seal(app.database, app.clocks, deadline=app.clocks.real.now() + LONGEST).entries


def add_up_attempts(app: App) -> int:
    """Add up the counts of attempts that ended."""
    with app.database.transaction(Scope.fleet()) as connection:
        return tallies.add_up(connection, app.clocks.real.now())


def follow_up_waits(app: App) -> int:
    """Remind of provisioning steps that wait, and give up those that have waited in vain."""
    return follow_up(app.database, app.clocks, deadline=app.clocks.real.now() + LONGEST).total


def clean_up_daily(app: App) -> int:
    """Forget what is past its time, unless a worker has done so within a day.

    The lock is held for an hour and, when all is forgotten, for the rest of the day: the day of one who was killed
    half-way is another's within the hour, and what was left over goes on then too.
    """
    now = app.clocks.real.now()
    with app.database.transaction(Scope.fleet()) as connection:
        lock = app.locks.acquire(connection, "upkeep:clean_up", "upkeep", ttl=CLEANING)
    if lock is None:
        return 0
    if clean_up(app, now + LONGEST)["is_complete"]:
        with app.database.transaction(Scope.fleet()) as connection:
            app.locks.renew(connection, lock, ttl=ONCE_A_DAY)
    return 1


def clean_up(app: App, deadline: datetime) -> dict[str, int]:
    """Forget what is past its time, of the backplane and of the rooms; how much, by name.

    Args:
        app: the system.
        deadline: when to begin no further batch (real time).

    Returns:
        Counts; `is_complete` is 0 where the deadline came first, and the next clean-up goes on.
    """
    now, business_now, settings = app.clocks.real.now(), app.clocks.business.now(), app.settings
    cleaned = asdict(
        retention.clean_up(
            app.database,
            app.clocks,
            retention.Keep.of(settings),
            effect_kinds=app.reconcilers.passing,
            deadline=deadline,
        )
    )
    with app.database.transaction(Scope.fleet()) as connection:
        cleaned["sessions"] = sessions.forget_expired(connection, now)
        cleaned["files"] = media.forget_old(connection, business_now)
        cleaned["paces"] = limit_store.forget_buckets(connection, now)
    for name, forget, days in (
        ("session_windows", window_store.forget_before, settings.windows_kept_days),
        ("slot_offers", slot_store.forget_before, settings.offers_kept_days),
    ):
        cleaned[name], is_done = 0, False
        while not is_done and app.clocks.real.now() < deadline:
            with app.database.transaction(Scope.fleet()) as connection:
                gone = forget(connection, business_now - timedelta(days=days), retention.BATCH)
            cleaned[name], is_done = cleaned[name] + gone, gone < retention.BATCH
        cleaned["is_complete"] &= is_done
    return cleaned


def read_subscriptions(app: App) -> int:
    """Ask Stripe again about subscriptions that it has not told of for a day."""
    return erasing.read_again(app.database, app.clocks)


def look_at_channels(app: App) -> int:
    """Have the channels of those studios looked at whose turn it is."""
    return look_at_all(app.database, app.clocks)


def erase_closed_studios(app: App) -> int:
    """Erase the data of studios that were closed long enough ago."""
    return erasing.erase_closed(app.database, app.clocks, deadline=app.clocks.real.now() + LONGEST)


def plan_followups(app: App) -> int:
    """Plan what silent leads get, and call off what became needless; return how much there was."""
    return _by_studio(app, lambda connection, studios: _total(planning.plan(connection, app.clocks, studios)))


def watch_windows(app: App) -> int:
    """Tell of session windows that close on leads who wait; return of how many."""

    def look(connection: Connection, studios: Sequence[UUID]) -> int:
        watched = windows.watch(connection, app.clocks, studios)
        return watched.closing + watched.closed + watched.texts

    return _by_studio(app, look)


def _total(planned: planning.Planned) -> int:
    return planned.planned + planned.stopped


def _by_studio(app: App, work: Callable[[Connection, Sequence[UUID]], int]) -> int:
    """Do work for all studios, a stretch at a time and for no longer than a chore may take.

    It begins anywhere, so that what is left over when time is up is not the same studios again and again. A stretch
    that fails, as where a configuration can't be read, is done studio by studio, and a broken studio is left out.
    """
    until = app.clocks.real.now() + LONGEST
    with app.database.transaction(Scope.fleet()) as connection:
        studios = open_workspaces(connection)
    begin = random.randrange(len(studios)) if studios else 0  # noqa: S311 - not for a secret
    studios, done = studios[begin:] + studios[:begin], 0
    one_by_one: list[UUID] = []
    while (studios or one_by_one) and app.clocks.real.now() < until:
        if one_by_one:
            stretch = [one_by_one.pop()]
        else:
            stretch, studios = studios[:STRETCH], studios[STRETCH:]
        try:
            with app.database.transaction(Scope.fleet()) as connection:
                done += work(connection, stretch)
        except (PilarError, ValidationError) as error:
            if len(stretch) > 1:
                one_by_one.extend(stretch)
            else:
                log.warning("studio %s is left out: %s", stretch[0], type(error).__name__)
    return done


CHORES = (
    Chore("remove expired locks", timedelta(minutes=5), remove_expired_locks),
    Chore("give back reservations", timedelta(minutes=1), give_back_reservations),
    Chore("add up attempts", timedelta(minutes=1), add_up_attempts),
    Chore("follow up waits", timedelta(minutes=1), follow_up_waits),
    Chore("settle effects in doubt", timedelta(minutes=5), settle_effects),
    Chore("seal the audit log", timedelta(minutes=5), seal_audit),
    Chore("plan follow-ups", timedelta(minutes=15), plan_followups),
    Chore("watch session windows", timedelta(minutes=15), watch_windows),
    Chore("read subscriptions again", timedelta(minutes=15), read_subscriptions),
    Chore("look at channels", timedelta(minutes=1), look_at_channels),
    Chore("erase closed studios", timedelta(hours=1), erase_closed_studios),
    Chore("clean up", timedelta(hours=1), clean_up_daily),
)


class Upkeep:
    """Does what is due, and remembers when it did."""

    def __init__(self, app: App, chores: Sequence[Chore] = CHORES) -> None:
        self._app = app
        self._next: dict[str, datetime] = {}
        self._chores = chores

    def turn(self) -> dict[str, int]:
        """Do what is due by real time; how much there was to do, by name.

        A chore that fails is tried again when it is due the next time, and keeps none of the others from being done.
        """
        done = {}
        for chore in self._chores:
            now = self._app.clocks.real.now()
            if now < self._next.get(chore.name, now):
                continue
            self._next[chore.name] = now + chore.every
            try:
                done[chore.name] = chore.run(self._app)
            except (Transient, DBAPIError, psycopg.Error) as error:
                log.warning("%s: not done: %s", chore.name, error)
        return done


@contextmanager
def kept_up(app: App) -> Iterator[None]:
    """Do what is due from time to time in a thread of its own, until the block ends."""
    upkeep, ended = Upkeep(app), threading.Event()

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
