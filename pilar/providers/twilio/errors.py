"""What Twilio's errors mean to us. What belongs here: the table of codes and how an error is read.

What has no row is judged by its status, in the shared policy (`providers/calls.py`).
"""

from __future__ import annotations

import httpx
from twilio.base.exceptions import TwilioException

from pilar.errors import Conflict, CredentialsRefused, Invalid, NotFound, Permanent, Transient
from pilar.providers import documents
from pilar.providers.calls import ErrorTable, Provider, Refusal, retry_after_of

TABLE: ErrorTable = {
    # Refused for all of an account: of a suspended parent every subaccount answers so.
    "20003": CredentialsRefused,
    "20005": CredentialsRefused,
    "10001": CredentialsRefused,
    "20404": NotFound,
    "20429": Transient,
    # Buying numbers: somebody else bought it meanwhile; no such area code; none left there.
    "21422": Conflict,
    "21451": Invalid,
    "21452": NotFound,
    # Sending: not a number, not a mobile one, opted out, a landline.
    "21211": Invalid,
    "21614": Invalid,
    "21610": Permanent,
    "30006": Permanent,
    # The handset may be off.
    "30003": Transient,
    # WhatsApp by way of Twilio: outside the window, too fast, the day's cap, marketing to the US.
    "63016": Permanent,
    "63018": Transient,
    "63038": Transient,
    "63049": Permanent,
}

# Everything that the transport lets through to the SDK is a success, so what the SDK objects to is its shape.
TWILIO = Provider("Twilio", TABLE, unreadable=(TwilioException,))


def refusal_of(answer: httpx.Response) -> Refusal:
    """Read an answer with an error status."""
    error = documents.lenient(answer.content)
    code = documents.whole_number(error, "code")
    message = documents.optional_text(error, "message") or documents.optional_text(error, "detail") or ""
    return Refusal(answer.status_code, "" if code is None else str(code), message, retry_after_of(answer.headers))
