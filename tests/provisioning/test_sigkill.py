"""The worker gets SIGKILL at each boundary between steps: the job goes on, and the providers saw each effect once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from pilar.settings import Settings
from tests.fixtures.system import System
from tests.provisioning.test_kills import ONCE

STEPS = (
    "customer_validation", "workspace_creation", "default_ai_agent", "training_logic", "followup_templates",
    "calendar_integration", "twilio_subaccount", "twilio_api_key", "phone_number_purchase", "whatsapp_connection",
    "whatsapp_registration", "template_approval", "whatsapp_prerequisites", "test_message", "health_monitoring",
    "activation",
)  # fmt: skip


def _plain(settings: Settings) -> dict[str, Any]:
    found = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {name: _told(one) for name, one in found.items()}


def _told(value: Any) -> Any:
    if isinstance(value, tuple) and value and isinstance(value[0], SecretStr):
        return ",".join(one.get_secret_value() for one in value)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _killed_at(system: System, step: str, boundary: str) -> None:
    asked = {"settings": _plain(system.app.settings), "url": system.database.url, "step": step, "at": boundary}
    worker = subprocess.run(
        [sys.executable, "-m", "tests.provisioning.dying_worker"],
        input=json.dumps(asked, default=str),
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert worker.returncode == -signal.SIGKILL, worker.stderr


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["begun", "done"])
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_is_killed_at_a_boundary_costs_nothing(system: System, step: str, boundary: str) -> None:
    system.sandbox.sign_up()
    _killed_at(system, step, boundary)
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert system.column("select distinct status from provisioning_step") == ["completed"]
    seen = {key: count for key, count in system.sandbox.effects_by_key().items() if key[0] in ONCE}
    assert {name for name, *_ in seen} == ONCE
    assert set(seen.values()) == {1}, seen
    assert len(system.sandbox.objects("twilio.key")) == 1, "and one key that lives"
    assert system.column("select error from dead_letter") == []


def test_each_step_has_its_boundaries(system: System) -> None:
    assert tuple(step.name for step in system.app.steps) == STEPS, "a step that is new is to be killed at too"
