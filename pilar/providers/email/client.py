"""Sending one mail. What belongs here: the message's form and the conversation with the server.

What does not: texts (each room has its own) and when to send again (the queue above).
"""

from __future__ import annotations

import contextlib
import email.policy
import re
import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from pilar.backplane.breakers import Breakers
from pilar.errors import Invalid, NotConfigured
from pilar.providers.calls import required
from pilar.providers.email.address import MailServer, mail_server
from pilar.providers.email.errors import MAIL, NoMailbox, explained, is_no_mailbox
from pilar.settings import Settings


class _Link(UnstructuredHeader, BaseHeader):
    """A header that is an address of the web, and stays as it is: the library would break and encode a long one."""

    def fold(self, *, policy: email.policy.Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Link)

# Seven bits, so that no server on the way has to be asked what it can carry.
POLICY = email.policy.SMTP.clone(cte_type="7bit", header_factory=_HEADERS)

# One address and nothing around it: it stands in the conversation with the server as it is.
BARE_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Letterhead:
    """For whom a mail is sent, where that is not us.

    Attributes:
        name: theirs, before our own address as the sender's.
        reply_to: the bare address that answers go to.
        unsubscribe: the link at which a POST ends such mail (RFC 8058); its GET only shows a page.
    """

    name: str
    reply_to: str
    unsubscribe: str


class Mailer:
    """Sends mail through the configured server, one connection for each. Safe to share between threads."""

    def __init__(self, settings: Settings, breakers: Breakers | None = None) -> None:
        """Take the settings, and the breakers of this process; without them each call is made, whatever came before."""
        self._settings = settings
        self._mail = MAIL.guarded(breakers)

    def send(
        self,
        to: str,
        subject: str,
        text: str,
        html: str | None,
        message_id: str,
        *,
        letterhead: Letterhead | None = None,
    ) -> None:
        """Send one mail to one person.

        Args:
            to: a bare address.
            subject: one line.
            text: the plain form, always there.
            html: the same in HTML, or None.
            message_id: names this mail for good, so that a second copy can be recognised; without angle brackets, and
                without `@` our own domain is added.
            letterhead: for whom it is sent; None: for us.

        Raises:
            Invalid: an address or a header can't be one (a line break in it, two addresses).
            NotConfigured: no server is set, or it would take our password unencrypted.
            Permanent: the server will never take it; `provider_code` is `NO_MAILBOX` where it says so of the address.
            OutcomeUnknown: the connection broke while the server was taking it.
        """
        with self._mail.changes("send"):
            server = mail_server(required(self._settings, "smtp_url"))
            message = compose(self._settings.mail_from, to, subject, text, html, message_id, letterhead)
            _deliver(server, message, to, self._settings)


def compose(
    sender: str,
    to: str,
    subject: str,
    text: str,
    html: str | None,
    message_id: str,
    letterhead: Letterhead | None = None,
) -> EmailMessage:
    """The message as it will be sent; raise `Invalid` for what can't stand in a header."""
    own = parseaddr(sender)[1]
    domain = own.rpartition("@")[2] or "localhost"
    message = EmailMessage(policy=POLICY)
    addresses = (to,) if letterhead is None else (to, letterhead.reply_to)
    if not all(BARE_ADDRESS.fullmatch(one) for one in addresses):
        raise Invalid("A mail's address is name@domain, in ASCII.")
    try:
        message["From"] = sender if letterhead is None else Address(letterhead.name, addr_spec=own)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{message_id}>" if "@" in message_id else f"<{message_id}@{domain}>"
        if letterhead is not None:
            message["Reply-To"] = Address(addr_spec=letterhead.reply_to)
            message["List-Unsubscribe"] = f"<{letterhead.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        # Keeps holiday replies from answering a machine.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
    except (ValueError, MessageError) as error:
        raise Invalid("A mail's address or subject holds what can't stand there.") from error
    return message


def _deliver(server: MailServer, message: EmailMessage, to: str, settings: Settings) -> None:
    handed_over = False
    try:
        with contextlib.closing(_connect(server, settings)) as connection:
            _introduce(connection, server)
            _expect(connection.mail(parseaddr(settings.mail_from)[1]))
            _expect_recipient(connection.rcpt(to))
            handed_over = True
            _expect(connection.data(message.as_bytes()))
            # The mail is taken: how the goodbye goes changes nothing any more.
            with contextlib.suppress(OSError):
                connection.quit()
    except OSError as error:
        raise explained(error, handed_over=handed_over) from error


def _connect(server: MailServer, settings: Settings) -> smtplib.SMTP:
    # Named, because the library would look our own name up in the network.
    name = urlsplit(settings.public_url).hostname or "localhost"
    seconds = settings.provider_timeout_seconds
    if server.encryption == "always":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, name, timeout=seconds, context=context)
    return smtplib.SMTP(server.host, server.port, name, timeout=seconds)


def _introduce(connection: smtplib.SMTP, server: MailServer) -> None:
    connection.ehlo_or_helo_if_needed()
    encrypted = server.encryption == "always"
    if not encrypted and (server.encryption == "required" or connection.has_extn("starttls")):
        connection.starttls(context=ssl.create_default_context())
        connection.ehlo_or_helo_if_needed()
        encrypted = True
    if server.user:
        if not encrypted and not server.is_local:
            raise NotConfigured("The mail server would take our password unencrypted: PILAR_SMTP_URL needs smtps.")
        connection.login(server.user, server.password)


def _expect_recipient(reply: tuple[int, bytes]) -> None:
    code, told = reply
    if is_no_mailbox(code, told):
        raise NoMailbox(code, told)
    _expect(reply)


def _expect(reply: tuple[int, bytes]) -> None:
    code, told = reply
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, told)
