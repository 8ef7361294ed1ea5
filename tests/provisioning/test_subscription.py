"""A studio's subscription decides what the studio is, through what happens at Stripe and by the passing of time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pilar.backplane.breaches import find_breaches
from pilar.bookings import feeds
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, Invalid, NotFound, OutcomeUnknown, Unauthenticated
from pilar.providers.stripe.client import StripeGateway
from pilar.provisioning.erasing import erase_closed, read_again
from pilar.provisioning.grace import extend_grace
from pilar.provisioning.plan_change import ask_for_plan
from pilar.security import api_tokens, sessions
from pilar.security.members import add_member
from pilar.security.principals import Kind
from pilar.workspaces import store as workspaces
from pilar.workspaces.erasure_store import erase
from pilar.workspaces.plans import Plan
from tests.fixtures.studios import add_studio
from tests.fixtures.system import MortalDatabase, System

DAY = timedelta(days=1)


class Paying:
    """A studio that is open and has paid its first month."""

    def __init__(self, system: System, plan: str = "PRO") -> None:
        self.system = system
        bought = system.sandbox.sign_up("Studio Noord", email="anna@studio.example", plan=plan)
        self.subscription, self.charge = bought["subscription"], bought["charge"]
        system.settle()
        self.id, state = system.rows("select workspace_id, state from workspace")[0]
        assert state == "active"
        self.number = system.column("select phone_number from integration where provider = 'whatsapp'")[0]

    @property
    def standing(self) -> tuple[str, str]:
        """How it stands, and the state that it has."""
        found = self.system.rows("select standing, state from studio_standing join workspace using (workspace_id)")
        return tuple(found[0])

    def owes_since_renewal(self) -> None:
        """Its card stops working, and the next month is due."""
        self.system.sandbox.fail_payments(self.subscription)
        ends = self.system.column("select current_period_end from subscription")[0]
        self.go_to(ends + timedelta(hours=2))

    def go_to(self, moment: Any) -> None:
        self.system.travel_to(moment)
        self.system.settle()

    def go(self, days: float) -> None:
        self.go_to(self.system.business.now() + timedelta(days=days))

    def mails(self) -> Counter[str]:
        """What the owner was written, by subject."""
        return Counter(mail["subject"] for mail in self.system.sandbox.mails("anna@studio.example"))

    def assert_promises_hold(self) -> None:
        with self.system.database.transaction(Scope.fleet()) as connection:
            for invariant in self.system.app.invariants:
                assert find_breaches(connection, self.system.app.clocks, invariant).rows == (), invariant.promise


class Access:
    """What lets somebody in to a studio: a program's token, an address of the calendar, two browsers, another's token.

    The helper works in another studio as well.
    """

    def __init__(self, system: System, studio: UUID) -> None:
        self.system, other = system, add_studio(system.database)
        self.tokens = {"token": self.make_token(studio), "elsewhere": self.make_token(other)}
        self.feed = self.make_feed(studio)
        now = system.clock.now()
        with system.database.transaction(Scope.fleet()) as connection:
            workspaces.set_state(connection, other, "provisioning")  # an open one would have a number
            owner = workspaces.owner_of(connection, studio).id
            helper = workspaces.ensure_person(connection, email="h@h.example", name="Helper", phone=None, now=now)
            for one in (studio, other):
                workspaces.ensure_membership(connection, one, helper, "member", now)
            self.sessions = {}
            for name, person in (("owner", owner), ("helper", helper)):
                link = sessions.make_sign_in_link(connection, person, actor="test", now=now)
                self.sessions[name] = sessions.sign_in_by_link(connection, link, now).token
                sessions.make_sign_in_link(connection, person, actor="test", now=now)

    def make_token(self, studio: UUID) -> str:
        with self.system.database.transaction(Scope.fleet()) as connection:
            return api_tokens.create(
                connection, name="till", kind=Kind.OWNER, actor="test", now=self.system.clock.now(),
                workspace_id=studio,
            ).plain  # fmt: skip

    def make_feed(self, studio: UUID) -> str:
        with self.system.database.transaction(Scope.fleet()) as connection:
            return feeds.make(connection, self.system.app.clocks, studio, "Anna", "test")[1]

    def left(self) -> set[str]:
        """What is still good."""
        now, good = self.system.clock.now(), set()
        looks: dict[str, Callable[[Connection], object]] = {
            **{name: partial(api_tokens.resolve, plain=plain, now=now) for name, plain in self.tokens.items()},
            **{name: partial(sessions.resolve, token=token, now=now) for name, token in self.sessions.items()},
            "calendar": partial(feeds.studio_of, token=self.feed),
        }
        for name, look in looks.items():
            with self.system.database.transaction(Scope.fleet()) as connection, suppress(Unauthenticated, NotFound):
                look(connection)
                good.add(name)
        return good


def test_who_does_not_pay_is_given_time_then_suspended_and_served_again_once_it_is_paid(system: System) -> None:
    studio = Paying(system)
    studio.owes_since_renewal()
    assert studio.standing == ("past_due", "active")
    assert studio.mails()["A payment for Studio Noord has failed"] == 1

    studio.go(6.5)
    assert studio.standing == ("past_due", "active"), "the days of grace are not over"
    studio.go(0.6)
    assert studio.standing == ("suspended", "suspended")
    assert studio.mails()["Studio Noord is suspended"] == 1
    assert studio.mails()["A payment for Studio Noord has failed"] == 1

    system.sandbox.receive_whatsapp(to=studio.number, sender="+31612345678", text="Hello, what are your opening hours?")
    system.settle()
    assert system.rows("select direction, state from message where origin <> 'test' order by id") == [
        ("in", "received"), ("out", "refused"),
    ]  # fmt: skip
    (why,) = system.column("select verdict -> 'decision' -> 'reasons' -> 0 ->> 'sentence' from message"
                           " where state = 'refused'")  # fmt: skip
    assert why == "The studio is suspended: its subscription is not paid, or has ended."
    studio.assert_promises_hold()

    system.sandbox.recover_payments(studio.subscription)
    system.settle()
    assert studio.standing == ("active", "active")
    system.sandbox.receive_whatsapp(to=studio.number, sender="+31612345678", text="Hello, what are your opening hours?")
    system.settle()
    assert system.column("select count(*) from message where direction = 'out' and attempted_at is not null"
                         " and origin <> 'test'") == [1]  # fmt: skip
    studio.assert_promises_hold()


def test_a_subscription_that_has_ended_closes_its_studio_which_gives_back_and_is_erased(system: System) -> None:
    studio = Paying(system)
    system.sandbox.receive_whatsapp(to=studio.number, sender="+31612345678", text="Hello!")
    system.settle()
    system.sandbox.cancel(studio.subscription, at_period_end=True)
    system.settle()
    assert studio.standing == ("active", "active"), "it is paid until the period ends"
    studio.go_to(system.column("select current_period_end from subscription")[0] + timedelta(hours=1))
    assert studio.standing == ("cancelled", "suspended")
    assert studio.mails()["The subscription of Studio Noord has ended"] == 1

    access = Access(system, studio.id)
    studio.go(29)
    assert studio.standing == ("cancelled", "suspended")
    assert access.left() == {"token", "elsewhere", "calendar", "owner", "helper"}
    assert "twilio.number_released" not in system.sandbox.effects()
    studio.go(1.1)
    assert studio.standing == ("closed", "closed")
    assert studio.mails()["Studio Noord is closed"] == 1
    assert access.left() == {"elsewhere", "helper"}, "who works in another studio stays signed in"
    told = "select action, count(*) from audit_log where action in"
    told += " ('security.token_revoked', 'security.access_ended', 'bookings.feed_revoked') group by 1 order by 1"
    actions = ("bookings.feed_revoked", "security.access_ended", "security.token_revoked")
    assert system.rows(told) == [(action, 1) for action in actions]
    for again in (access.make_token, access.make_feed):
        with pytest.raises(Conflict, match="closed"):
            again(studio.id)
    effects = system.sandbox.effects()
    assert (effects["twilio.number_released"], effects["twilio.subaccount_closed"]) == (1, 1)
    assert system.rows("select provider, state, sealed_credentials from integration order by provider") == [
        ("twilio", "closed", None), ("whatsapp", "closed", None),
    ]  # fmt: skip
    studio.assert_promises_hold()

    deadline = system.clock.now() + DAY
    assert erase_closed(system.database, system.app.clocks, deadline=deadline) == 0
    studio.go(90)
    assert system.column("select count(*) from lead")[0] > 0, "what is kept is kept until its day"
    assert erase_closed(system.database, system.app.clocks, deadline=deadline + 400 * DAY) == 1
    assert erase_closed(system.database, system.app.clocks, deadline=deadline + 400 * DAY) == 0
    system.settle()
    for table in ("lead", "message", "consent", "conversation", "provisioning_step", "workspace_configuration"):
        assert system.column(f"select count(*) from {table}") == [0], table
    assert system.rows("select name, state from workspace where state <> 'provisioning'") == [
        ("Erased studio", "closed")
    ]
    assert system.column("select count(*) from person where email = 'anna@studio.example'") == [0]
    assert system.column("select count(*) from subscription") == [1], "the books stay"
    studio.assert_promises_hold()


@pytest.mark.slow
def test_another_plan_takes_effect_at_once_and_is_told(system: System) -> None:
    studio = Paying(system, "BASIC")
    per_day = "select amount from budget_limit where resource = 'messages' and period = 'day'"
    for plan, amount in (("PRO", 5_000), ("BASIC", 1_000)):
        system.sandbox.change_plan(studio.subscription, plan)
        system.settle()
        assert system.column("select plan from workspace") == [plan]
        assert system.column(per_day) == [amount]
        assert system.column("select document ->> 'plan' from workspace_configuration order by version desc limit 1") \
            == [plan]  # fmt: skip
    assert studio.mails()["Studio Noord has another plan"] == 2
    told = system.column("select text from activity_log where type = 'subscription.plan_changed' order by occurred_at")
    assert told == [
        "The plan is PRO from now on: 5,000 messages a day.", "The plan is BASIC from now on: 1,000 messages a day.",
    ]  # fmt: skip


def test_an_owner_moves_to_another_plan_once_though_the_answer_got_lost_and_invites_somebody_new(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, asked = Paying(system, "BASIC"), []
    original = StripeGateway.change_price

    def change(self: StripeGateway, *about: Any, **more: Any) -> Any:
        asked.append(about)
        original(self, *about, **more)
        raise OutcomeUnknown

    monkeypatch.setattr(StripeGateway, "change_price", change)
    with system.database.transaction(Scope.fleet()) as connection:
        ask_for_plan(connection, system.app.clocks, studio.id, Plan.PRO, actor="owner:1")
        add_member(connection, system.app.clocks, studio.id, email="eva@x.example", name="Eva", actor="owner:1")
    system.settle()
    assert len(asked) == 1, "it is looked for before it is asked for again"
    assert system.column("select plan from workspace") == ["PRO"]
    assert system.column("select state from effect where kind = 'stripe.change_plan'") == ["confirmed"]
    assert system.column("select error from dead_letter") == []
    with system.database.transaction(Scope.fleet()) as connection, pytest.raises(Conflict, match="already"):
        ask_for_plan(connection, system.app.clocks, studio.id, Plan.PRO, actor="owner:1")
    (mail,) = system.sandbox.mails("eva@x.example")
    assert mail["subject"] == "You are invited to Studio Noord"
    token = re.search(r"/sign-in/link/(\S+)", mail["text"])
    assert token is not None
    with system.database.transaction(Scope.fleet()) as connection:
        session = sessions.sign_in_by_link(connection, token[1], system.clock.now())
        assert sessions.resolve(connection, session.token, system.clock.now()).principal.roles == {
            studio.id: Kind.MEMBER
        }


@pytest.mark.slow
def test_a_founder_gives_time_to_pay(system: System) -> None:
    studio, app = Paying(system), system.app

    def extend(days: float, reason: str = "They called.") -> Any:
        with system.database.transaction(Scope.fleet()) as connection:
            until = system.business.now() + days * DAY
            return extend_grace(
                connection, app.clocks, app.subscriptions, studio.id, until=until, reason=reason, actor="admin:1"
            )

    with pytest.raises(Conflict, match="is active"):
        extend(5)
    studio.owes_since_renewal()
    studio.go(8)
    assert studio.standing == ("suspended", "suspended")
    for days, reason, complaint in ((-1, "x", "after"), (91, "x", "90 days"), (5, " ", "Say why")):
        with pytest.raises(Invalid, match=complaint):
            extend(days, reason)
    assert extend(5).standing == "past_due"
    system.settle()
    assert studio.standing == ("past_due", "active")
    assert system.rows("select actor, details ->> 'reason' from audit_log"
                       " where action = 'subscription.grace_extended'") == [("admin:1", "They called.")]  # fmt: skip
    studio.go(5.1)
    assert studio.standing == ("suspended", "suspended")
    studio.assert_promises_hold()


@pytest.mark.slow
def test_what_no_webhook_told_is_read_within_a_day(system: System) -> None:
    studio = Paying(system)
    lost = {"provider": "stripe", "direction": "webhook", "kind": "drop", "probability": 1}
    system.sandbox.set_faults(7, [lost])
    studio.owes_since_renewal()
    assert studio.standing == ("active", "active"), "nobody has told"
    assert read_again(system.database, system.app.clocks) == 0, "it was read within a day of real time"
    system.clock.skip_to(system.clock.now() + DAY + timedelta(minutes=1))
    assert read_again(system.database, system.app.clocks) == 1
    assert read_again(system.database, system.app.clocks) == 0, "it is asked for already"
    system.settle()
    assert studio.standing == ("past_due", "active")


@pytest.mark.slow
def test_a_dispute_and_a_refund_end_nothing_and_the_founder_is_told_of_the_dispute(system: System) -> None:
    studio = Paying(system)
    system.sandbox.refund(subscription=studio.subscription, amount=100)
    system.sandbox.dispute(subscription=studio.subscription)
    system.settle()
    assert studio.standing == ("active", "active")
    assert system.column("select title from incident") == ["A studio's payment is disputed"]


def test_a_payment_that_is_given_back_in_full_ends_nothing_and_is_told_until_the_subscription_ends(
    system: System,
) -> None:
    studio = Paying(system)
    incidents = "select title, severity, status from incident"
    title = "A payment was given back in full, and the subscription goes on"
    system.sandbox.refund(subscription=studio.subscription, amount=100)
    system.settle()
    assert system.rows(incidents) == [], "a part of it is a kindness"
    system.sandbox.refund(subscription=studio.subscription)
    system.settle()
    assert studio.standing == ("active", "active")
    assert system.rows(incidents) == [(title, "medium", "open")]
    system.sandbox.cancel(studio.subscription)
    system.settle()
    assert studio.standing == ("cancelled", "suspended")
    assert system.rows(incidents) == [(title, "medium", "resolved")], "what was meant is known now"


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("part", range(4))
def test_a_kill_at_every_commit_of_closing_gives_back_once(system: System, part: int, after_commit: bool) -> None:
    studios, died = 0, True
    while died:
        moment, studios = part + 1 + 4 * studios, studios + 1
        bought = system.sandbox.sign_up(f"Studio {moment}", email=f"owner{moment}@studio.example", seed=moment)
        system.settle()
        system.sandbox.cancel(bought["subscription"])
        system.settle()
        system.travel_to(system.business.now() + 31 * DAY)
        dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
        system.settle(dying=dying)
        died = dying.died
        dying.close()
        effects = system.sandbox.effects()
        given_back = (effects["twilio.number_released"], effects["twilio.subaccount_closed"])
        assert given_back == (studios, studios), moment
        assert system.column("select count(*) from studio_standing where released_at is null") == [0], moment
        assert system.column("select count(*) from dead_letter") == [0], moment
    assert studios > 2


def test_no_studio_is_erased_that_is_not_closed(database: Database) -> None:
    studio = add_studio(database)
    with pytest.raises(DBAPIError, match="is not closed"), database.transaction(Scope.fleet()) as connection:
        erase(connection, studio)
