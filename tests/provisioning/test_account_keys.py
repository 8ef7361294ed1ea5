"""The API key of a studio's account: one lives whatever happens, calls are made with it, and a dead one is mended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from pilar.backplane.reconciling import Reconciled
from pilar.database.engine import Scope
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import KEY_SECRET, KEY_SID, TwilioCredentials, by_token
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import seal, unseal
from tests.fixtures.opened import Studio
from tests.fixtures.system import MortalDatabase, System
from tests.messaging.test_reactions import _allow_sms, _lead, _nudge, _of
from tests.provisioning.test_doubts import _drain_until_in_doubt, _once, _sweep
from tests.provisioning.test_healing import _assert_promises, _incidents, _look

KIND = "twilio.create_key"


def _kept(system: System) -> tuple[str, dict[str, str]]:
    """The only studio's account at Twilio, and its credentials."""
    studio = system.column("select workspace_id from provisioning_job")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        account = workspaces.get_integration(connection, studio, "twilio")
    assert account is not None
    return account.external_id or "", unseal(system.app.box, account)


def _assert_one_key(system: System) -> str:
    """One key lives, is kept, and its secret is nowhere in clear; its SID."""
    (there,) = system.sandbox.objects("twilio.key")
    sid, kept = _kept(system)
    assert (there["account_sid"], there["sid"], there["secret"]) == (sid, kept[KEY_SID], kept[KEY_SECRET])
    for table in ("effect", "provisioning_step", "audit_log", "integration"):
        shown = f"select count(*) from {table} t where position('{there['secret']}' in t::text) > 0"
        assert system.column(shown) == [0], table
    return str(there["sid"])


def _revoke(system: System) -> None:
    """Somebody deletes the key in Twilio's console."""
    sid, kept = _kept(system)
    system.app.gateways.twilio.delete_key(by_token(sid, kept), kept[KEY_SID])


def test_a_key_that_got_lost_is_deleted_and_one_is_made_anew(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twilio makes the key and the answer times out; its name is all that is left of it."""
    speaks: list[TwilioCredentials] = []
    buy = TwilioGateway.buy_number

    def watched(gateway: TwilioGateway, account: TwilioCredentials, *about: Any) -> Any:
        speaks.append(account)
        return buy(gateway, account, *about)

    monkeypatch.setattr(TwilioGateway, "buy_number", watched)
    monkeypatch.setattr(TwilioGateway, "create_key", _once(TwilioGateway.create_key))
    system.sandbox.sign_up()
    _drain_until_in_doubt(system, KIND)
    (lost,) = system.sandbox.objects("twilio.key")
    assert _sweep(system) == Reconciled(looked_for=1, freed=1)
    assert system.sandbox.objects("twilio.key") == []
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    key = _assert_one_key(system)
    assert key != lost["sid"]
    assert [(one.sid, one.key_sid) for one in speaks] == [(_kept(system)[0], key)], "the key speaks for the account"
    assert system.rows(f"select state, attempts from effect where kind = '{KIND}'") == [("confirmed", 2)]


@pytest.mark.slow
def test_a_worker_that_dies_with_the_secret_leaves_one_key(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    create, dying = TwilioGateway.create_key, MortalDatabase(system.database.url, dies_at=10**6, after_commit=False)

    def create_and_die(*about: Any) -> Any:
        made = create(*about)
        dying._left = 1  # the very next transaction, which would keep the secret
        return made

    monkeypatch.setattr(TwilioGateway, "create_key", create_and_die)
    system.sandbox.sign_up()
    system.settle(dying=dying)
    dying.close()
    assert dying.died
    assert system.column("select state from workspace") == ["active"]
    _assert_one_key(system)
    assert system.sandbox.effects()["twilio.key_created"] == 2
    assert system.sandbox.effects()["twilio.key_deleted"] == 1


@pytest.mark.slow
def test_a_key_that_dies_before_the_number_is_bought_is_made_anew(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy = TwilioGateway.available_numbers
    revoked: list[bool] = []

    def revoke_first(*about: Any, **named: Any) -> Any:
        if not revoked:
            revoked.append(True)
            _revoke(system)
        return buy(*about, **named)

    monkeypatch.setattr(TwilioGateway, "available_numbers", revoke_first)
    system.sandbox.sign_up()
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    _assert_one_key(system)
    assert system.sandbox.effects()["twilio.number_bought"] == 1


def test_a_dead_key_is_mended_when_an_sms_is_refused_and_a_missing_one_at_a_look(opened_studio: Studio) -> None:
    studio, system = opened_studio, opened_studio.system
    first = _assert_one_key(system)
    _allow_sms(studio)
    _revoke(system)
    for number, state in (1, "failed"), (2, "delivered"):
        lead = _lead(studio, f"+3168765430{number}")
        with system.database.transaction(Scope.fleet()) as connection:
            values = {"w": studio.id, "l": lead, "now": system.business.now()}
            connection.execute(text("insert into lead_reach values (:w, :l, 3, :now, 0, null, null)"), values)
        _nudge(studio, lead, f"nudge:{number}")
        assert _of(studio, lead, "state") == [(state,)]
    second = _assert_one_key(system)
    assert second != first
    assert _incidents(studio) == [("20003", "resolved")]
    # Studios from before there were keys have none: the token speaks for them until the next look.
    sid, kept = _kept(system)
    without = {name: value for name, value in kept.items() if name not in (KEY_SID, KEY_SECRET)}
    with system.database.transaction(Scope.fleet()) as connection:
        workspaces.upsert_integration(
            connection, studio.id, "twilio", now=system.clock.now(), sealed_credentials=seal(system.app.box, without)
        )
    system.app.gateways.twilio.delete_key(by_token(sid, kept), second)
    assert _look(studio, "old")["key"] == "mended"
    assert _look(studio, "well")["key"] == "well"
    _assert_one_key(system)
    audited = "select subject, details ->> 'found' from audit_log where action = 'provisioning.key_recreated'"
    assert [row[0] for row in system.rows(f"{audited} order by position")] == [f"twilio:{first}", "twilio:no key"]
    _assert_promises(system)


@pytest.mark.slow
def test_a_key_that_dies_again_and_again_is_left_to_a_person(opened_studio: Studio) -> None:
    studio, system = opened_studio, opened_studio.system
    for attempt in range(3):
        _revoke(system)
        assert _look(studio, f"dead:{attempt}")["key"] == "mended"
        _assert_one_key(system)
    _revoke(system)
    left = _look(studio, "the fourth")
    assert (left["key"], "sms" in left) == ("left to a person", False)
    assert _incidents(studio) == [("key", "open")]
    system.clock.skip_to(system.clock.now() + timedelta(hours=1, minutes=1))
    assert _look(studio, "an hour later")["key"] == "mended"
    assert _look(studio, "at last")["key"] == "well"
    assert _incidents(studio) == [("key", "resolved")]
    # An account that is suspended gets no key: it refuses all.
    sid, _ = _kept(system)
    system.sandbox.set_twilio_account_status(sid, "suspended")
    assert "key" not in _look(studio, "suspended")
    _assert_promises(system)
