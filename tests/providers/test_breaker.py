"""Who does not answer is left alone: what counts as that, and that nothing is asked meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from pilar.app import ready
from pilar.backplane import budgets
from pilar.backplane.breakers import Breakers, Rule, State
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.handlers import Work
from pilar.clocks import ManualClock
from pilar.database.engine import Scope
from pilar.errors import CircuitOpen, Conflict, Invalid, NotConfigured, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.ids import new_id
from pilar.providers.calls import Provider, Refusal
from pilar.providers.email.errors import MAIL
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.whatsapp.errors import META
from pilar.settings import Settings
from tests.fixtures.work import START, Bench
from tests.providers.local_http import Answer, LocalServer, Misbehaviour

ACME = Provider("Acme", {"taken": Conflict, "denied": Permanent}, unwell=frozenset({"sick"}))


@pytest.fixture
def breakers() -> Breakers:
    return Breakers(ManualClock(START))


def state_after(breakers: Breakers, provider: Provider, error: Exception, times: int = Rule.failures) -> State:
    guarded = provider.guarded(breakers)
    raised = type(error) if not isinstance(error, Refusal | httpx.HTTPError) else PilarError
    for _ in range(times):
        with pytest.raises(raised), guarded.changes("operation"):
            raise error
    return breakers.of(provider.name).snapshot().state


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("silent"),
        httpx.RemoteProtocolError("hung up"),
        Refusal(500),
        Refusal(503, retry_after=timedelta(seconds=3)),
        Refusal(400, "sick"),
        Transient("could not be reached"),
        OutcomeUnknown("broke off"),
    ],
    ids=str,
)
def test_no_answer_in_a_row_opens_it(breakers: Breakers, error: Exception) -> None:
    assert state_after(breakers, ACME, error, Rule.failures - 1) is State.CLOSED
    assert state_after(breakers, ACME, error, 1) is State.OPEN


@pytest.mark.parametrize(
    "error",
    [
        Refusal(400),
        Refusal(401),
        Refusal(404),
        Refusal(408),
        Refusal(429),
        Refusal(409, "taken"),
        Refusal(500, "denied"),
        Transient("greylisted", provider_code="450"),
        NotConfigured("no key"),
        Invalid("no address"),
        httpx.UnsupportedProtocol("ftp"),
        ZeroDivisionError("ours"),
    ],
    ids=str,
)
def test_an_answer_and_a_fault_of_ours_leave_it_closed(breakers: Breakers, error: Exception) -> None:
    assert state_after(breakers, ACME, error, 3 * Rule.failures) is State.CLOSED


def test_the_codes_by_which_meta_and_mail_say_that_they_are_not_well_count(breakers: Breakers) -> None:
    assert state_after(breakers, META, Refusal(400, "131016")) is State.OPEN
    assert state_after(breakers, MAIL, Transient("closing", provider_code="421")) is State.OPEN


@pytest.mark.parametrize("limit_of_one_number", ["131056", "130429", "80007"])
def test_one_numbers_limits_keep_nobody_else_from_meta(breakers: Breakers, limit_of_one_number: str) -> None:
    assert state_after(breakers, META, Refusal(400, limit_of_one_number), 3 * Rule.failures) is State.CLOSED


def test_a_fault_of_ours_as_the_probe_is_no_proof_that_the_provider_is_back(breakers: Breakers) -> None:
    assert state_after(breakers, ACME, Refusal(503)) is State.OPEN
    breakers.of("Acme")._clock.advance(Rule.rest)  # type: ignore[attr-defined]
    assert state_after(breakers, ACME, Invalid("ours"), 1) is State.OPEN
    with ACME.guarded(breakers).reads("operation"):
        pass
    assert breakers.of("Acme").snapshot().state is State.CLOSED


def test_a_provider_that_is_away_is_not_asked_until_one_call_finds_it_back(
    server: LocalServer, settings_at: Callable[..., Settings]
) -> None:
    clock = ManualClock(START)
    breakers = Breakers(clock)
    gateway = StripeGateway(settings_at(server.base), breakers)
    server.answers(Answer(503, {"error": {"type": "api_error", "message": "down"}}))
    for _ in range(Rule.failures):
        with pytest.raises(Transient):
            gateway.invoice("in_1")
    asked = len(server.requests)
    with pytest.raises(CircuitOpen) as refused:
        gateway.invoice("in_1")
    assert refused.value.retry_after == Rule.rest
    assert len(server.requests) == asked == Rule.failures
    clock.advance(Rule.rest)
    server.answers(Misbehaviour.RESET)
    with pytest.raises(Transient):
        gateway.invoice("in_1")
    clock.advance(2 * Rule.rest)
    server.answers(Answer(404, {"error": {"code": "resource_missing", "message": "none"}}))
    for _ in range(2):
        with pytest.raises(Permanent):
            gateway.invoice("in_1")
    assert [(seen.name, seen.state) for seen in breakers.snapshot()] == [("Stripe", State.CLOSED)]
    gateway.close()


def test_an_effect_whose_provider_is_left_alone_stays_an_intent_and_costs_no_call(bench: Bench) -> None:
    breakers, studio, asked = Breakers(bench.real), new_id(), []
    meta = META.guarded(breakers)
    assert state_after(breakers, META, Refusal(503)) is State.OPEN

    def call() -> dict[str, object]:
        with meta.changes("send"):
            asked.append(1)
            return {"id": "1"}

    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, budgets.API_CALLS, "day", 1, "queue")
    ledger = EffectLedger(bench.database, bench.clocks, timeout=timedelta(seconds=10), ready=ready(breakers))
    effect = Effect("whatsapp.send", "k", call=call, workspace_id=studio)
    for _ in range(3):
        with pytest.raises(CircuitOpen):
            ledger.perform(effect)
    assert bench.rows("select state, attempts, attempted_at from effect") == [("intent", 0, None)]
    assert asked == []
    bench.real.advance(Rule.rest)
    assert ledger.perform(effect) == {"id": "1"}


def test_an_effect_that_finds_the_breaker_open_at_the_last_moment_is_an_intent_again(bench: Bench) -> None:
    breakers = Breakers(bench.real)
    acme = ACME.guarded(breakers)
    assert state_after(breakers, ACME, Refusal(503)) is State.OPEN

    def call() -> dict[str, object]:
        with acme.changes("buy"):
            return {"id": "1"}

    with pytest.raises(CircuitOpen):
        EffectLedger(bench.database, bench.clocks, timeout=timedelta(seconds=10)).perform(Effect("a.b", "k", call=call))
    assert bench.one("select state from effect") == "intent"


def test_work_that_meets_an_open_breaker_waits_and_uses_up_no_attempt(bench: Bench) -> None:
    breakers, seen = Breakers(bench.real), []
    acme = ACME.guarded(breakers)
    assert state_after(breakers, ACME, Refusal(503)) is State.OPEN

    def look(work: Work[Any]) -> None:
        with acme.reads("look"):
            seen.append(work.attempts)

    bench.on_chore(look, outside=True)
    bench.ask("a", max_attempts=1)
    assert bench.run() == 1
    bench.real.advance(Rule.rest / 2)
    assert bench.run() == 0
    bench.real.advance(Rule.rest)
    assert bench.run() == 1
    assert seen == [1]
    assert bench.rows("select outcome from queue_log order by finished_at") == [("snoozed",), ("done",)]
