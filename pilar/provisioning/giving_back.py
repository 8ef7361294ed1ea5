"""Giving back what a studio has at the providers, once each, whoever asks and however often.

What belongs here: the subscription, the number and the account at Twilio, and how an effect that leaves nothing but its
trace is had. What does not: when that is: for a studio that is closed (`closing.py`), and for a signup that is taken
back (`compensations.py`). Both may come to the same studio at once; the ledger knows their effects by the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from pilar.backplane.effects import EffectLedger
from pilar.errors import NotFound
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import TwilioCredentials
from pilar.provisioning import traces
from pilar.provisioning.traced import have_once
from pilar.workspaces.standing import ENDED


@dataclass(frozen=True)
class Returning:
    """Whose things are given back, and in which story."""

    workspace_id: UUID
    correlation_id: UUID


class GivingBack:
    """Gives back."""

    def __init__(self, stripe: StripeGateway, twilio: TwilioGateway, ledger: EffectLedger) -> None:
        self._stripe = stripe
        self._twilio = twilio
        self._ledger = ledger

    def end_subscription(self, whose: Returning, subscription_id: str) -> None:
        """End a subscription, unless it has ended: nobody pays for a studio that is closed.

        Raises:
            Transient: Stripe can't be asked now.
            Permanent: Stripe refuses.
        """

        def has_ended() -> bool:
            return self._stripe.subscription(subscription_id).status in ENDED

        def end() -> None:
            try:
                self._stripe.cancel_subscription(subscription_id)
            except NotFound:
                if not has_ended():
                    raise

        self.once(whose, traces.ENDED_SUBSCRIPTION, subscription_id, end, has_ended)

    def release_number(self, whose: Returning, account: TwilioCredentials, number_sid: str) -> None:
        """Give a number back, unless it is gone.

        Args:
            whose: the studio and the story.
            account: by its token: no look mends the key of a studio that is closed, and this must not hang on one.
            number_sid: the number.

        Raises:
            Transient: Twilio can't be asked now.
            Permanent: Twilio refuses.
        """

        def is_released() -> bool:
            return traces.is_released(self._twilio, account, number_sid)

        def release() -> None:
            if not is_released():
                self._twilio.release_number(account, number_sid)

        self.once(whose, traces.RELEASED_NUMBER, number_sid, release, is_released)

    def close_subaccount(self, whose: Returning, sid: str) -> None:
        """Close an account at Twilio, unless it is closed.

        Raises:
            Transient: Twilio can't be asked now.
            Permanent: Twilio refuses.
        """

        def is_closed() -> bool:
            return self._twilio.is_closed(sid)

        def close() -> None:
            if not is_closed():
                self._twilio.close_subaccount(sid)

        self.once(whose, traces.CLOSED_SUBACCOUNT, sid, close, is_closed)

    def once(
        self, whose: Returning, kind: str, key: str, call: Callable[[], None], is_done: Callable[[], bool]
    ) -> None:
        """Have an effect without an answer of interest, which can be told from its trace.

        It uses none of the studio's budget: where that is used up, things are given back as well.

        Args:
            whose: the studio and the story.
            kind: one of `traces`.
            key: what it is done to.
            call: does it.
            is_done: looks at the provider.

        Raises:
            Transient: it can't be done now, or somebody else is at it.
            Permanent: the provider refuses.
        """
        have_once(
            self._ledger, kind, key, call, is_done,
            workspace_id=whose.workspace_id, correlation_id=whose.correlation_id, is_budgeted=False,
        )  # fmt: skip
