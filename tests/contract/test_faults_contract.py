"""Providers that misbehave: what our clients make of each fault, and what has really happened then.

A call that changes something must never be told to have failed where it was done: that would be done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from pilar.backplane.breakers import Breakers, Rule
from pilar.clocks import ManualClock
from pilar.errors import CircuitOpen, OutcomeUnknown, Permanent, Transient
from pilar.ids import new_id
from pilar.providers.email.client import Mailer
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import GraphClient
from provider_sandbox.testing import running_sandbox, sandbox_config
from tests.contract.world import World, settings_for
from tests.providers.local_http import running_server

PATIENCE = 0.4
"""Seconds that the impatient client waits for an answer."""

Call = Callable[[], object]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all of these: what each test does has a name of its own."""
    with running_server() as hooks, running_sandbox(sandbox_config(tmp_path_factory.mktemp("state"))) as sandbox:
        settings = settings_for(sandbox)
        world = World(sandbox, hooks, settings, StripeGateway(settings), TwilioGateway(settings), GraphClient(settings))
        yield world
        for gateway in (world.stripe, world.twilio, world.graph):
            gateway.close()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    yield shared
    shared.sandbox.clear_faults()


@pytest.fixture
def name() -> str:
    """What this test opens an account for."""
    return f"w-{new_id()}"


def befall(world: World, provider: str, kind: str, **changes: Any) -> None:
    world.sandbox.set_faults(1, [{"provider": provider, "kind": kind} | changes])


def raised(call: Call) -> Transient:
    with pytest.raises(Transient) as caught:
        call()
    return caught.value


def reads(world: World) -> dict[str, Call]:
    """One call for each provider that changes nothing."""
    subscription = world.sandbox.sign_up()["subscription"]
    return {
        "stripe": lambda: world.stripe.subscription(subscription),
        "twilio": lambda: world.twilio.find_subaccount("nobody"),
        "meta": lambda: world.graph.granted_accounts("token"),
    }


def opens(world: World, name: str) -> Call:
    """A call that changes something and knows no idempotency key: the hardest of all."""
    return lambda: world.twilio.create_subaccount(name)


def opened(world: World, name: str) -> int:
    """How often that was really done, as the provider counts it; asking is never struck."""
    return world.sandbox.effects(provider="twilio", key=name).get("twilio.subaccount_created", 0)


@pytest.mark.parametrize(
    ("kind", "changes", "done"),
    [
        ("accept_then_timeout", {"seconds": 0.05}, 1),
        ("server_error", {"status": 503}, 0),
        ("server_error", {"status": 500, "when": "after"}, 1),
        ("malformed", {}, 1),
        ("disconnect", {"when": "before"}, 0),
        ("disconnect", {"when": "after"}, 1),
        ("outage", {}, 0),
    ],
)
def test_a_fault_that_hides_what_was_done_leaves_a_change_unknown_and_a_read_to_be_repeated(
    world: World, name: str, kind: str, changes: dict[str, Any], done: int
) -> None:
    calls = reads(world)
    befall(world, "twilio", kind, path="*/Accounts.json", **changes)
    assert type(raised(opens(world, name))) is OutcomeUnknown
    assert opened(world, name) == done
    for provider, call in calls.items():
        befall(world, provider, kind, **changes)
        assert type(raised(call)) is Transient, provider

    # Once it is over, a look tells which it was, and nothing needs to be done twice.
    world.sandbox.clear_faults()
    assert (world.twilio.find_subaccount(name) is not None) is bool(done)


def test_too_many_requests_is_no_by_everybody_with_the_wait_that_was_asked_for(world: World, name: str) -> None:
    calls = reads(world) | {"twilio, a change": opens(world, name)}
    for about, call in calls.items():
        befall(world, about.partition(",")[0], "rate_limited", seconds=7)
        error = raised(call)
        assert type(error) is Transient, about
        assert error.retry_after == timedelta(seconds=7), about
        assert error.details["status"] == 429, about
    assert opened(world, name) == 0


def test_a_slow_answer_is_waited_for_and_so_is_a_late_one(world: World, name: str) -> None:
    calls = reads(world)
    for kind in ("slow", "delay"):
        befall(world, "stripe", kind, seconds=0.2)
        calls["stripe"]()
        befall(world, "twilio", kind, seconds=0.2)
        opens(world, name)()
    assert opened(world, name) == 2


def test_who_gives_up_on_a_late_answer_does_not_know_and_who_gives_up_before_it_began_has_not_asked(
    world: World, name: str
) -> None:
    impatient = TwilioGateway(world.settings.model_copy(update={"provider_timeout_seconds": PATIENCE}))
    try:
        befall(world, "twilio", "accept_then_timeout")
        assert type(raised(lambda: impatient.create_subaccount(name))) is OutcomeUnknown
        assert opened(world, name) == 1
        befall(world, "twilio", "delay", seconds=60)
        assert type(raised(lambda: impatient.create_subaccount(name))) is OutcomeUnknown
        assert opened(world, name) == 1
    finally:
        impatient.close()


def test_the_end_of_a_plan_ends_what_it_made_wait(world: World, name: str) -> None:
    held = Thread(target=lambda: errors.append(raised(opens(world, name))))
    errors: list[Transient] = []
    befall(world, "twilio", "accept_then_timeout", seconds=600)
    held.start()
    while not opened(world, name):
        assert held.is_alive()
    world.sandbox.clear_faults()
    held.join(timeout=world.settings.provider_timeout_seconds / 2)
    assert not held.is_alive()
    assert [type(error) for error in errors] == [OutcomeUnknown]


def test_in_an_outage_the_provider_is_left_alone_and_asked_again_when_it_is_over(world: World) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    careful = TwilioGateway(world.settings, Breakers(clock))
    try:
        befall(world, "twilio", "outage")
        for _ in range(Rule.failures):
            assert type(raised(lambda: careful.find_subaccount("nobody"))) is Transient
        for _ in range(3):
            assert type(raised(lambda: careful.find_subaccount("nobody"))) is CircuitOpen
        assert world.sandbox.faults()["struck"] == Rule.failures
        world.sandbox.clear_faults()
        clock.advance(timedelta(minutes=5))
        assert careful.find_subaccount("nobody") is None
    finally:
        careful.close()


# Mail


def send(world: World, name: str) -> None:
    Mailer(world.settings).send(f"{name}@zon.example", "Link", "Click", None, f"{name}:mail")


def arrived(world: World, name: str) -> int:
    return len(world.sandbox.mails(f"{name}@zon.example"))


@pytest.mark.parametrize(
    ("kind", "changes", "error", "done"),
    [
        ("accept_then_timeout", {"seconds": 0.05}, OutcomeUnknown, 1),
        ("rate_limited", {}, Transient, 0),
        ("server_error", {}, Transient, 0),
        ("server_error", {"status": 554}, Permanent, 0),
        ("malformed", {}, OutcomeUnknown, 1),
        ("disconnect", {"when": "before"}, OutcomeUnknown, 0),
        ("disconnect", {"when": "after"}, OutcomeUnknown, 1),
        ("outage", {}, Transient, 0),
    ],
)
def test_a_mail_is_known_to_be_refused_or_of_unknown_fate(
    world: World, name: str, kind: str, changes: dict[str, Any], error: type[Exception], done: int
) -> None:
    befall(world, "mail", kind, path="*@zon.example", **changes)
    with pytest.raises(error) as caught:
        send(world, name)
    assert caught.type is error
    assert arrived(world, name) == done

    world.sandbox.clear_faults()
    send(world, name)
    assert arrived(world, name) == done + 1


@pytest.mark.parametrize("kind", ["slow", "delay"])
def test_a_mail_that_takes_its_time_arrives(world: World, name: str, kind: str) -> None:
    befall(world, "mail", kind, seconds=0.1)
    send(world, name)
    assert world.sandbox.faults()["struck"] == 1
    assert arrived(world, name) == 1
