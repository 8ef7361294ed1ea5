"""The way to Stripe that all our calls share. What belongs here: the SDK's client, its connections and the breaker."""

from __future__ import annotations

from functools import cached_property

import stripe

from pilar.backplane.breakers import Breakers
from pilar.providers.calls import http_client, required
from pilar.providers.stripe.errors import STRIPE
from pilar.providers.stripe.transport import StripeTransport
from pilar.settings import Settings


class StripeSession:
    """The SDK, set up. Safe to share between threads.

    Attributes:
        provider: what each call is made under.
    """

    def __init__(self, settings: Settings, breakers: Breakers | None) -> None:
        """Take the settings, and the breakers of this process; without them each call is made, whatever came before."""
        self._settings = settings
        self.provider = STRIPE.guarded(breakers)

    @cached_property
    def client(self) -> stripe.StripeClient:
        """The SDK's client.

        Raises:
            NotConfigured: there is no key.
        """
        api_key = required(self._settings, "stripe_api_key")
        # The SDK would write an identifier of this machine to the home directory and send it along.
        stripe.enable_telemetry = False
        return stripe.StripeClient(
            api_key,
            base_addresses={"api": self._settings.stripe_api_base},
            max_network_retries=0,
            http_client=self._transport,
        )

    @cached_property
    def _transport(self) -> StripeTransport:
        return StripeTransport(http_client(self._settings.provider_timeout_seconds))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
