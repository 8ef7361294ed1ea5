"""What a mail server's refusals mean to us. What belongs here: the reading of `smtplib`'s errors.

A reply of 4xx says "not now" and of 5xx "never"; both say that the mail was not taken. Only a connection that breaks
after the message was handed over leaves that open.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Mapping

from pilar.errors import CredentialsRefused, NotConfigured, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.masking import mask_text
from pilar.providers.calls import Provider
from pilar.providers.reactions import Reaction

MAIL = Provider("mail", {}, unwell=frozenset({"421"}))

NO_MAILBOX = "no_mailbox"
"""What we call a server's word that no mail reaches an address; it has many numbers for it."""
REACTIONS: Mapping[str, Reaction] = {NO_MAILBOX: Reaction.NO_MAIL}

# RFC 3463, with RFC 7505: address or mailbox is none, has moved or is disabled. A full one (5.2.2) may be emptied, and
# 5.7 is a rule about us: one wrong setting must not have every address given up.
_ENHANCED = re.compile(rb"\s*(5\.\d{1,3}\.\d{1,3})\b")
_OF_MAILBOX = frozenset({b"5.1.1", b"5.1.2", b"5.1.3", b"5.1.6", b"5.1.10", b"5.2.1"})
# RFC 5321, 4.2.3, for servers that say no more than that.
_PLAIN = frozenset({550, 551, 553, 556})
_OF_US = re.compile(rb"relay|authenti|spam|block|polic", re.IGNORECASE)


class NoMailbox(smtplib.SMTPResponseException):
    """No mail reaches the address, for good."""


def is_no_mailbox(code: int, told: bytes) -> bool:
    """Whether a server's answer to a recipient says that no mail will ever reach the address."""
    enhanced = _ENHANCED.match(told)
    if enhanced is not None:
        return 500 <= code < 600 and enhanced.group(1) in _OF_MAILBOX
    return code in _PLAIN and not _OF_US.search(told)


def explained(error: OSError, *, handed_over: bool) -> PilarError:
    """The error of ours for one of `smtplib`'s (all of them are `OSError`s) or the network's.

    Args:
        error: what was raised.
        handed_over: whether the message itself had begun to be sent.
    """
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
        return CredentialsRefused("The mail server refused our name and password.")
    if isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 600:
        return _refused(error.smtp_code, error.smtp_error, NO_MAILBOX if isinstance(error, NoMailbox) else None)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return NotConfigured("The mail server offers no encryption or no sign-in, and PILAR_SMTP_URL asks for it.")
    if handed_over:
        return OutcomeUnknown("The connection to the mail server broke while it was taking the message.")
    return Transient("The mail server could not be reached.")


def _refused(code: int, reply: bytes | str, known_as: str | None) -> PilarError:
    told = mask_text(reply.decode(errors="replace") if isinstance(reply, bytes) else reply)
    kind = Permanent if code >= 500 else Transient
    return kind(f"The mail server refused: {told} ({code})", provider_code=known_as or str(code))
