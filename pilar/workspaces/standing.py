"""What a subscription makes of its studio. What belongs here: the one pure rule, over what Stripe said.

What does not: asking Stripe and acting on the answer (`provisioning/subscription.py`). The rule looks at how the
subscription stands and never at what happened to it, so that events may come in any order, twice, late or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Standing(StrEnum):
    """How a studio stands."""

    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    """A payment is owed, and there is time left to make it: everything goes on."""
    SUSPENDED = "suspended"
    """That time is over: nothing is sent, what leads write is kept."""
    CANCELLED = "cancelled"
    """The subscription has ended: as suspended, until the studio is closed."""
    CLOSED = "closed"
    """For good: the number is given back and the accounts are closed."""


SERVED = frozenset({Standing.TRIAL, Standing.ACTIVE, Standing.PAST_DUE})
"""The studios that are worked for."""
ENDED = frozenset({"canceled", "incomplete_expired"})
"""The states of a subscription that never comes back: terminal, in the words of
https://docs.stripe.com/api/subscriptions/object#subscription_object-status"""
_OWING = frozenset({"past_due", "unpaid"})
_NEVER_PAID = frozenset({"incomplete", "paused"})
"""No grace: there was nothing yet that could be continued."""


@dataclass(frozen=True)
class Terms:
    """How long a studio is waited for.

    Attributes:
        grace: from when a payment is owed until the studio is suspended.
        closes_after: from when it is suspended, or its subscription has ended, until it is closed.
    """

    grace: timedelta
    closes_after: timedelta


@dataclass(frozen=True)
class Paying:
    """A subscription as Stripe told of it.

    Attributes:
        status: Stripe's own: trialing, active, past_due, unpaid, canceled, …
        begun_at: of the present period.
        owed_since: since when the oldest open invoice is owed; None where none is.
        ended_at: when the subscription ended; None while it goes on.
        extended_until: until when the founder gives time to pay, whatever the terms say.
        closed_at: when the studio was closed. There is no way back: its number is another's by now.
    """

    status: str
    begun_at: datetime
    owed_since: datetime | None = None
    ended_at: datetime | None = None
    extended_until: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True)
class Judged:
    """The decision.

    Attributes:
        since: from when on it stands so.
        grace_until: until when a payment that is owed is waited for; None where none is.
        closes_at: when the studio is closed if nothing changes; None: it is not going to be.
    """

    standing: Standing
    since: datetime
    grace_until: datetime | None = None
    closes_at: datetime | None = None

    @property
    def changes_at(self) -> datetime | None:
        """When time alone makes something else of it."""
        return self.grace_until if self.standing is Standing.PAST_DUE else self.closes_at


def state_of(paying: Paying, now: datetime, terms: Terms) -> Judged:
    """Say how a studio stands.

    Args:
        paying: its subscription, as Stripe told.
        now: business time.
        terms: how long it is waited for.
    """
    if paying.closed_at is not None:
        return Judged(Standing.CLOSED, paying.closed_at)
    if paying.status in ENDED:
        ended = paying.ended_at or paying.begun_at
        return _over(Standing.CANCELLED, ended, None, now, terms)
    if paying.status in _NEVER_PAID:
        return _over(Standing.SUSPENDED, paying.begun_at, None, now, terms)
    if paying.status in _OWING:
        owed = paying.owed_since or paying.begun_at
        until = max(owed + terms.grace, paying.extended_until or owed)
        if now < until:
            return Judged(Standing.PAST_DUE, owed, until, until + terms.closes_after)
        return _over(Standing.SUSPENDED, until, until, now, terms)
    standing = Standing.TRIAL if paying.status == "trialing" else Standing.ACTIVE
    return Judged(standing, paying.begun_at)


def _over(standing: Standing, since: datetime, grace_until: datetime | None, now: datetime, terms: Terms) -> Judged:
    """Suspended or cancelled, until it has been so for so long that the studio is closed."""
    closes_at = since + terms.closes_after
    if now >= closes_at:
        return Judged(Standing.CLOSED, closes_at)
    return Judged(standing, since, grace_until, closes_at)
