"""The event types of the source document: each is known, typed, versioned, and somebody does something about it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pilar.app import App, build_app
from pilar.backplane.facts import Kind
from pilar.backplane.posting import postable
from pilar.crypto import new_key
from pilar.database.engine import Database
from pilar.settings import Settings

COACH = (
    "coach.morning_nudge",
    "coach.missed_training_nudge",
    "coach.weekly_checkin",
    "coach.goal_progress_report",
    "coach.nutrition_reminder",
    "coach.motivation_message",
)
HEALTH = (
    "health.webhook_check",
    "health.queue_check",
    "health.rate_limit_check",
    "health.integration_check",
    "health.ai_provider_check",
)
PROVISIONING = (
    "provisioning.workspace_setup",
    "provisioning.twilio_retry",
    "provisioning.whatsapp_retry",
    "provisioning.webhook_recreate",
)
SUPPORT = ("support.auto_reply_request", "support.escalation_needed", "support.incident_created")


@pytest.fixture
def app() -> Iterator[App]:
    """The system, put together; no database is needed to ask it who does what."""
    made = build_app(
        Settings(secret_keys=new_key()), database=Database("postgresql://nobody@127.0.0.1:9/none"), clocks=None
    )
    yield made
    made.close()


@pytest.mark.parametrize("name", [*COACH, *HEALTH, *PROVISIONING, *SUPPORT])
def test_each_type_is_known_typed_and_handled(app: App, name: str) -> None:
    payload = app.registry.payloads[Kind.EVENT, name]
    assert payload.type_name == name
    assert payload.version >= 1
    assert payload.model_config.get("extra") == "forbid"
    assert payload.model_config.get("frozen")
    assert app.registry.handlers_of(Kind.EVENT, name)


def test_a_studio_may_ask_for_help_and_never_speak_for_the_system(app: App) -> None:
    found = set(postable(app.registry, Kind.EVENT, any_type=False))
    assert found >= {*COACH, *HEALTH, *SUPPORT}
    assert not [name for name in found if name.startswith(("provisioning.", "incident.", "stripe."))]


def test_no_two_payloads_share_a_name(app: App) -> None:
    assert all(payload.type_name == name for (_, name), payload in app.registry.payloads.items())
