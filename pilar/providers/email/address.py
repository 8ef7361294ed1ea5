"""The mail server's address. What belongs here: reading `PILAR_SMTP_URL`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pilar.errors import NotConfigured

Encryption = Literal["always", "required", "offered"]
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class MailServer:
    """Where mail goes: encrypted from the start, after an upgrade that is required, or after one that is offered."""

    host: str
    port: int
    encryption: Encryption
    user: str
    password: str = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        return self.host in LOOPBACK


def mail_server(url: str) -> MailServer:
    """Read a server's address.

    Args:
        url: `smtps://user:password@host:465` is encrypted from the start; `smtp://host:587` upgrades where the server
            offers it, and `smtp://host:587?starttls=required` insists. Names and passwords are percent-encoded.

    Raises:
        NotConfigured: it can't be read. The address itself is not repeated: it holds a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotConfigured("PILAR_SMTP_URL is no address.", setting="PILAR_SMTP_URL") from error
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise NotConfigured("PILAR_SMTP_URL is written smtp(s)://user:password@host:port.", setting="PILAR_SMTP_URL")
    encryption: Encryption = "offered"
    if parts.scheme == "smtps":
        encryption = "always"
    elif parse_qs(parts.query).get("starttls") == ["required"]:
        encryption = "required"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise NotConfigured("PILAR_SMTP_URL has a name or password beyond ASCII.", setting="PILAR_SMTP_URL")
    return MailServer(
        host=parts.hostname,
        port=port or (465 if encryption == "always" else 25),
        encryption=encryption,
        user=user,
        password=password,
    )
