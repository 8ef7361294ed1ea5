"""WhatsApp's door. What belongs here: recognising its deliveries, and the handshake that opens the door at Meta.

Most studios are connected through the platform's app, whose secrets are in the settings. One with an app of its own
signs with that app's secret: it is looked up by the numbers and accounts that the delivery names, and believed only
once the signature proves it. Such a delivery speaks for the studios that are proven so, and for no other that it names.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from uuid import UUID

from pilar.app import App
from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.facts import Lane
from pilar.database.engine import Scope
from pilar.errors import BadSignature, Permanent, Transient
from pilar.messaging.inbox import SIGNED_FOR
from pilar.providers.whatsapp import signature
from pilar.providers.whatsapp.deliveries import names_in, only_statuses
from pilar.settings import reveal
from pilar.workspaces.credentials import APP_SECRET, unseal
from pilar.workspaces.store import find_integration, find_integration_of_number
from webhook_ingest.webhooks.deliveries import JSON_TYPE, Knock, Malformed, Reply, document
from webhook_ingest.webhooks.remembered import Remembered

SIGNATURE = "x-hub-signature-256"
_NAMES_AT_MOST = 8
"""Numbers and accounts looked up for one delivery: a stranger's may name any number of them."""

Owner = tuple[UUID, tuple[str, ...]]


class AppSecrets:
    """The secrets of studios that have an app of their own: while one is being rotated there are two."""

    def __init__(self, app: App, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._owners = Remembered(self._look_up, tick)

    async def of(self, names: frozenset[tuple[str, str]]) -> dict[UUID, tuple[str, ...]]:
        """The secrets by studio, of those that the names belong to; each is a kind (number or account) and an id."""
        found = await asyncio.gather(*(self._owners.of(f"{kind}:{identity}") for kind, identity in names))
        return dict(owner for owners in found for owner in owners)

    def _look_up(self, name: str) -> tuple[Owner, ...]:
        kind, _, identity = name.partition(":")
        search = find_integration_of_number if kind == "number" else find_integration
        with self._app.database.transaction(Scope.fleet()) as connection:
            integration = search(connection, "whatsapp", identity)
        if integration is None or integration.sealed_credentials is None:
            return ()
        try:
            secrets = unseal(self._app.box, integration).get(APP_SECRET, "")
        except Permanent as error:
            # A key is missing here, which is no fault of the delivery: it has to come again when the key is back.
            raise Transient(error.message) from error
        told = tuple(part.strip() for part in secrets.split(",") if part.strip())
        return ((integration.workspace_id, told),) if told else ()


class WhatsAppDoor:
    """Takes deliveries."""

    provider = "whatsapp"
    reply = Reply()
    content_types = frozenset({JSON_TYPE})

    def __init__(self, app: App, secrets: AppSecrets) -> None:
        settings = app.settings
        self._platform = reveal(settings.meta_app_secret)
        self._secrets = secrets
        self._verify_token = settings.meta_verify_token.get_secret_value() if settings.meta_verify_token else ""
        self._real = app.clocks.real

    async def admit(self, knock: Knock) -> NewDelivery | Reply:
        """The delivery, by a digest of its body: it has no id of its own, and Meta repeats it byte for byte."""
        digest = hashlib.sha256(knock.body).hexdigest()
        try:
            signature.verify(knock.body, knock.header(SIGNATURE), self._platform)
        except BadSignature as refusal:
            proven = await self._proven(knock)
            if not proven:
                raise refusal from None
            signed_for = ",".join(sorted(map(str, proven)))
            # An id of its own: whoever has some secret must not use up the digest of a delivery that others wait for.
            return replace(
                self._delivery(knock, hashlib.sha256(f"{digest}:{signed_for}".encode()).hexdigest()),
                headers={SIGNED_FOR: signed_for},
            )
        return self._delivery(knock, digest)

    def _delivery(self, knock: Knock, identity: str) -> NewDelivery:
        lane = Lane.DEFAULT if only_statuses(document(knock.body)) else Lane.INBOX
        return NewDelivery("whatsapp", identity, knock.body, received_at=self._real.now(), lane=lane)

    async def _proven(self, knock: Knock) -> list[UUID]:
        """The studios named in the delivery whose own app has signed it."""
        given = knock.header(SIGNATURE)
        if not given:
            return []
        try:
            names = names_in(document(knock.body))
        except Malformed:
            return []
        candidates = await self._secrets.of(frozenset(islice(names, _NAMES_AT_MOST)))
        return [studio for studio, secrets in candidates.items() if _signed(knock.body, given, secrets)]

    def shake_hands(self, parameters: Mapping[str, str]) -> Reply:
        """Repeat the challenge, as plain text; raise `BadSignature` for anybody but Meta."""
        return Reply(signature.handshake(parameters, self._verify_token).encode())


class VerifyDoor(WhatsAppDoor):
    """The same at the address that is named after the verification: takes the handshake by POST as well.

    A POST without a signature is a handshake, whose parameters are in its query or in its JSON body.
    """

    async def admit(self, knock: Knock) -> NewDelivery | Reply:
        """The delivery, or the challenge."""
        if knock.header(SIGNATURE):
            return await super().admit(knock)
        told = dict(knock.parameters)
        if knock.body:
            told |= {name: value for name, value in document(knock.body).items() if isinstance(value, str)}
        return self.shake_hands(told)


def _signed(body: bytes, given: str, secrets: tuple[str, ...]) -> bool:
    try:
        signature.verify(body, given, secrets)
    except BadSignature:
        return False
    return True
