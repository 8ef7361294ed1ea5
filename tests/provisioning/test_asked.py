"""Provisioning that is asked for by event: it goes on where it stands, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pilar.backplane.facts import Cause, Event, Payload, emit
from pilar.backplane.work import list_events
from pilar.database.engine import Scope
from pilar.errors import Permanent
from pilar.ids import new_id
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import VERSION
from pilar.provisioning.events import TwilioRetry, WebhookRecreate, WhatsAppRetry, WorkspaceSetup
from pilar.workspaces.credentials import unseal
from pilar.workspaces.store import get_integration
from tests.fixtures.system import System


def _ask(system: System, payload: Payload) -> Any:
    """Ask, have what follows happen, and return the result or the error."""
    studio = system.column("select workspace_id from provisioning_job")[0]
    event = Event(payload=payload, key=str(new_id()), aggregate=("workspace", str(studio)), workspace_id=studio)
    with system.database.transaction(Scope.fleet()) as connection:
        emit(connection, system.app.clocks, [event], Cause.new())
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        state = next(one for one in list_events(connection) if one.idempotency_key == event.key)
    return state.handlers[0].result or state.error


def test_a_stuck_job_goes_on_from_the_step_that_is_meant(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise Permanent("Twilio has suspended the parent account.")

    with monkeypatch.context() as patched:
        patched.setattr(TwilioGateway, "create_subaccount", refuse)
        system.sandbox.sign_up()
        system.settle()
        assert _ask(system, WorkspaceSetup()) == {"resumed": "twilio_subaccount"}
        assert system.column("select state from provisioning_job") == ["failed"], "the reason is there still"
    assert _ask(system, WhatsAppRetry()) == {"resumed": None, "why": "The studio stands at twilio_subaccount."}
    assert _ask(system, TwilioRetry()) == {"resumed": "twilio_subaccount"}
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["twilio.subaccount_created"] == 1
    for payload in (WorkspaceSetup(), TwilioRetry(), WhatsAppRetry()):
        assert _ask(system, payload) == {"resumed": None, "why": "The studio is ready."}
    assert system.sandbox.effects()["twilio.number_bought"] == 1


def test_webhooks_that_are_not_sent_to_us_any_more_are_asked_for_again(system: System) -> None:
    system.sandbox.sign_up()
    system.settle()
    assert _ask(system, WebhookRecreate()) == {"subscribed_anew": False}
    studio = system.column("select workspace_id from workspace")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        integration = get_integration(connection, studio, "whatsapp")
    assert integration is not None
    token = unseal(system.app.box, integration)["access_token"]
    base = system.app.settings.meta_api_base
    answer = httpx.delete(
        f"{base}/{VERSION}/{integration.external_id}/subscribed_apps",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert answer.status_code == 200
    graph = system.app.gateways.graph
    assert not graph.subscribed(token, str(integration.external_id))
    assert _ask(system, WebhookRecreate()) == {"subscribed_anew": True}
    assert graph.subscribed(token, str(integration.external_id))
    assert system.column("select action from audit_log where action like 'provisioning.webhooks%%'") == [
        "provisioning.webhooks_recreated"
    ]
