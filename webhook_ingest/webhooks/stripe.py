"""Stripe's door. What belongs here: recognising its events; they are hints, and are read when they are worked on."""

from __future__ import annotations

from pilar.backplane.deliveries import NewDelivery
from pilar.clocks import Clock
from pilar.providers.stripe import signature
from pilar.settings import Settings, reveal
from webhook_ingest.webhooks.deliveries import JSON_TYPE, Knock, Reply, document, external_id


class StripeDoor:
    """Takes events."""

    provider = "stripe"
    reply = Reply()
    content_types = frozenset({JSON_TYPE})

    def __init__(self, settings: Settings, real: Clock) -> None:
        self._secrets = reveal(settings.stripe_webhook_secret)
        self._real = real

    async def admit(self, knock: Knock) -> NewDelivery:
        """The event, by its id."""
        now = self._real.now()
        signature.verify(knock.body, knock.header("stripe-signature"), self._secrets, now)
        return NewDelivery("stripe", external_id(document(knock.body).get("id")), knock.body, received_at=now)
