"""WhatsApp's door. What belongs here: recognising its deliveries, and the handshake that opens the door at Meta."""

from __future__ import annotations

import hashlib

from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.facts import Lane
from pilar.clocks import Clock
from pilar.providers.whatsapp import signature
from pilar.providers.whatsapp.deliveries import only_statuses
from pilar.settings import Settings, reveal
from webhook_ingest.webhooks.deliveries import Knock, Reply, document


class WhatsAppDoor:
    """Takes deliveries."""

    provider = "whatsapp"
    reply = Reply()

    def __init__(self, settings: Settings, real: Clock) -> None:
        self._secrets = reveal(settings.meta_app_secret)
        self._verify_token = settings.meta_verify_token.get_secret_value() if settings.meta_verify_token else ""
        self._real = real

    async def admit(self, knock: Knock) -> NewDelivery:
        """The delivery, by a digest of its body: it has no id of its own, and Meta repeats it byte for byte."""
        signature.verify(knock.body, knock.header("x-hub-signature-256"), self._secrets)
        told = document(knock.body)
        digest = hashlib.sha256(knock.body).hexdigest()
        lane = Lane.DEFAULT if only_statuses(told) else Lane.INBOX
        return NewDelivery("whatsapp", digest, knock.body, received_at=self._real.now(), lane=lane)

    def shake_hands(self, knock: Knock) -> Reply:
        """Repeat the challenge, as plain text; raise `BadSignature` for anybody but Meta."""
        return Reply(signature.handshake(knock.parameters, self._verify_token).encode())
