"""Business time in the sandbox can be moved; real time can not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stripe
from starlette.testclient import TestClient

from pilar.clocks import ClockSetting, ManualClock
from provider_sandbox.app import create_app
from provider_sandbox.clock import as_text, real_seconds
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.conftest import stripe_client
from tests.provider_sandbox.graph import connected
from tests.provider_sandbox.product import Answer, Product, Received

FUTURE = datetime(2031, 5, 1, 9, tzinfo=UTC)


def test_business_time_runs_from_its_anchor_at_its_rate(tmp_path: Path):
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with TestClient(create_app(sandbox_config(tmp_path), clock)) as client:
        setting = {"real_anchor": clock.now().isoformat(), "business_anchor": FUTURE.isoformat(), "rate": 60}
        assert client.put("/control/clock", json=setting).json() == {"business_now": FUTURE.isoformat()}
        clock.advance(timedelta(minutes=1))
        again = client.put("/control/clock", json=setting).json()
        assert again == {"business_now": (FUTURE + timedelta(hours=1)).isoformat()}
        assert client.delete("/control/clock").json() == {"business_now": clock.now().isoformat()}


def test_a_moment_needs_a_zone_and_time_does_not_run_backwards(sandbox: RunningSandbox):
    good = {"real_anchor": FUTURE.isoformat(), "business_anchor": FUTURE.isoformat(), "rate": 1}
    for wrong in ({"real_anchor": "2031-05-01T09:00:00"}, {"rate": -1}, {"speed": 2}):
        assert sandbox.client.put("/control/clock", json=good | wrong).status_code == 422


def test_stripes_objects_carry_business_time_and_its_signatures_real_time(sandbox: RunningSandbox, product: Product):
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=FUTURE)
    ids = sandbox.sign_up()
    sandbox.wait_idle()

    created = stripe_client(sandbox).v1.subscriptions.retrieve(ids["subscription"]).created
    assert timedelta(0) <= datetime.fromtimestamp(created, UTC) - FUTURE < timedelta(hours=1)
    for request in product.at("/hook"):
        secret = sandbox.config.stripe_webhook_secret
        event = stripe.Webhook.construct_event(request.body, request.headers["stripe-signature"], secret)
        assert event.created == created


@pytest.mark.parametrize("reset", [False, True])
def test_the_clock_stays_as_it_is_over_a_restart(tmp_path: Path, reset: bool):
    config = sandbox_config(tmp_path)
    with running_sandbox(config) as sandbox:
        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=FUTURE)
        if reset:
            sandbox.reset_clock()
    with running_sandbox(config) as sandbox:
        created = sandbox.sign_up()["customer"]
        moment = stripe_client(sandbox).v1.customers.retrieve(created).created
        assert (datetime.fromtimestamp(moment, UTC) >= FUTURE) is not reset


def test_the_way_to_a_moment_of_business_time_takes_as_long_as_its_rate_says():
    def setting(rate: float) -> str:
        return as_text(ClockSetting(FUTURE, FUTURE, rate))

    hour = timedelta(hours=1)
    assert real_seconds(None, hour) == 3600
    assert real_seconds(setting(60), hour) == 60
    assert real_seconds(setting(0), hour) is None
    assert real_seconds(setting(60), -hour) == 0


def test_a_pause_ends_by_itself_while_business_time_runs(tmp_path: Path, product: Product):
    config = sandbox_config(tmp_path, meta_webhook_url=f"{product.url}/hook")
    ended = threading.Event()

    def respond(request: Received) -> Answer:
        if b"UNPAUSE" in request.body:
            ended.set()
        return Answer()

    product.respond = respond
    with running_sandbox(config) as sandbox:
        studio = connected(sandbox.client, config)
        studio.graph.submit("offer", "Kom langs!")
        sandbox.wait_idle()
        # Three hours pass in a tenth of a second, and nobody asks for anything meanwhile.
        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=FUTURE, rate=36000 * 3)
        sandbox.set_template_quality(studio.graph.waba, "offer", "nl", "RED")
        assert ended.wait(30)
