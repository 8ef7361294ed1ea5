"""A signup that is taken back before its studio opens costs nothing any more, wherever it stood and whoever dies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from pilar.backplane.breaches import find_breaches
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, OutcomeUnknown, Permanent
from pilar.ids import new_id
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.provisioning import store
from pilar.provisioning.following import follow_up
from pilar.provisioning.retry import retry
from pilar.provisioning.runner import wake
from pilar.provisioning.undoing import undo
from pilar.workspaces.standing import ENDED, Terms
from tests.fixtures.system import MortalDatabase, System
from tests.provisioning.test_a_studio_comes_into_being import deliver_stripe

GIVEN_BACK = ("twilio.subaccount_created", "twilio.number_bought", "twilio.number_released")


def _undo(system: System, reason: str = "The payment was refunded.") -> bool:
    studio = system.column("select workspace_id from provisioning_job")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        return undo(connection, system.app.clocks, studio, actor="admin:test", reason=reason)


def _waits_for_its_owner(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provider_sandbox.owner.links_in", lambda _: [])
    system.sandbox.sign_up()
    system.settle()
    assert system.column("select state from provisioning_job") == ["waiting"]


def _nothing_is_left(system: System) -> None:
    assert system.column("select state from provisioning_job") == ["undone"]
    assert system.column("select state from workspace") == ["closed"]
    effects = system.sandbox.effects()
    assert {name: effects.get(name) for name in GIVEN_BACK} == dict.fromkeys(GIVEN_BACK, 1)
    assert {account["status"] for account in system.sandbox.objects("twilio.account") if account["friendly_name"]
            .startswith("pilar ")} == {"closed"}  # fmt: skip
    assert {one["status"] for one in system.sandbox.objects("stripe.subscription")} <= ENDED, "nobody pays for nothing"
    assert system.column("select state from effect where state <> 'confirmed'") == []
    assert system.column("select error from dead_letter") == []
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            if invariant.name in ("what_is_taken_back_is_gone", "unfinished_jobs_have_a_reason"):
                assert connection.execute(text(invariant.query)).all() == [], invariant.promise


def test_a_signup_that_waits_is_taken_back_the_last_step_first(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    _waits_for_its_owner(system, monkeypatch)
    clocks = system.app.clocks
    system.business.advance(timedelta(days=15))
    follow_up(system.database, clocks, deadline=clocks.real.now() + timedelta(minutes=1))
    # Nobody has answered the request for the incident yet when what it is about is over.
    assert _undo(system)
    system.settle()
    _nothing_is_left(system)
    assert system.column("select status from incident where status <> 'resolved'") == []
    undone = "select subject from audit_log where action = 'provisioning.step_undone' order by position"
    steps = ("phone_number_purchase", "twilio_subaccount", "workspace_creation", "customer_validation")
    assert system.column(undone) == [f"step:{name}" for name in steps]
    assert system.column("select state from analytics.studio_overview") == ["closed"]
    assert not _undo(system), "there is nothing left to take back"
    with pytest.raises(Conflict, match="taken back"):
        _retry(system)


def test_a_job_that_is_taken_back_while_it_runs_stops(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is bought while somebody takes the signup back: it is given back all the same."""
    original = TwilioGateway.buy_number

    def buy(self: TwilioGateway, *about: Any) -> Any:
        bought = original(self, *about)
        _undo(system)
        return bought

    monkeypatch.setattr(TwilioGateway, "buy_number", buy)
    system.sandbox.sign_up()
    system.settle()
    _nothing_is_left(system)
    told = [mail["subject"] for mail in system.sandbox.mails()]
    assert told == [], "the owner is asked for nothing, and told nothing about paying"


def test_a_release_without_an_answer_is_looked_for_and_not_repeated(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    _waits_for_its_owner(system, monkeypatch)
    original, asked = TwilioGateway.release_number, []

    def release(self: TwilioGateway, *about: Any) -> None:
        asked.append(about)
        original(self, *about)
        raise OutcomeUnknown

    monkeypatch.setattr(TwilioGateway, "release_number", release)
    _undo(system)
    system.settle()
    assert len(asked) == 1
    _nothing_is_left(system)


def test_a_refusal_is_told_and_it_can_be_tried_again(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Permanent("Twilio does not let go of this number.")

    _waits_for_its_owner(system, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(TwilioGateway, "release_number", refuse)
        _undo(system)
        system.settle()
    assert system.column("select title from incident") == ["A signup can't be taken back: Phone number"]
    assert system.column("select state from provisioning_job") == ["undoing"]
    assert _undo(system)
    system.settle()
    _nothing_is_left(system)
    assert system.column("select status from incident") == ["resolved"], "it is taken back after all"


def test_a_subscription_that_ends_before_the_studio_opens_takes_it_back(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    _waits_for_its_owner(system, monkeypatch)
    subscription = system.column("select stripe_subscription_id from provisioning_job")[0]
    original = StripeGateway.subscription
    monkeypatch.setattr(
        StripeGateway, "subscription", lambda self, known: replace(original(self, known), status="canceled")
    )
    deliver_stripe(system, "cancelled", subscription)
    system.settle()
    _nothing_is_left(system)


def test_a_signup_that_is_given_up_unpaid_is_closed_and_taken_back_as_one(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing gives back and taking back does: what both come to is given back once, and every promise holds."""
    short = Terms(grace=timedelta(days=1), closes_after=timedelta(days=2))
    monkeypatch.setattr("pilar.provisioning.subscription.terms_of", lambda _: short)
    _waits_for_its_owner(system, monkeypatch)
    system.sandbox.fail_payments(system.column("select stripe_subscription_id from provisioning_job")[0])
    renewed = system.business.now() + timedelta(days=32)
    for days in (0, 2, 4):
        system.travel_to(renewed + timedelta(days=days))
        system.settle()
    assert system.column("select standing from studio_standing") == ["closed"]
    assert system.column("select count(*) from studio_standing where released_at is null") == [0]
    assert system.column("select undo_reason like 'The studio was closed%%' from provisioning_job") == [True]
    assert system.sandbox.objects("stripe.subscription")[0]["status"] == "canceled"
    _nothing_is_left(system)
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            assert find_breaches(connection, system.app.clocks, invariant).rows == (), invariant.promise


def test_a_studio_that_is_closed_is_not_provisioned_again(system: System) -> None:
    subscription = system.sandbox.sign_up()["subscription"]
    system.settle()
    system.sandbox.cancel(subscription)
    system.settle()
    system.travel_to(system.business.now() + timedelta(days=31))
    system.settle()
    assert system.column("select state from workspace") == ["closed"]
    with pytest.raises(Conflict, match="closed for good"):
        _retry(system, from_step="twilio_subaccount")
    studio = system.column("select workspace_id from provisioning_job")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("update provisioning_step set status = 'pending'")
        wake(connection, system.app.clocks, store.job_of_workspace(connection, studio), cause="late",
             correlation_id=new_id())  # fmt: skip
    system.settle()
    assert system.sandbox.effects()["twilio.subaccount_created"] == 1


def test_a_budget_that_is_used_up_keeps_nothing_from_being_given_back(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    _waits_for_its_owner(system, monkeypatch)
    with system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("update budget_limit set amount = 0 where resource = 'api_calls'")
    _undo(system)
    system.settle()
    _nothing_is_left(system)


def test_a_studio_that_is_open_is_not_taken_back(system: System) -> None:
    system.sandbox.sign_up()
    system.settle()
    with pytest.raises(Conflict, match="has opened"):
        _undo(system)
    with pytest.raises(Invalid, match="why"):
        _undo(system, " ")


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(1, 21))
@pytest.mark.parametrize("after_commit", [False, True], ids=["before", "after"])
def test_a_kill_at_any_commit_of_taking_back_changes_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch, moment: int, after_commit: bool
) -> None:
    _waits_for_its_owner(system, monkeypatch)
    _undo(system)
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    assert dying.died, "the story is shorter than that by now: lower the number of moments"
    _nothing_is_left(system)


def _retry(system: System, from_step: str | None = None) -> None:
    studio = system.column("select workspace_id from provisioning_job")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        retry(connection, system.app.clocks, studio, "admin:test", from_step=from_step)
