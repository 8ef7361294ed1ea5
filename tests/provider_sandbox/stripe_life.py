"""A life at the sandbox's Stripe. What belongs here: moving time and telling what happened; no assertions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from provider_sandbox.testing import RunningSandbox

START = datetime(2026, 1, 31, 10, tzinfo=UTC)


@dataclass
class Life:
    """The sandbox, with a business clock that stands still until it is moved."""

    sandbox: RunningSandbox
    payments: stripe.StripeClient
    now: datetime = START

    def at(self, moment: datetime, *, skip: bool = False) -> None:
        self.now = moment
        self.sandbox.set_clock(real_anchor=START, business_anchor=moment, rate=0, skip=skip)

    def passes(self, **time: int) -> None:
        self.at(self.now + timedelta(**time))

    def subscription(self, identity: str) -> stripe.Subscription:
        return self.payments.v1.subscriptions.retrieve(identity)

    def events(self, since: datetime = START) -> list[tuple[str, datetime]]:
        """Type and moment of what happened, oldest first."""
        found = self.payments.v1.events.list({"limit": 100, "created": {"gte": int(since.timestamp())}})
        told = [(event.type, datetime.fromtimestamp(event.created, UTC)) for event in found.auto_paging_iter()]
        return told[::-1]

    def kinds(self, since: datetime = START) -> list[str]:
        return [kind for kind, _moment in self.events(since)]


def refusal(call: Callable[[], object]) -> stripe.StripeError:
    """The error that a call ends with."""
    with pytest.raises(stripe.StripeError) as caught:
        call()
    return caught.value
