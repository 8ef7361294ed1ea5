"""Twilio's doors: messages to our numbers, and what became of messages from them.

What belongs here: recognising them. Twilio signs with the token of the account that owns the number, so the tokens are
looked up by the account that the delivery names; it is believed only once the signature proves it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Literal

from pilar.app import App
from pilar.backplane.deliveries import NewDelivery
from pilar.database.engine import Scope
from pilar.errors import BadSignature, Permanent, Transient
from pilar.providers.twilio import signature
from pilar.providers.twilio.deliveries import FORMAT, JSON, QUERY, from_document
from pilar.workspaces.credentials import SECONDARY_AUTH_TOKEN, unseal
from pilar.workspaces.store import find_integration
from webhook_ingest.webhooks.deliveries import JSON_TYPE, Knock, Malformed, Reply, document, external_id, fields
from webhook_ingest.webhooks.remembered import Remembered

_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")


class AccountTokens:
    """The auth tokens of the accounts: while one is being rotated there are two."""

    def __init__(self, app: App, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._of_studios = Remembered(self._look_up, tick)

    async def of(self, account: str) -> tuple[str, ...]:
        """An account's tokens; none where the account is none of ours."""
        settings = self._app.settings
        if account == settings.twilio_account_sid and settings.twilio_auth_token:
            both = (settings.twilio_auth_token, settings.twilio_secondary_auth_token)
            return tuple(one.get_secret_value() for one in both if one)
        return await self._of_studios.of(account) if _ACCOUNT.fullmatch(account) else ()

    def _look_up(self, account: str) -> tuple[str, ...]:
        with self._app.database.transaction(Scope.fleet()) as connection:
            integration = find_integration(connection, "twilio", account)
        if integration is None or integration.sealed_credentials is None:
            return ()
        try:
            kept = unseal(self._app.box, integration)
        except Permanent as error:
            # A key is missing here, which is no fault of the delivery: it has to come again when the key is back.
            raise Transient(error.message) from error
        return tuple(kept[name] for name in ("auth_token", SECONDARY_AUTH_TOKEN) if kept.get(name))


class TwilioDoor:
    """Takes forms about messages, and the same in JSON."""

    provider = "twilio"
    reply = Reply(b'<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml; charset=utf-8")
    content_types = frozenset({"application/x-www-form-urlencoded", JSON_TYPE})

    def __init__(self, app: App, tokens: AccountTokens, about: Literal["sms", "status"]) -> None:
        """Take what the forms are about: a message that came in, or the status of one that went out."""
        self._app = app
        self._tokens = tokens
        self._about = about

    async def admit(self, knock: Knock) -> NewDelivery:
        """The delivery, by its message; a message has one for each status."""
        is_json = knock.content_type == JSON_TYPE
        form = [] if is_json else _form(knock.body)
        values = from_document(document(knock.body)) if is_json else dict(form)
        tokens = await self._tokens.of(values.get("AccountSid", ""))
        if not tokens:
            raise BadSignature("The account is none of ours.")
        given = knock.header("x-twilio-signature")
        if is_json:
            _any_of(self._addresses(knock), lambda url: signature.verify_json(url, knock.body, given, tokens))
        else:
            _any_of(self._addresses(knock), lambda url: signature.verify(url, form, given, tokens))
        name = values.get("MessageSid") or values.get("SmsSid") or ""
        if self._about == "status":
            name = f"{name}:{values.get('MessageStatus') or values.get('SmsStatus') or ''}" if name else ""
        return NewDelivery(
            "twilio",
            external_id(name),
            knock.body,
            headers={"about": self._about}
            | ({FORMAT: JSON} if is_json else {})
            | ({QUERY: knock.query} if knock.query else {}),
            received_at=self._app.clocks.real.now(),
        )

    def _addresses(self, knock: Knock) -> list[str]:
        """Where Twilio may have sent it: our public address, or the one that a proxy of ours was asked for."""
        local = knock.path + (f"?{knock.query}" if knock.query else "")
        origins = [self._app.settings.public_url, *([knock.origin] if knock.origin else [])]
        return [origin + local for origin in origins]


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return fields(body.decode())
    except UnicodeDecodeError as error:
        raise Malformed("The form is not in UTF-8.") from error


def _any_of(addresses: Iterable[str], verify: Callable[[str], None]) -> None:
    refusal = BadSignature()
    for address in addresses:
        try:
            verify(address)
            return
        except BadSignature as error:
            refusal = error
    raise refusal
