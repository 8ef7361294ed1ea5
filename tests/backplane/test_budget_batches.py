"""What budgets promise of batches and of several workers at once: the same as one by one, and never too much."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from pilar.backplane import budget_overrides, budgets
from pilar.backplane.budgets import MONEY, RESOURCES, TOKENS, Reservation, Share
from pilar.backplane.invariants import INVARIANTS
from pilar.database.engine import Scope
from pilar.errors import NotFound, OverBudget
from pilar.ids import new_id
from tests.fixtures.work import Bench
from tests.properties import examples

TTL = timedelta(minutes=5)
ADDS_UP = next(i for i in INVARIANTS if i.name == "reservations_add_up")


def limit(bench: Bench, studio: UUID, hour: int | None, day: int | None, resource: str = "messages") -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        if hour is not None:
            budgets.set_limit(connection, studio, resource, "hour", hour, "queue")
        if day is not None:
            budgets.set_limit(connection, studio, resource, "day", day, "drop")


def adds_up(bench: Bench) -> bool:
    with bench.database.transaction(Scope.fleet()) as connection:
        return connection.execute(text(ADDS_UP.query)).all() == []


LIMITS = st.tuples(st.none() | st.integers(0, 12), st.none() | st.integers(0, 20))
WANTED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=12)


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=st.lists(LIMITS, min_size=4, max_size=4), batches=st.lists(WANTED, max_size=4), sets_aside=st.booleans())
def test_a_batch_comes_to_what_its_items_would_have_come_to_one_by_one(
    bench: Bench, limits: list[tuple[int | None, int | None]], batches: list[list[tuple[int, int]]], sets_aside: bool
) -> None:
    together, alone = [new_id() for _ in limits], [new_id() for _ in limits]
    for studios in (together, alone):
        for studio, (hour, day) in zip(studios, limits, strict=True):
            limit(bench, studio, hour, day)

    def one(connection: Connection, studio: UUID, amount: int) -> tuple[Any, ...]:
        try:
            if sets_aside:
                budgets.reserve(connection, bench.clocks, studio, "messages", amount, expires_in=TTL)
            else:
                budgets.consume(connection, bench.clocks, studio, "messages", amount)
        except OverBudget as error:
            return (False, error.details["period"], error.details["overage"], error.retry_after)
        return (True, None, None, None)

    for batch in batches:
        with bench.database.transaction(Scope.fleet()) as connection:
            expected = [one(connection, alone[number], amount) for number, amount in batch]
            wanted = [(together[number], amount) for number, amount in batch]
            if sets_aside:
                shares = budgets.reserve_many(connection, bench.clocks, "messages", wanted, expires_in=TTL)
            else:
                shares = budgets.consume_many(connection, bench.clocks, "messages", wanted)
        assert [_told(share) for share in shares] == expected
        assert [(share.workspace_id, share.amount) for share in shares] == wanted
        bench.business.advance(timedelta(minutes=25))
    assert _counts(bench, together) == _counts(bench, alone)
    assert adds_up(bench)


def _told(share: Share) -> tuple[Any, ...]:
    refused = share.refused
    if refused is None:
        return (True, None, None, None)
    return (False, refused.period, refused.overage, refused.retry_after)


def _counts(bench: Bench, studios: list[UUID]) -> list[Any]:
    rows = bench.rows("select workspace_id, period, window_start, used, reserved from budget_usage")
    return sorted((studios.index(row[0]), *row[1:]) for row in rows if row[0] in studios and (row[3] or row[4]))


def test_what_was_set_aside_before_there_was_a_limit_does_not_count_against_it(bench: Bench) -> None:
    studio = new_id()
    limit(bench, studio, hour=None, day=10)
    with bench.database.transaction(Scope.fleet()) as connection:
        early = budgets.reserve(connection, bench.clocks, studio, "messages", 5, expires_in=TTL)
        budgets.set_limit(connection, studio, "messages", "hour", 5, "queue")
        late = budgets.reserve(connection, bench.clocks, studio, "messages", 5, expires_in=TTL)
    assert adds_up(bench)
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.settle(connection, early, 4)
        budgets.settle(connection, late, 3)
    assert bench.rows("select period, used, reserved from budget_usage order by period") == [
        ("day", 7, 0),
        ("hour", 3, 0),
    ]


def test_batches_with_the_same_studios_in_another_order_never_wait_in_a_circle(bench: Bench) -> None:
    studios = [new_id() for _ in range(12)]
    for studio in studios:
        limit(bench, studio, 1_000, 10_000)
    errors: list[Exception] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        chance = random.Random(number)
        try:
            together.wait()
            for _ in range(15):
                wanted = [(studio, 1) for studio in chance.sample(studios, 9)]
                with bench.database.transaction(Scope.fleet()) as connection:
                    made = budgets.reserve_many(connection, bench.clocks, "messages", wanted, expires_in=TTL)
                with bench.database.transaction(Scope.fleet()) as connection:
                    ended = [(share.reservation, 1) for share in made if share.reservation]
                    chance.shuffle(ended)
                    assert budgets.close_many(connection, ended) == len(ended)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert bench.one("select sum(used) from budget_usage where period = 'day'") == 4 * 15 * 9
    assert bench.one("select sum(reserved) from budget_usage") == 0


ACTIONS = ("reserve", "reserve_many", "consume", "consume_many", "settle", "release", "expire", "override", "end")
PLAN = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 6)), min_size=3, max_size=12)


class Office:
    """Workers at once on two studios. While an override may be in force, its amount is the most that may be taken."""

    LIMITS: ClassVar = {"hour": 10, "day": 25}
    MOST: ClassVar = {"hour": 14, "day": 25}

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.studios = [new_id(), new_id()]
        self.open_ones: list[Reservation] = []
        self.overrides: list[tuple[UUID, UUID]] = []
        self.errors: list[Exception] = []
        for studio in self.studios:
            limit(bench, studio, self.LIMITS["hour"], self.LIMITS["day"], TOKENS)

    def work(self, plan: list[tuple[str, int]], together: threading.Barrier) -> None:
        together.wait()
        for action, amount in plan:
            try:
                with self.bench.database.transaction(Scope.fleet()) as connection:
                    done = getattr(self, f"_{action}")(connection, self.studios[amount % 2], amount)
                if done is not None:
                    done()
            except (OverBudget, NotFound):
                continue
            except Exception as error:
                self.errors.append(error)

    # Each returns what is to be remembered once it is committed.

    def _reserve(self, connection: Connection, studio: UUID, amount: int) -> Callable[[], None]:
        made = budgets.reserve(connection, self.bench.clocks, studio, TOKENS, amount, expires_in=TTL)
        return lambda: self.open_ones.append(made)

    def _reserve_many(self, connection: Connection, studio: UUID, amount: int) -> Callable[[], None]:
        wanted = [(one, amount) for one in (studio, *self.studios)]
        shares = budgets.reserve_many(connection, self.bench.clocks, TOKENS, wanted, expires_in=TTL)
        return lambda: self.open_ones.extend(share.reservation for share in shares if share.reservation)

    def _consume(self, connection: Connection, studio: UUID, amount: int) -> None:
        budgets.consume(connection, self.bench.clocks, studio, TOKENS, amount)

    def _consume_many(self, connection: Connection, studio: UUID, amount: int) -> None:
        wanted = [(one, 1) for one in (*reversed(self.studios), studio)]
        budgets.consume_many(connection, self.bench.clocks, TOKENS, wanted)

    def _settle(self, connection: Connection, studio: UUID, amount: int) -> None:
        if self.open_ones:
            reservation = self.open_ones.pop(0)
            budgets.settle(connection, reservation, min(amount, reservation.amount))

    def _release(self, connection: Connection, studio: UUID, amount: int) -> None:
        if self.open_ones:
            budgets.release(connection, self.open_ones.pop(0))

    def _expire(self, connection: Connection, studio: UUID, amount: int) -> None:
        budgets.expire_reservations(connection, self.bench.real.now() + (TTL if amount % 3 == 0 else timedelta(0)))

    def _override(self, connection: Connection, studio: UUID, amount: int) -> Callable[[], None]:
        until = self.bench.business.now() + timedelta(minutes=30)
        made = budget_overrides.override(
            connection, self.bench.clocks, studio, TOKENS, "hour", self.MOST["hour"], until, "admin:1", "a fair"
        )
        return lambda: self.overrides.append((studio, made.id))

    def _end(self, connection: Connection, studio: UUID, amount: int) -> None:
        if self.overrides:
            ended = self.overrides.pop(0)
            budget_overrides.end_override(connection, self.bench.clocks, *ended, actor="admin:1")


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=st.lists(PLAN, min_size=3, max_size=3))
def test_no_interleaving_of_workers_overspends_or_leaks(bench: Bench, plans: list[list[tuple[str, int]]]) -> None:
    office, together, ended = Office(bench), threading.Barrier(len(plans)), threading.Event()
    breaches: list[Any] = []
    over = " or ".join(f"(period = '{period}' and used + reserved > {most})" for period, most in Office.MOST.items())
    watched = f"""
        select * from budget_usage
        where workspace_id in ('{office.studios[0]}', '{office.studios[1]}') and ({over} or used < 0 or reserved < 0)
    """

    def watch() -> None:
        """Look all the time: what is over for a moment only is over."""
        while True:
            last = ended.is_set()
            breaches.extend(bench.rows(watched))
            if not adds_up(bench):
                breaches.append("what is reserved does not add up")
            if last:
                return

    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=office.work, args=(plan, together)) for plan in plans]
    for thread in (watcher, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    ended.set()
    watcher.join()
    assert office.errors == []
    assert breaches == []
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.expire_reservations(connection, bench.real.now() + TTL)
    # All is given back, and what has not ended is heeded no longer than it lasts.
    assert bench.one("select coalesce(sum(reserved), 0) from budget_usage") == 0
    bench.business.advance(timedelta(hours=1))
    with bench.database.transaction(Scope.fleet()) as connection, pytest.raises(OverBudget):
        budgets.consume(connection, bench.clocks, office.studios[0], TOKENS, Office.LIMITS["hour"] + 1)


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("overage", ["queue", "drop", "degrade"])
def test_whoever_is_refused_is_told_what_to_do_then(bench: Bench, resource: str, overage: budgets.Overage) -> None:
    studio = new_id()
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, resource, "day", 5, overage)
        shares = budgets.consume_many(connection, bench.clocks, resource, [(studio, 4), (studio, 2), (studio, 1)])
    assert [share.fits for share in shares] == [True, False, True]
    assert shares[1].refused == budgets.Refused(resource, "day", 5, overage, timedelta(hours=15))


def test_utilisation_tells_what_is_used_set_aside_and_in_force(bench: Bench) -> None:
    studio, other = new_id(), new_id()
    limit(bench, studio, 10, 100, MONEY)
    limit(bench, other, None, 0, MONEY)
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.consume(connection, bench.clocks, studio, MONEY, 2)
        budgets.reserve(connection, bench.clocks, studio, MONEY, 3, expires_in=TTL)
        until = bench.business.now() + timedelta(hours=2)
        budget_overrides.override(connection, bench.clocks, studio, MONEY, "hour", 50, until, "admin:1", "a fair")
        told = budgets.utilisation(connection, bench.clocks, [studio])
        all_of_them = budgets.utilisation(connection, bench.clocks)
    assert [(one.period, one.limit, one.granted, one.used, one.reserved, one.share) for one in told] == [
        ("day", 100, 100, 2, 3, 0.05),
        ("hour", 50, 10, 2, 3, 0.1),
    ]
    assert [one.overridden_until for one in told] == [None, until]
    assert {one.workspace_id: one.share for one in all_of_them}[other] == 1.0
    bench.business.advance(timedelta(hours=2))
    with bench.database.transaction(Scope.fleet()) as connection:
        assert [(one.limit, one.used) for one in budgets.utilisation(connection, bench.clocks, [studio])] == [
            (100, 2),
            (10, 0),
        ]


def test_windows_are_forgotten_by_age_hours_before_days(bench: Bench) -> None:
    studio = new_id()
    limit(bench, studio, 10, 10)
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.consume(connection, bench.clocks, studio, "messages", 1)
    for kept, wait in (
        (2, timedelta(days=8)),
        (1, timedelta(hours=2)),
        (1, timedelta(days=391)),
        (0, timedelta(days=1)),
    ):
        bench.business.advance(wait)
        with bench.database.transaction(Scope.fleet()) as connection:
            budgets.forget_past_windows(connection, bench.business.now())
        assert bench.one("select count(*) from budget_usage") == kept
