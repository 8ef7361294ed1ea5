"""Faults of the mail server. What belongs here: what the plan's kinds mean in a conversation over SMTP.

A mail is judged once, at its first recipient, whose address the patterns of rules are compared with. An outage hangs
up there, before any of the message was sent; everything else befalls the message itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Never, cast
from weakref import WeakKeyDictionary

from aiosmtpd.smtp import SMTP, Envelope

from provider_sandbox.faults.plan import AFTER, Strike
from provider_sandbox.faults.store import Faults
from provider_sandbox.tasks import heard

PROVIDER = "mail"
METHOD = "MAIL"
UNREADABLE = "?"
"""A reply without a number."""


class MailFaults:
    """What the plan has in store for mails."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._struck: WeakKeyDictionary[Envelope, Strike] = WeakKeyDictionary()

    async def begins(self, server: SMTP, envelope: Envelope, recipient: str) -> None:
        """Judge a mail at its first recipient; in an outage this hangs up and doesn't return."""
        if envelope.rcpt_tos or envelope in self._struck:
            return
        strike = self._faults.strike_request(PROVIDER, METHOD, recipient)
        if strike:
            self._struck[envelope] = strike
            if strike.rule.kind == "outage":
                await _hang_up(server)

    async def answered(self, server: SMTP, envelope: Envelope, take: Callable[[], str]) -> str:
        """The reply to a message.

        Args:
            server: the conversation.
            envelope: the mail that was judged.
            take: takes the mail in and gives the usual reply.
        """
        strike = self._struck.pop(envelope, None)
        if strike is None:
            return take()
        kind, seconds = strike.rule.kind, strike.rule.lasts
        if kind == "rate_limited":
            return f"450 4.7.1 Too many mails: wait {seconds:g} seconds"
        if kind == "delay":
            await heard(self._faults.over, seconds)
            return take()
        if kind in ("server_error", "disconnect") and strike.when != AFTER:
            return await _refusal(server, strike)
        reply = take()
        if kind in ("server_error", "disconnect"):
            return await _refusal(server, strike)
        if kind == "malformed":
            return UNREADABLE
        # Whoever leaves meanwhile ends this conversation, and the wait with it.
        await heard(self._faults.over, seconds)
        if kind == "accept_then_timeout":
            await _hang_up(server)
        return reply


async def _refusal(server: SMTP, strike: Strike) -> str:
    if strike.rule.kind == "disconnect":
        await _hang_up(server)
    status = strike.rule.status or 451
    return f"{status} {status // 100}.3.0 The message could not be processed"


async def _hang_up(server: SMTP) -> Never:
    if server.transport is not None:
        cast("asyncio.Transport", server.transport).abort()
    # The end of the connection cancels this conversation.
    await asyncio.get_running_loop().create_future()
    raise ConnectionAbortedError
