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
def world(tmp_path: Path) -> Iterator[World]:
    with running_server() as hooks, running_sandbox(sandbox_config(tmp_path / "state")) as sandbox:
        hooks.answers(Answer(200, {}))
        settings = settings_for(sandbox)
        world = World(sandbox, hooks, settings, StripeGateway(settings), TwilioGateway(settings), GraphClient(settings))
        yield world
        for gateway in (world.stripe, world.twilio, world.graph):
            gateway.close()
