"""The mail server. What belongs here: taking mail in over SMTP and keeping it; who reads it is `owner.py`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from provider_sandbox.faults.mail import MailFaults
from provider_sandbox.faults.store import Faults
from provider_sandbox.state import State, Transaction

NOBODY = "nobody"


@dataclass(frozen=True)
class Mail:
    """A mail as it arrived, for each of its recipients."""

    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str


Reader = Callable[[Transaction, Mail], None]
"""Somebody who reads arriving mail, in the transaction that stores it."""


class MailServer:
    """Accepts every mail, and any name and password; a mail is durable before it is acknowledged.

    Nobody has the mailbox `nobody`, whatever the domain: a mail to it is refused for good.
    A fault of the plan may befall it, as any provider.
    """

    def __init__(self, state: State, reader: Reader, faults: Faults) -> None:
        self._state = state
        self._reader = reader
        self._faults = MailFaults(faults)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one, which is then in `port`."""
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            return SMTP(
                self,
                hostname="sandbox.localhost",
                enable_SMTPUTF8=True,
                auth_require_tls=False,
                authenticator=_welcome,
                loop=loop,
            )

        self._server = await loop.create_server(session, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def handle_RCPT(  # noqa: N802 - its name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient in, unless nobody is there just now."""
        await self._faults.begins(server, envelope, address)
        if address.partition("@")[0] == NOBODY:
            return "550 5.1.1 There is no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Store a mail, unless a fault befalls it."""
        return await self._faults.answered(server, envelope, lambda: self._take(envelope))

    def _take(self, envelope: Envelope) -> str:
        """Store a mail, count it for each recipient, and let the reader see it."""
        raw = envelope.original_content or b""
        message = message_from_bytes(raw, _class=EmailMessage, policy=default)
        recipients = tuple(envelope.rcpt_tos)
        mail = Mail(recipients, str(message["subject"] or ""), _part(message, "plain"), _part(message, "html"))
        with self._state.transaction() as tx:
            tx.run(
                "insert into mail (sender, recipients, subject, text, html, raw, at) values (?, ?, ?, ?, ?, ?, ?)",
                *(envelope.mail_from or "", json.dumps(recipients), mail.subject, mail.text, mail.html, raw),
                tx.now().isoformat(),
            )
            for recipient in recipients:
                tx.effect("mail.sent", recipient)
            self._reader(tx, mail)
        return "250 OK"


def mails(tx: Transaction, to: str | None) -> list[dict[str, Any]]:
    """Stored mail, oldest first, for one recipient or for everybody."""
    rows = tx.run(
        "select * from mail where ? is null"
        " or exists (select 1 from json_each(recipients) where value = ?) order by id",
        *(to, to),
    )
    return [_shown(row) for row in rows]


def one(tx: Transaction, number: int) -> dict[str, Any] | None:
    """A stored mail by its number, or None."""
    rows = tx.run("select * from mail where id = ?", number)
    return _shown(rows[0]) if rows else None


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "from": row["sender"],
        "to": json.loads(row["recipients"]),
        "subject": row["subject"],
        "text": row["text"],
        "html": row["html"],
        "headers": _headers(row["raw"]),
        "at": row["at"],
    }


def _headers(raw: bytes) -> dict[str, str]:
    """A mail's head as it came, by name in lower case."""
    message = message_from_bytes(raw, _class=EmailMessage, policy=default)
    return {name.lower(): str(value) for name, value in message.items()}


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part else ""


def _welcome(*_credentials: object) -> AuthResult:
    return AuthResult(success=True)
