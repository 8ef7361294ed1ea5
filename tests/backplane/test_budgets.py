"""What budgets promise: no interleaving overspends or leaks."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pilar.backplane import budgets
from pilar.backplane.invariants import INVARIANTS
from pilar.clocks import Clocks
from pilar.database.engine import Scope
from pilar.errors import NotFound, OverBudget
from pilar.ids import new_id
from tests.fixtures.work import Bench
from tests.properties import examples

STEP = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 6)),
    st.tuples(st.just("consume"), st.integers(0, 6)),
    st.tuples(st.just("settle"), st.integers(0, 6)),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("expire"), st.just(0)),
    st.tuples(st.just("pass"), st.integers(1, 90)),
)


class HastyClock:
    """A clock on which half an hour passes between two looks."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        self._now += timedelta(minutes=30)
        return self._now


ADDS_UP = next(i for i in INVARIANTS if i.name == "reservations_add_up")


def test_a_reservation_names_the_hour_it_was_counted_in_however_late_it_is(bench: Bench) -> None:
    studio, clocks = new_id(), Clocks(HastyClock(bench.business.now()), bench.real)
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "messages", "hour", 10, "queue")
        for _ in range(4):
            budgets.reserve(connection, clocks, studio, "messages", 1, expires_in=timedelta(minutes=5))
        assert connection.execute(text(ADDS_UP.query)).all() == []


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25))
def test_no_order_of_steps_overspends_or_leaks(bench: Bench, steps: list[tuple[str, int]]) -> None:
    studio, open_ones = new_id(), []
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "messages", "hour", 10, "queue")
        budgets.set_limit(connection, studio, "messages", "day", 25, "queue")
    for action, amount in steps:
        with bench.database.transaction(Scope.fleet()) as connection:
            try:
                if action == "reserve":
                    ttl = timedelta(minutes=30)
                    made = budgets.reserve(connection, bench.clocks, studio, "messages", amount, expires_in=ttl)
                    open_ones.append(made)
                elif action == "consume":
                    budgets.consume(connection, bench.clocks, studio, "messages", amount)
                elif action == "settle" and open_ones:
                    reservation = open_ones.pop()
                    budgets.settle(connection, reservation, min(amount, reservation.amount))
                elif action == "release" and open_ones:
                    budgets.release(connection, open_ones.pop())
                elif action == "expire":
                    budgets.expire_reservations(connection, bench.real.now())
                elif action == "pass":
                    bench.business.advance(timedelta(minutes=amount))
                    bench.real.advance(timedelta(minutes=amount))
            except OverBudget:
                connection.rollback()
            except NotFound:
                pass
        _holds(bench, studio)
    bench.real.advance(timedelta(hours=1))
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.expire_reservations(connection, bench.real.now())
    assert bench.one(f"select coalesce(sum(reserved), 0) from budget_usage where workspace_id = '{studio}'") == 0


def _holds(bench: Bench, studio: Any) -> None:
    over = f"""
        select u.* from budget_usage u join budget_limit l using (workspace_id, resource, period)
        where (u.used + u.reserved > l.amount or u.used < 0 or u.reserved < 0) and u.workspace_id = '{studio}'
    """
    assert bench.rows(over) == []
    with bench.database.transaction(Scope.fleet()) as connection:
        assert connection.execute(text(ADDS_UP.query)).all() == []


def test_workers_at_once_share_what_is_left_to_the_last_unit(bench: Bench) -> None:
    studio = new_id()
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "messages", "day", 20, "drop")
    got, together = [], threading.Barrier(8)

    def take() -> None:
        together.wait()
        for _ in range(5):
            try:
                with bench.database.transaction(Scope.fleet()) as connection:
                    budgets.consume(connection, bench.clocks, studio, "messages", 1)
            except OverBudget as error:
                assert error.details["overage"] == "drop"
            else:
                got.append(1)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20


def test_what_has_expired_can_not_be_settled_as_well(bench: Bench) -> None:
    studio = new_id()
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "tokens", "hour", 10, "degrade")
        ttl = timedelta(minutes=1)
        reservation = budgets.reserve(connection, bench.clocks, studio, "tokens", 10, expires_in=ttl)
        assert budgets.expire_reservations(connection, bench.real.now() + ttl) == 1
        with pytest.raises(NotFound):
            budgets.settle(connection, reservation, 5)
        budgets.consume(connection, bench.clocks, studio, "tokens", 10)
