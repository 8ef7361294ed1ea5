"""Where the story takes place: the whole product in this process, beside the sandbox, on a database of its own.

What belongs here: starting and ending it. What does not: what happens there (`plot.py`) and who drains (`driver.py`).

The door's clock is the machine's, since signatures are judged by it; the drain's real time is skipped to where a lease
or a delay ends; business time goes by itself, so that waiting for a provider makes no nudge late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Any

import httpx

from pilar.app import build_app
from pilar.clocks import Clocks, SystemClock
from pilar.database.engine import Database
from provider_sandbox.testing import running_sandbox, sandbox_config
from tests.fixtures.system import SkippingClock, System, TravellingClock, serving, settings_for

PROVIDER_TIMEOUT = 1.0
"""Seconds; a provider that lets a request hang costs so much each time."""


@dataclass
class Stage:
    """The running product; `system` drives the drain's part of it."""

    system: System

    @property
    def url(self) -> str:
        """Where the web service is."""
        return self.system.public_url


@contextmanager
def stage(database_url: str, state: Path, **changes: Any) -> Iterator[Stage]:
    """Start everything, and end it with the block.

    Args:
        database_url: a migrated, empty database; as its owner.
        state: an empty directory for the sandbox and the product's own files.
        changes: settings that differ.
    """
    settled = {"provider_timeout_seconds": PROVIDER_TIMEOUT, "home": state / "home", **changes}
    with (
        closing(Database(database_url)) as database,
        closing(Database(database_url, pool_size=4)) as at_the_door,
        running_sandbox(sandbox_config(state)) as sandbox,
        closing(create_server(("127.0.0.1", 0))) as listener,
    ):
        public_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = settings_for(sandbox.config, sandbox.base_url, sandbox.smtp_port, public_url, **settled)
        clock, business = SkippingClock(), TravellingClock(SkippingClock())
        app = build_app(settings, database=database, clocks=Clocks(business=business, real=clock))
        door = build_app(settings, database=at_the_door, clocks=Clocks(business=business, real=SystemClock()))
        try:
            with serving(door, listener):
                httpx.get(f"{public_url}/api/health/autopilot", trust_env=False)  # it listens
                sandbox.set_targets(
                    stripe_webhook_url=f"{public_url}/api/webhooks/stripe",
                    meta_webhook_url=f"{public_url}/api/webhooks/whatsapp",
                )
                yield Stage(System(app, sandbox, public_url, clock, business))
        finally:
            door.close()
            app.close()
