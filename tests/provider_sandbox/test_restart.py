"""A sandbox that is killed knows afterwards what it knew before."""

from __future__ import annotations

import itertools
import json
import queue
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pilar.clocks import SystemClock
from provider_sandbox.config import SandboxConfig
from provider_sandbox.state import State
from provider_sandbox.testing import RunningSandbox, sandbox_config
from tests.provider_sandbox.conftest import twilio_client
from tests.provider_sandbox.product import Answer, Received, running_product

OPTIONS = (
    *("stripe_api_key", "stripe_webhook_secret", "twilio_account_sid", "twilio_auth_token"),
    *("meta_app_id", "meta_app_secret", "meta_verify_token", "state"),
)


@contextmanager
def own_process(config: SandboxConfig, directory: Path, **options: str) -> Iterator[RunningSandbox]:
    """The sandbox as `python -m provider_sandbox`, killed without warning at the end."""
    given = {name: str(getattr(config, name)) for name in OPTIONS} | options
    port_file = directory / "ports.json"
    given |= {"port": "0", "smtp_port": "0", "port_file": str(port_file)}
    words = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    with subprocess.Popen(
        [sys.executable, "-m", "provider_sandbox", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("sandbox: http://127.0.0.1:")
        ports = json.loads(port_file.read_text())
        base_url = f"http://127.0.0.1:{ports['port']}"
        try:
            with httpx.Client(base_url=base_url, timeout=30) as client:
                yield RunningSandbox(base_url, ports["smtp_port"], config, client)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_nothing_is_lost_when_it_is_killed(tmp_path: Path):
    config = sandbox_config(tmp_path / "state")
    with running_product() as product:
        product.respond = lambda _request: Answer(503)
        hook = {"stripe_webhook_url": f"{product.url}/hook"}
        with own_process(config, tmp_path, **hook) as sandbox:
            twilio = twilio_client(sandbox)
            account = twilio.api.v2010.accounts.create(friendly_name="studio-1")
            twilio.http_client.session.close()
            ids = sandbox.sign_up()
            effects = sandbox.effects()

        product.respond = lambda _request: Answer(200)
        with own_process(config, tmp_path) as sandbox:
            assert sandbox.client.get("/control/health").json() == {"status": "ok"}
            sandbox.client.post("/control/deliveries/hurry").raise_for_status()
            sandbox.wait_idle()
            twilio = twilio_client(sandbox)
            assert [one.sid for one in twilio.api.v2010.accounts.list(friendly_name="studio-1")] == [account.sid]
            twilio.http_client.session.close()
            assert sandbox.effects() == effects == {"twilio.subaccount_created": 1}
            deliveries = sandbox.deliveries()
            state = sandbox.client.get("/control/state").json()

    assert [row["event_id"] for row in deliveries] == ids["events"]
    assert all(row["delivered"] for row in deliveries)
    assert (state["objects"]["stripe.customer"], state["objects"]["stripe.price"]) == (1, 2)
    assert (state["pending_deliveries"], state["pending_owners"]) == (0, 0)


@pytest.mark.slow
def test_nothing_is_doubled_when_it_is_killed_in_the_middle_of_each_webhook(tmp_path: Path):
    """Each process delivers what the former one was killed over, and is killed over the next."""
    config = sandbox_config(tmp_path / "state")
    kills = 5
    begun: queue.SimpleQueue[int] = queue.SimpleQueue()
    numbers = itertools.count(1)
    over = threading.Event()

    def answered_every_other_time(_request: Received) -> Answer:
        number = next(numbers)
        if number % 2 and not over.is_set():
            begun.put(number)
            over.wait(60)
        return Answer(200)

    rules = [{"provider": "stripe", "direction": "webhook", "kind": "duplicate", "probability": 0.5}]
    with running_product() as product:
        product.respond = answered_every_other_time
        for kill in range(kills):
            with own_process(config, tmp_path, stripe_webhook_url=f"{product.url}/hook") as sandbox:
                if kill == 0:
                    sandbox.set_faults(3, rules)
                    ids = sandbox.sign_up()
                    kept = sandbox.client.get("/control/state").json()["objects"]["stripe.event"]
                begun.get(timeout=30)
        over.set()
        with own_process(config, tmp_path) as sandbox:
            sandbox.client.post("/control/deliveries/hurry").raise_for_status()
            sandbox.wait_idle()
            deliveries = sandbox.deliveries()
            struck = sandbox.faults()["struck"]
            counts = sandbox.client.get("/control/state").json()["objects"]
        received = Counter(request.body for request in product.at("/hook"))

    planned = Counter(ids["events"])
    assert struck > 0
    assert len(deliveries) == planned.total() + struck
    assert all(row["delivered"] for row in deliveries)
    # What a kill cut off came again, and nothing else did.
    assert received.total() == len(deliveries) + kills
    assert counts["stripe.customer"] == counts["stripe.subscription"] == counts["stripe.invoice"] == 1
    # More events are kept than the product's endpoint is sent.
    assert counts["stripe.event"] == kept >= len(planned)


@pytest.mark.slow
def test_what_was_done_before_it_was_killed_is_found_and_not_done_again(tmp_path: Path):
    config = sandbox_config(tmp_path / "state")
    raised: list[Exception] = []
    with own_process(config, tmp_path) as sandbox:
        sandbox.set_faults(1, [{"provider": "twilio", "kind": "accept_then_timeout", "most": 1}])

        def open_account() -> None:
            twilio = twilio_client(sandbox)
            try:
                twilio.api.v2010.accounts.create(friendly_name="studio-1")
            except Exception as error:
                raised.append(error)
            finally:
                twilio.http_client.session.close()

        asking = threading.Thread(target=open_account)
        asking.start()
        while not sandbox.effects():
            assert asking.is_alive()
    asking.join()
    assert raised, "the answer can't have come"

    with own_process(config, tmp_path) as sandbox:
        twilio = twilio_client(sandbox)
        assert len(twilio.api.v2010.accounts.list(friendly_name="studio-1")) == 1
        twilio.http_client.session.close()
        assert sandbox.effects() == {"twilio.subaccount_created": 1}
        # Struck once, before the kill, and at most once: the look-up above was answered.
        assert [rule["struck"] for rule in sandbox.faults()["rules"]] == [1]


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path):
    rings = []
    state = State(tmp_path, SystemClock(), lambda: rings.append(1))
    with pytest.raises(RuntimeError, match="halfway"), state.transaction() as tx:
        tx.put("kind", "1", {"a": 1})
        raise RuntimeError("halfway")
    with state.transaction() as tx:
        assert tx.get("kind", "1") is None
    assert rings == []
    with state.transaction() as tx:
        tx.put("kind", "1", {"a": 2}, owner="o", key="k")
    with state.transaction() as tx:
        assert tx.find("kind", owner="o", key="k") == [{"a": 2}]
        assert tx.find("kind", owner="other") == []
    state.close()
    assert rings == [1]
