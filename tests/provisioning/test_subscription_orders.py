"""Whatever the order and number of Stripe's events, a studio ends where its subscription stands.

A story is lived once at the sandbox, and what Stripe answers after each of its turns is kept. Then its events knock at
the real door in every order that hypothesis thinks of, while Stripe's answers move on underneath.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilar.database.engine import Scope
from pilar.errors import NotFound
from pilar.providers.stripe.client import StripeGateway
from tests.fixtures.system import System
from tests.properties import examples

TURNS = 5


@dataclass
class Story:
    """What happened at Stripe.

    Attributes:
        answers: the subscription and what is owed, after each turn.
        events: of all turns, with the turn that they tell of.
    """

    system: System
    answers: list[tuple[Any, Any]]
    events: list[tuple[int, dict[str, Any]]]
    numbers: Iterator[int]

    def knock(self, event: dict[str, Any], identity: str) -> None:
        """Deliver an event as Stripe does."""
        body = json.dumps({**event, "id": identity}).encode()
        stamp = str(int(time.time()))
        secret = self.system.sandbox.config.stripe_webhook_secret.split(",")[0]
        signed = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        answer = httpx.post(
            f"{self.system.public_url}/api/webhooks/stripe", content=body, trust_env=False,
            headers={"stripe-signature": f"t={stamp},v1={signed}", "content-type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 200

    def begin_anew(self) -> None:
        """The studio as it was before all this."""
        with self.system.database.transaction(Scope.fleet()) as connection:
            for statement in (
                "delete from studio_standing", "update subscription set read_at = '-infinity', status = 'active'",
                "update workspace set state = 'active', plan = 'BASIC'",
            ):  # fmt: skip
                connection.exec_driver_sql(statement)

    def end(self) -> list[Any]:
        """How everything stands."""
        return self.system.rows(
            "select s.standing, s.since, s.grace_until, s.closes_at, s.closed_at, s.owed_since, s.owed_invoice,"
            " w.state, w.plan, p.status, p.plan, p.cancel_at_period_end"
            " from studio_standing s join workspace w using (workspace_id) join subscription p using (workspace_id)"
        )


@pytest.fixture
def story(system: System) -> Story:
    """Another plan, a refund, a dispute, a payment that fails, one that succeeds, the end."""
    sandbox, seen = system.sandbox, set()
    subscription = sandbox.sign_up("Studio Noord", plan="BASIC")["subscription"]
    system.settle()
    answers: list[tuple[Any, Any]] = []
    events: list[tuple[int, dict[str, Any]]] = []
    stripe = system.app.gateways.stripe

    def turn() -> None:
        system.settle()
        for event in sandbox.objects("stripe.event"):
            if event["id"] not in seen:
                seen.add(event["id"])
                events.append((len(answers), event))
        answers.append((stripe.subscription(subscription), stripe.owed(subscription)))

    turn()
    sandbox.change_plan(subscription, "PRO")
    sandbox.refund(subscription=subscription, amount=500)
    turn()
    sandbox.dispute(subscription=subscription)
    sandbox.fail_payments(subscription)
    system.travel_to(system.column("select current_period_end from subscription")[0] + timedelta(hours=2))
    turn()
    sandbox.recover_payments(subscription)
    turn()
    sandbox.cancel(subscription)
    turn()
    assert [answer[0].status for answer in answers] == ["active", "active", "past_due", "active", "canceled"]
    wanted = ("checkout.session.completed", "customer.subscription.", "invoice.paid", "invoice.payment_failed",
              "charge.refunded", "charge.dispute.")  # fmt: skip
    told = [(at, event) for at, event in events if event["type"].startswith(wanted)]
    assert {event["type"] for _, event in told} >= {
        "checkout.session.completed", "customer.subscription.created", "customer.subscription.updated", "invoice.paid",
        "invoice.payment_failed", "customer.subscription.deleted", "charge.refunded", "charge.dispute.created",
    }  # fmt: skip
    return Story(system, answers, told, count())


@pytest.mark.slow
def test_every_order_and_number_of_events_ends_in_the_same_state(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr(StripeGateway, "subscription", lambda self, identity: _known(story, now[0], identity)[0])
    monkeypatch.setattr(StripeGateway, "owed", lambda self, identity: _known(story, now[0], identity)[1])
    ends: dict[int, list[Any]] = {}

    @settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(last=st.integers(2, TURNS - 1), data=st.data())
    def check(last: int, data: st.DataObject) -> None:
        story.begin_anew()
        example = next(story.numbers)
        known = [event for at, event in story.events if at <= last]
        order = data.draw(st.permutations(range(len(known))))
        again = data.draw(st.lists(st.sampled_from(range(len(known))), max_size=5))
        # Stripe moves on while events are on their way, and none is told before it happened or lost for good.
        before = data.draw(st.lists(st.integers(0, last), max_size=3).map(sorted))
        for turn in before:
            now[0] = turn
            story.knock(known[order[turn % len(order)]], f"evt_{example}_early_{turn}")
            story.system.settle()
        now[0] = last
        for place in [*order, *again]:
            story.knock(known[place], f"evt_{example}_{place}")
        story.system.settle()
        assert story.end() == ends.setdefault(last, story.end())
        assert story.system.column("select count(*) from dead_letter") == [0]

    check()
    assert {last: end[0][0] for last, end in ends.items()} == {
        last: {2: "past_due", 3: "active", 4: "cancelled"}[last] for last in ends
    }


def _known(story: Story, turn: int, identity: str) -> tuple[Any, Any]:
    answer = story.answers[turn]
    if answer[0].id != identity:
        raise NotFound("There is no such subscription.")
    return answer
