"""What the effect ledger promises: an effect happens once, wherever the process dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilar.backplane import budgets
from pilar.backplane.effects import Effect, EffectLedger
from pilar.database.engine import Scope
from pilar.errors import Busy, OutcomeUnknown, OverBudget, Permanent, Transient
from pilar.ids import new_id
from tests.fixtures.work import Bench
from tests.properties import examples

TIMEOUT = timedelta(seconds=10)
OVER = timedelta(seconds=20)


class Killed(BaseException):
    """The process died: nothing after this runs."""


class Shop:
    """A provider without idempotency keys, that can be asked what was bought."""

    def __init__(self) -> None:
        self.bought = 0

    def buy(self, outcome: str) -> dict[str, Any]:
        if outcome == "refused":
            raise Permanent("out of stock")
        if outcome == "busy":
            raise Transient("429")
        if outcome == "died before":
            raise Killed
        self.bought += 1
        if outcome == "died after":
            raise Killed
        if outcome == "no answer":
            raise OutcomeUnknown
        return {"sid": "PN1"}

    def find(self) -> dict[str, Any] | None:
        return {"sid": "PN1"} if self.bought else None


def _effect(call: Callable[[], dict[str, Any]], **options: Any) -> Effect:
    return Effect(kind="test.buy", key="studio-1", call=call, **options)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcomes=st.lists(st.sampled_from(["busy", "died before", "died after", "no answer"]), max_size=6))
def test_however_often_it_fails_or_dies_it_is_bought_once(bench: Bench, outcomes: list[str]) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)
    shop, key = Shop(), str(new_id())
    for outcome in [*outcomes, "fine"]:
        try:
            answer = ledger.perform(Effect("test.buy", key, call=lambda: shop.buy(outcome), find=shop.find))  # noqa: B023
        except (Killed, OutcomeUnknown, Transient):
            bench.real.advance(OVER)
    assert answer == {"sid": "PN1"}
    assert shop.bought == 1
    assert ledger.perform(Effect("test.buy", key, call=lambda: shop.buy("fine"))) == {"sid": "PN1"}
    assert shop.bought == 1


def test_while_an_attempt_may_be_under_way_nobody_else_begins_one(bench: Bench) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)
    shop = Shop()
    with pytest.raises(Killed):
        ledger.perform(_effect(lambda: shop.buy("died after"), find=shop.find))
    with pytest.raises(Busy) as busy:
        ledger.perform(_effect(lambda: shop.buy("fine"), find=shop.find))
    assert busy.value.retry_after == TIMEOUT + timedelta(seconds=5)
    assert shop.bought == 1


def test_two_threads_at_once_have_one_effect(bench: Bench) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)
    shop, inside, errors = Shop(), threading.Barrier(2, timeout=10), []

    def slow() -> dict[str, Any]:
        inside.wait()
        return shop.buy("fine")

    def other() -> None:
        try:
            ledger.perform(_effect(lambda: shop.buy("fine")))
        except Busy as error:
            errors.append(error)

    first = threading.Thread(target=lambda: ledger.perform(_effect(slow)))
    first.start()
    while bench.rows("select state from effect") != [("attempted",)]:
        pass
    other()
    inside.wait()
    first.join()
    assert shop.bought == 1
    assert len(errors) == 1


def test_a_refusal_is_final_and_says_why(bench: Bench) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)
    with pytest.raises(Permanent, match="out of stock"):
        ledger.perform(_effect(lambda: Shop().buy("refused")))
    assert bench.rows("select state, error from effect") == [("failed", "out of stock")]


def test_what_must_not_be_repeated_is_not_when_its_outcome_is_unknown(bench: Bench) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)
    shop = Shop()
    with pytest.raises(OutcomeUnknown):
        ledger.perform(_effect(lambda: shop.buy("no answer"), repeatable=False))
    bench.real.advance(OVER)
    with pytest.raises(Permanent, match="risked twice"):
        ledger.perform(_effect(lambda: shop.buy("fine"), repeatable=False))
    assert shop.bought == 1
    assert bench.one("select state from effect") == "unknown"


def test_an_attempt_uses_the_studios_budget_and_none_is_made_over_it(bench: Bench) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)
    studio, shop = new_id(), Shop()
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "api_calls", "hour", 1, "queue")
    with pytest.raises(Transient):
        ledger.perform(_effect(lambda: shop.buy("busy"), workspace_id=studio))
    with pytest.raises(OverBudget) as over:
        ledger.perform(_effect(lambda: shop.buy("fine"), workspace_id=studio))
    assert over.value.retry_after == timedelta(hours=1)
    assert shop.bought == 0
    bench.business.advance(timedelta(hours=1))
    ledger.perform(_effect(lambda: shop.buy("fine"), workspace_id=studio))
    assert shop.bought == 1
