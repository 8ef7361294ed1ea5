"""A sandbox, a product for it to talk to, and the providers' own SDKs pointed at it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.graph import Graph, Studio, connected
from tests.provider_sandbox.product import Product, running_product
from tests.provider_sandbox.stripe_life import START, Life


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    with running_sandbox(sandbox_config(tmp_path / "state")) as running:
        yield running


@pytest.fixture
def product() -> Iterator[Product]:
    with running_product() as running:
        yield running


class Rewritten(TwilioHttpClient):
    """Sends what is meant for Twilio to the sandbox."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base = f"{base_url}/twilio"

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Response:
        return super().request(method, re.sub(r"^https://\w+\.twilio\.com", self._base, url), *arguments, **options)


def twilio_client(sandbox: RunningSandbox, sid: str | None = None, token: str | None = None) -> Client:
    """The SDK as the parent account, or as the account that is given."""
    config = sandbox.config
    return Client(
        sid or config.twilio_account_sid,
        token or config.twilio_auth_token,
        http_client=Rewritten(sandbox.base_url),
    )


def stripe_client(sandbox: RunningSandbox, key: str | None = None) -> stripe.StripeClient:
    return stripe.StripeClient(
        key or sandbox.config.stripe_api_key,
        base_addresses={"api": f"{sandbox.base_url}/stripe"},
        max_network_retries=0,
    )


@pytest.fixture
def twilio(sandbox: RunningSandbox) -> Iterator[Client]:
    client = twilio_client(sandbox)
    yield client
    client.http_client.session.close()


@pytest.fixture
def payments(sandbox: RunningSandbox) -> stripe.StripeClient:
    return stripe_client(sandbox)


@pytest.fixture
def life(sandbox: RunningSandbox, payments: stripe.StripeClient) -> Life:
    life = Life(sandbox, payments)
    life.at(START)
    return life


@pytest.fixture
def graph(sandbox: RunningSandbox) -> Graph:
    return Graph(sandbox.client, sandbox.config)


@pytest.fixture
def studio(sandbox: RunningSandbox) -> Studio:
    return connected(sandbox.client, sandbox.config)


@pytest.fixture
def told(sandbox: RunningSandbox, product: Product) -> Callable[[], list[dict[str, Any]]]:
    return told_by(sandbox, product)


def told_by(sandbox: RunningSandbox, product: Product) -> Callable[[], list[dict[str, Any]]]:
    """Meta's webhooks come to the product; what is returned waits until nothing is under way and gives the bodies."""
    sandbox.set_targets(meta_webhook_url=f"{product.url}/hook")

    def bodies() -> list[dict[str, Any]]:
        sandbox.wait_idle()
        return product.documents("/hook")

    return bodies
