"""Effects of provisioning whose work did not learn what came of them: settled behind it, had once, and gone on from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.backplane.effects import decide
from pilar.backplane.reconciling import GIVE_UP_AFTER, GRACE, Reconciled, reconcile
from pilar.backplane.unknown_effects import unknown_effects
from pilar.database.engine import Scope
from pilar.errors import OutcomeUnknown, Transient
from pilar.providers.email.client import Mailer
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import GraphClient
from tests.fixtures.system import MortalDatabase, System

UNKNOWN = "select count(*) from effect where state in ('attempted', 'unknown') and kind = '{}'"


def _drain_until_in_doubt(system: System, kind: str, dying: MortalDatabase | None = None) -> None:
    """Work until an effect of that kind is in doubt, and let its work wait: whoever would try it again is away."""
    for _ in range(60):
        system._drain_once(dying)
        system.sandbox.wait_idle(20)
        if system.column(UNKNOWN.format(kind)) == [1]:
            return
        waiting = system.column("select due_at from scheduled where not business_time")
        if waiting:
            system.clock.skip_to(min(waiting) + timedelta(milliseconds=1))
    raise AssertionError(f"no {kind} came into doubt")


def _sweep(system: System) -> Reconciled:
    system.clock.skip_to(system.clock.now() + GRACE)
    return reconcile(system.database, system.app.clocks, system.app.reconcilers)


def _once(real: Any, *, error: Exception | None = None) -> Any:
    """Accept, then time out, the first time."""
    cut: list[Any] = []

    def accept_then_time_out(*arguments: Any, **named: Any) -> Any:
        answer = real(*arguments, **named)
        if not cut:
            cut.append(answer)
            # Its own work comes back so late that it is not the one to find out, however slow this machine is.
            raise error or OutcomeUnknown("The connection failed.", retry_after=timedelta(hours=1))
        return answer

    return accept_then_time_out


CASES = [
    (TwilioGateway, "create_subaccount", "twilio.create_subaccount", "twilio.subaccount_created"),
    (TwilioGateway, "buy_number", "twilio.buy_number", "twilio.number_bought"),
    (GraphClient, "add_phone_number", "whatsapp.add_number", "meta.number_added"),
    (GraphClient, "request_code", "whatsapp.request_code", "meta.code_requested"),
    (GraphClient, "verify_code", "whatsapp.verify_code", None),
    (GraphClient, "register", "whatsapp.register_number", "meta.number_registered"),
    (GraphClient, "subscribe_app", "whatsapp.subscribe_app", "meta.app_subscribed"),
    (GraphClient, "submit_template", "whatsapp.submit_template", None),
]


@pytest.mark.parametrize(
    ("client", "method", "kind", "counted"),
    [pytest.param(*case, id=case[2], marks=[pytest.mark.slow] * (place % 3 > 0)) for place, case in enumerate(CASES)],
)
def test_what_was_accepted_and_timed_out_is_found_and_the_studio_goes_on(
    system: System, monkeypatch: pytest.MonkeyPatch, client: type, method: str, kind: str, counted: str | None
) -> None:
    monkeypatch.setattr(client, method, _once(getattr(client, method)))
    system.sandbox.sign_up()
    _drain_until_in_doubt(system, kind)
    assert _sweep(system) == Reconciled(looked_for=1, confirmed=1)
    assert system.column(UNKNOWN.format(kind)) == [0]
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    if counted:
        assert {n for (what, _), n in system.sandbox.effects_by_key().items() if what == counted} == {1}
    assert system.column("select count(*) from dead_letter") == [0]


def test_a_number_is_bought_once_by_a_worker_that_is_killed_after_the_purchase(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy = TwilioGateway.buy_number
    dying = MortalDatabase(system.database.url, dies_at=10**6, after_commit=False)

    def buy_and_die(*arguments: Any, **named: Any) -> Any:
        bought = buy(*arguments, **named)
        dying._left = 1  # the very next transaction, which would record what came of it
        return bought

    monkeypatch.setattr(TwilioGateway, "buy_number", buy_and_die)
    system.sandbox.sign_up()
    _drain_until_in_doubt(system, "twilio.buy_number", dying)
    dying.close()
    assert dying.died
    assert system.column("select state from effect where kind = 'twilio.buy_number'") == ["attempted"]
    assert _sweep(system).confirmed == 1
    monkeypatch.undo()
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["twilio.number_bought"] == 1


def test_a_purchase_whose_work_is_out_of_attempts_is_found_and_the_failed_step_goes_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwilioGateway, "buy_number", _once(TwilioGateway.buy_number))
    with monkeypatch.context() as away:

        def find_nothing(*_: Any) -> Any:
            raise Transient("503")

        away.setattr(TwilioGateway, "find_number", find_nothing)
        system.sandbox.sign_up()
        system.settle()
        assert system.column("select status from provisioning_step where name = 'phone_number_purchase'") == ["failed"]
        assert _sweep(system).put_off == 1
    assert _sweep(system).confirmed == 1
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["twilio.number_bought"] == 1


@pytest.mark.parametrize("arrives", [True, False])
def test_a_mail_of_unknown_fate_may_go_out_again_but_only_under_its_id(
    system: System, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    ids: set[str] = set()
    really_send = Mailer.send

    def send(mailer: Mailer, *arguments: Any) -> None:
        if arrives or ids:
            really_send(mailer, *arguments)
        ids.add(arguments[-1])

    monkeypatch.setattr(Mailer, "send", _once(send))
    system.sandbox.sign_up()
    _drain_until_in_doubt(system, "mail.setup_link")
    assert _sweep(system) == Reconciled(looked_for=1, freed=1)
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    # An owner who got the first one may have acted on it before a second one went out.
    assert len(system.sandbox.mails()) in ({1, 2} if arrives else {1})
    assert len(ids) == 1


def test_a_person_who_says_that_it_happened_has_the_rest_read_back(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwilioGateway, "buy_number", _once(TwilioGateway.buy_number))
    system.sandbox.sign_up()
    _drain_until_in_doubt(system, "twilio.buy_number")
    with monkeypatch.context() as away:

        def refused(*_: Any) -> Any:
            raise Transient("away for good")

        away.setattr(TwilioGateway, "find_number", refused)
        system.clock.skip_to(system.clock.now() + GIVE_UP_AFTER)
        assert _sweep(system).given_up == 1
    with system.database.transaction(Scope.fleet()) as connection:
        (row,) = unknown_effects(connection)
        assert row.needs_a_person
        decide(connection, system.app.clocks, row.id, "happened", "admin:1", "It is in Twilio's console.")
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["twilio.number_bought"] == 1
