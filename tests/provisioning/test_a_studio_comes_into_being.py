"""A payment becomes an active studio, whatever the order, number and fate of what happens in between."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from pilar.database.engine import Scope
from pilar.errors import Conflict, OutcomeUnknown, Permanent, Transient
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning.retry import retry
from pilar.workspaces.store import load_configuration
from tests.fixtures.system import System

ONCE_PER_STUDIO = {
    "twilio.subaccount_created",
    "twilio.number_bought",
    "meta.waba_connected",
    "meta.number_added",
    "meta.code_requested",
    "meta.number_registered",
    "meta.app_subscribed",
    "mail.sent",
}


def _assert_all_active(system: System, studios: int) -> None:
    assert system.column("select state from workspace") == ["active"] * studios
    assert set(system.column("select status from provisioning_step")) == {"completed"}
    assert set(system.column("select state from provisioning_job")) == {"completed"}
    counts = {key: count for key, count in system.sandbox.effects_by_key().items() if key[0] in ONCE_PER_STUDIO}
    assert set(counts.values()) == {1}, counts
    assert system.sandbox.effects().items() >= dict.fromkeys(ONCE_PER_STUDIO, studios).items()
    assert system.column("select state from effect where state <> 'confirmed'") == []
    assert system.column("select error from dead_letter") == []
    with system.database.transaction(Scope.fleet()) as connection:
        now = {"real_now": system.clock.now(), "business_now": system.clock.now()}
        for invariant in system.app.invariants:
            assert connection.execute(text(invariant.query), _wanted(invariant.query, now)).all() == [], (
                invariant.promise
            )


def _wanted(query: str, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f":{name}" in query}


def test_payments_become_active_studios(system: System) -> None:
    for number in range(3):
        system.sandbox.sign_up(f"Studio {number}", email=f"owner{number}@studio.example", seed=number)
    system.settle()
    _assert_all_active(system, 3)
    duplicates = [delivery for delivery in system.sandbox.deliveries() if delivery["provider"] == "stripe"]
    assert len(duplicates) > system.column("select count(*) from inbox where provider = 'stripe'")[0] == 12


def test_a_new_studio_has_its_people_plan_and_defaults(system: System) -> None:
    system.sandbox.sign_up("Studio Noord", email="Anna@Studio.Example", plan="BASIC")
    system.settle()
    assert system.rows("select email, role from person join membership on person_id = person.id") == [
        ("anna@studio.example", "owner")
    ]
    assert system.rows("select status, plan, amount_minor, currency from subscription") == [
        ("active", "BASIC", 4900, "EUR")
    ]
    studio: UUID = system.column("select workspace_id from workspace")[0]
    with system.database.transaction(Scope.workspace(studio)) as connection:
        version, document = load_configuration(connection, studio)
    assert version == 5  # the profile, and four parts
    assert document.agent is not None
    assert "Studio Noord" in document.agent.system_prompt
    assert document.studio.language == "nl"
    assert document.coaching.enabled
    assert not document.feature("experiments")
    assert system.column("select count(distinct language) from message_template") == [2]
    assert system.column("select count(*) from booking_event_type") == [3]
    assert document.calendar is not None
    assert document.followups is not None
    assert set(system.rows("select part, version from workspace_template")) == {
        (part, 0) for part in ("agent", "coaching", "followups", "calendar")
    }
    assert system.column("select amount from budget_limit where resource = 'messages' and period = 'day'") == [1000]
    assert system.column("select text from activity_log") == ["Your studio is open: leads can write to its number."]
    assert set(system.column("select status from health_check")) == {"healthy"}


def test_credentials_are_nowhere_in_plain_text(system: System) -> None:
    system.sandbox.sign_up()
    system.settle()
    tokens = [account["auth_token"] for account in system.sandbox.objects("twilio.account") if "auth_token" in account]
    columns = system.rows("""
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and table_name <> 'inbox' and data_type in ('text', 'jsonb', 'bytea')
    """)
    assert tokens
    for table, column in columns:
        for value in system.column(f'select "{column}"::text from "{table}"'):
            assert not any(token in (value or "") for token in tokens), (table, column)


def test_the_owner_is_waited_for_by_name_with_a_link(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(system.app.settings.__dict__, "smtp_url", None)
    system.sandbox.sign_up()
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        (studio,) = system.app.overview.list_studios(connection)
    assert (studio.state, studio.steps_done, studio.steps_total) == ("waiting", 9, 16)
    assert studio.step
    assert (studio.step.title, studio.step.waits_on) == ("WhatsApp account", "studio")
    assert "No mail server" in (studio.step.wait_reason or "")
    link = studio.step.wait_link or ""
    walk_through_the_setup(link)
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert 'data-state="done"' in httpx.get(link, trust_env=False).text


def test_consent_that_was_used_up_by_a_crash_is_asked_for_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meta's code is good for one exchange: a crash between the exchange and keeping the token loses it."""
    original, lost = GraphClient.exchange_code, []

    def exchange(self: GraphClient, code: str, redirect_uri: str) -> str:
        token = original(self, code, redirect_uri)
        if not lost:
            lost.append(token)
            raise OutcomeUnknown
        return token

    monkeypatch.setattr(GraphClient, "exchange_code", exchange)
    system.sandbox.sign_up()
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["mail.sent"] == 2
    assert system.sandbox.effects()["meta.waba_connected"] == 1


def walk_through_the_setup(link: str, **chosen: str) -> None:
    """What an owner does with a browser; `chosen` is what they choose in Meta's dialog."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(link)
        (found,) = re.findall(r'<a[^>]*data-action="connect-whatsapp"[^>]*>', page.text)
        dialog = browser.get(html.unescape(re.findall(r'href="([^"]+)"', found)[0]))
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', dialog.text))
        action = re.findall(r'<form[^>]*action="([^"]+)"', dialog.text)
        target = str(dialog.url.join(html.unescape(action[0]))) if action else str(dialog.url)
        assert browser.post(target, data={**fields, **chosen, "decision": "accept"}).status_code == 200


def test_a_link_that_was_made_up_leads_nowhere(system: System) -> None:
    for path in ("/setup/setup_guess", "/setup/callback?code=x&state=setup_guess"):
        answer = httpx.get(f"{system.public_url}{path}", trust_env=False)
        assert answer.status_code == 404


def test_a_subscription_that_is_paid_twice_over_makes_one_studio(system: System) -> None:
    ids = system.sandbox.sign_up()
    system.settle()
    for event in ("a", "b"):
        deliver_stripe(system, event, ids["subscription"])
    system.settle()
    _assert_all_active(system, 1)


def test_a_setting_that_is_missing_makes_the_job_wait_on_us_and_go_on_when_it_is_there(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = system.app.settings
    monkeypatch.setitem(settings.__dict__, "twilio_auth_token", None)
    system.sandbox.sign_up()
    system.settle()
    waits = system.rows("select name, waits_on, wait_reason from provisioning_step where status = 'waiting'")
    assert [(row.name, row.waits_on) for row in waits] == [("twilio_subaccount", "us")]
    assert "PILAR_TWILIO_AUTH_TOKEN" in waits[0].wait_reason
    monkeypatch.undo()
    _retry(system)
    system.settle()
    _assert_all_active(system, 1)


def test_a_refusal_fails_the_step_tells_the_founder_and_can_be_tried_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Any:
        raise Permanent("Twilio has suspended the parent account.")

    monkeypatch.setattr(TwilioGateway, "create_subaccount", refuse)
    system.sandbox.sign_up()
    system.settle()
    assert system.rows("select name, error from provisioning_step where status = 'failed'") == [
        ("twilio_subaccount", "Twilio has suspended the parent account.")
    ]
    assert system.column("select title from incident") == ["Provisioning is stuck: Twilio account"]
    monkeypatch.undo()
    _retry(system)
    system.settle()
    _assert_all_active(system, 1)
    with pytest.raises(Conflict):
        _retry(system)


def test_a_provider_that_is_away_for_a_while_is_asked_again(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = TwilioGateway.create_subaccount

    def away(self: TwilioGateway, name: str) -> Any:
        asked.append(1)
        if len(asked) < 4:
            raise Transient("no answer")
        return original(self, name)

    monkeypatch.setattr(TwilioGateway, "create_subaccount", away)
    system.sandbox.sign_up()
    system.settle()
    _assert_all_active(system, 1)
    assert len(asked) == 4


def test_a_step_does_not_pay_for_the_attempts_of_the_step_before_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, int] = {}

    def away_at_first(name: str) -> None:
        original = getattr(TwilioGateway, name)

        def ask(self: TwilioGateway, *arguments: Any, **options: Any) -> Any:
            asked[name] = asked.get(name, 0) + 1
            if asked[name] <= 6:
                raise Transient("no answer")
            return original(self, *arguments, **options)

        monkeypatch.setattr(TwilioGateway, name, ask)

    away_at_first("create_subaccount")
    away_at_first("available_numbers")
    system.sandbox.sign_up()
    system.settle()
    _assert_all_active(system, 1)
    assert asked == {"create_subaccount": 7, "available_numbers": 7}


def test_a_wrong_code_is_not_tried_twice_and_another_one_is_asked_for(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, used = GraphClient.verify_code, []

    def garbled(self: GraphClient, token: str, number_id: str, code: str) -> None:
        used.append(code)
        original(self, token, number_id, "000000" if len(used) == 1 else code)

    monkeypatch.setattr(GraphClient, "verify_code", garbled)
    system.sandbox.sign_up()
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["meta.code_requested"] == 2
    assert system.sandbox.effects()["meta.number_registered"] == 1


def _retry(system: System) -> None:
    studio = system.column("select workspace_id from provisioning_job")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        retry(connection, system.app.clocks, studio, "admin:test")


def deliver_stripe(system: System, event: str, subscription: str) -> None:
    body = json.dumps(
        {
            "id": f"evt_again_{event}",
            "type": "customer.subscription.updated",
            "data": {"object": {"object": "subscription", "id": subscription}},
        }
    ).encode()
    stamp = int(system.clock.now().timestamp())
    secret = system.sandbox.config.stripe_webhook_secret
    signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    answer = httpx.post(
        f"{system.public_url}/api/webhooks/stripe",
        content=body,
        headers={"stripe-signature": f"t={stamp},v1={signature}", "content-type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 200
