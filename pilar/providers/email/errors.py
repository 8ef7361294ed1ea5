"""What a mail server's refusals mean to us. What belongs here: the reading of `smtplib`'s errors.

A reply of 4xx says "not now" and of 5xx "never"; both say that the mail was not taken. Only a connection that breaks
after the message was handed over leaves that open.
"""

from __future__ import annotations

import smtplib

from pilar.errors import CredentialsRefused, NotConfigured, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.masking import mask_text
from pilar.providers.calls import Provider

MAIL = Provider("mail", {}, unwell=frozenset({"421"}))


def explained(error: OSError, *, handed_over: bool) -> PilarError:
    """The error of ours for one of `smtplib`'s (all of them are `OSError`s) or the network's.

    Args:
        error: what was raised.
        handed_over: whether the message itself had begun to be sent.
    """
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
        return CredentialsRefused("The mail server refused our name and password.")
    if isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 600:
        return _refused(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return NotConfigured("The mail server offers no encryption or no sign-in, and PILAR_SMTP_URL asks for it.")
    if handed_over:
        return OutcomeUnknown("The connection to the mail server broke while it was taking the message.")
    return Transient("The mail server could not be reached.")


def _refused(code: int, reply: bytes | str) -> PilarError:
    told = mask_text(reply.decode(errors="replace") if isinstance(reply, bytes) else reply)
    kind = Permanent if code >= 500 else Transient
    return kind(f"The mail server refused: {told} ({code})", provider_code=str(code))
