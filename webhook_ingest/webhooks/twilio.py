"""Twilio's doors: messages to our numbers, and what became of messages from them.

What belongs here: recognising them. Twilio signs with the token of the account that owns the number, so the token is
looked up by the account that the form names; it is believed only once the signature proves it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from anyio import CapacityLimiter, to_thread

from pilar.app import App
from pilar.backplane.deliveries import NewDelivery
from pilar.database.engine import Scope
from pilar.errors import BadSignature, Permanent, Transient
from pilar.providers.twilio import signature
from pilar.workspaces.credentials import unseal
from pilar.workspaces.store import find_integration
from webhook_ingest.webhooks.deliveries import Knock, Malformed, Reply, external_id, fields

_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_KEPT_SECONDS = 60.0
_KEPT_SECONDS_WHILE_AWAY = 86_400.0
_KEPT_AT_MOST = 20_000
_PATIENCE_SECONDS = 2.0
_THREADS = 8


class AccountTokens:
    """The auth tokens of the accounts, remembered for a minute."""

    def __init__(self, app: App, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._tick = tick
        # Of their own: should the database hold them all up, nobody else is short of threads.
        self._threads = CapacityLimiter(_THREADS)
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def of(self, account: str) -> str | None:
        """An account's token, or None where the account is none of ours."""
        settings = self._app.settings
        if account == settings.twilio_account_sid and settings.twilio_auth_token:
            return settings.twilio_auth_token.get_secret_value()
        if not _ACCOUNT.fullmatch(account):
            return None
        found = self._known.get(account)
        if found is None or self._tick() - found[0] > _KEPT_SECONDS:
            try:
                found = (self._tick(), await self._asked(account))
            except Transient:
                # While the database is away, a token that we knew still tells who may write to the spool.
                if found is None or found[1] is None or self._tick() - found[0] > _KEPT_SECONDS_WHILE_AWAY:
                    raise
                return found[1]
            self._known[account] = found
            self._known.move_to_end(account)
            while len(self._known) > _KEPT_AT_MOST:  # strangers may name any number of accounts
                self._known.popitem(last=False)
        return found[1]

    async def _asked(self, account: str) -> str | None:
        """What the database says, soon or not at all: a thread that it holds up is left behind."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await to_thread.run_sync(self._look_up, account, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError as error:
            raise Transient("The database does not answer.") from error

    def _look_up(self, account: str) -> str | None:
        with self._app.database.transaction(Scope.fleet()) as connection:
            integration = find_integration(connection, "twilio", account)
        if integration is None or integration.sealed_credentials is None:
            return None
        try:
            return unseal(self._app.box, integration).get("auth_token")
        except Permanent as error:
            # A key is missing here, which is no fault of the delivery: it has to come again when the key is back.
            raise Transient(error.message) from error


class TwilioDoor:
    """Takes forms about messages."""

    provider = "twilio"
    reply = Reply(b'<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml; charset=utf-8")

    def __init__(self, app: App, tokens: AccountTokens, about: Literal["sms", "status"]) -> None:
        """Take what the forms are about: a message that came in, or the status of one that went out."""
        self._app = app
        self._tokens = tokens
        self._about = about

    async def admit(self, knock: Knock) -> NewDelivery:
        """The form, by its message; a message has one form for each status."""
        try:
            form = fields(knock.body.decode())
        except UnicodeDecodeError as error:
            raise Malformed("The form is not in UTF-8.") from error
        values = dict(form)
        token = await self._tokens.of(values.get("AccountSid", ""))
        if token is None:
            raise BadSignature("The account is none of ours.")
        url = self._app.settings.public_url + knock.path + (f"?{knock.query}" if knock.query else "")
        signature.verify(url, form, knock.header("x-twilio-signature"), token)
        name = values.get("MessageSid") or values.get("SmsSid") or ""
        if self._about == "status":
            name = f"{name}:{values.get('MessageStatus') or values.get('SmsStatus') or ''}" if name else ""
        return NewDelivery(
            "twilio",
            external_id(name),
            knock.body,
            headers={"about": self._about},
            received_at=self._app.clocks.real.now(),
        )
