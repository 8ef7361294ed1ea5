"""The world that each contract is walked in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import GraphClient
from provider_sandbox.testing import running_sandbox, sandbox_config
from tests.contract.world import World, settings_for
from tests.providers.local_http import Answer, running_server


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Our clients and a sandbox; a test may say with `indirect` what is different in the sandbox's configuration."""
    config = sandbox_config(tmp_path / "state", **getattr(request, "param", {}))
    with running_server() as hooks, running_sandbox(config) as sandbox:
        hooks.answers(Answer(200, {}))
        settings = settings_for(sandbox)
        world = World(sandbox, hooks, settings, StripeGateway(settings), TwilioGateway(settings), GraphClient(settings))
        yield world
        for gateway in (world.stripe, world.twilio, world.graph):
            gateway.close()
