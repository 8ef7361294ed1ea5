"""What circuit breakers promise: who is away costs no call, and one call finds out that they are back."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.breakers import Breaker, Breakers, Rule, State
from pilar.clocks import ManualClock
from pilar.errors import CircuitOpen
from tests.fixtures.work import START

RULE = Rule(failures=3, within=timedelta(minutes=1), rest=timedelta(seconds=10), longest_rest=timedelta(seconds=35))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def breaker(clock: ManualClock) -> Breaker:
    return Breaker("Acme", clock, RULE)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(OSError), breaker.guarding(OSError):
            raise OSError


def state(breaker: Breaker) -> State:
    return breaker.snapshot().state


def test_it_opens_after_failures_in_a_row_and_then_says_when_to_come_back(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 2)
    assert state(breaker) is State.CLOSED
    fail(breaker)
    clock.advance(timedelta(seconds=4))
    with pytest.raises(CircuitOpen) as refused, breaker.guarding(OSError):
        raise AssertionError("it was let through")
    assert refused.value.retry_after == timedelta(seconds=6)
    assert breaker.snapshot().retry_at == START + timedelta(seconds=10)


def test_an_answer_between_failures_and_failures_long_apart_leave_it_closed(
    breaker: Breaker, clock: ManualClock
) -> None:
    fail(breaker, 2)
    with breaker.guarding(OSError):
        pass
    fail(breaker, 2)
    clock.advance(RULE.within)
    fail(breaker, 2)
    assert state(breaker) is State.CLOSED


def test_one_probe_goes_after_the_rest_and_its_answer_lets_all_through(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    clock.advance(RULE.rest)
    breaker.check()
    term = breaker.enter()
    for refused in (breaker.enter, breaker.check):
        with pytest.raises(CircuitOpen):
            refused()
    breaker.succeeded(term)
    assert state(breaker) is State.CLOSED
    breaker.enter()
    breaker.enter()


def test_each_probe_that_fails_doubles_the_rest_up_to_the_longest(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    rests = []
    for _ in range(4):
        retry_at = breaker.snapshot().retry_at
        assert retry_at
        rests.append((retry_at - clock.now()).total_seconds())
        clock.advance(retry_at - clock.now())
        fail(breaker)
    assert rests == [10, 20, 35, 35]
    assert breaker.snapshot().since == START


def test_a_probe_that_died_or_had_nothing_to_say_makes_room_for_the_next(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    clock.advance(RULE.rest)
    with pytest.raises(KeyboardInterrupt), breaker.guarding(OSError):
        raise KeyboardInterrupt
    breaker.enter()  # and it never comes back
    with pytest.raises(CircuitOpen):
        breaker.enter()
    clock.advance(RULE.probe)
    breaker.succeeded(breaker.enter())
    assert state(breaker) is State.CLOSED


def test_what_calls_from_before_have_to_say_is_no_news(breaker: Breaker, clock: ManualClock) -> None:
    early = breaker.enter()
    fail(breaker, 3)
    breaker.succeeded(early)
    assert state(breaker) is State.OPEN
    clock.advance(RULE.rest)
    probe = breaker.enter()
    breaker.failed(early)
    breaker.abandoned(early)
    assert state(breaker) is State.HALF_OPEN
    breaker.succeeded(probe)
    breaker.failed(early)
    assert breaker.snapshot().failures == 0


def test_of_many_threads_one_is_the_probe(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    clock.advance(RULE.rest)
    through, together = [], threading.Barrier(8)

    def knock() -> None:
        together.wait()
        with suppress(CircuitOpen):
            through.append(breaker.enter())

    threads = [threading.Thread(target=knock) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(through) == 1


@given(steps=st.lists(st.sampled_from(["call", "answer", "fail", "abandon", "pass"]), max_size=60))
def test_whatever_happens_it_never_lets_two_through_while_open_and_never_stays_shut_for_good(steps: list[str]) -> None:
    clock = ManualClock(START)
    breaker = Breaker("Acme", clock, RULE)
    under_way: list[int] = []
    for step in steps:
        before = state(breaker)
        if step == "call":
            try:
                under_way.append(breaker.enter())
            except CircuitOpen as refused:
                assert before is not State.CLOSED
                assert refused.retry_after is not None
                assert timedelta(0) < refused.retry_after <= RULE.longest_rest
            else:
                assert before is State.CLOSED or state(breaker) is State.HALF_OPEN
        elif step == "pass":
            clock.advance(timedelta(seconds=7))
        elif under_way:
            term = under_way.pop()
            {"answer": breaker.succeeded, "fail": breaker.failed, "abandon": breaker.abandoned}[step](term)
    clock.advance(max(RULE.longest_rest, RULE.probe))
    breaker.succeeded(breaker.enter())
    assert state(breaker) is State.CLOSED


def test_a_process_knows_its_breakers_by_name(clock: ManualClock) -> None:
    breakers = Breakers(clock)
    fail(breakers.of("Stripe", RULE), 3)
    assert breakers.of("Stripe") is breakers.of("Stripe")
    breakers.of("Meta")
    assert [(seen.name, seen.state.value, seen.failures) for seen in breakers.snapshot()] == [
        ("Meta", "closed", 0),
        ("Stripe", "open", 3),
    ]
