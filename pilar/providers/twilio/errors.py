"""What Twilio's errors mean to us. What belongs here: the table of codes and how an error is read.

What has no row is judged by its status, in the shared policy (`providers/calls.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from twilio.base.exceptions import TwilioException

from pilar.errors import Conflict, CredentialsRefused, Invalid, NoRoom, NotFound, Permanent, PilarError, Transient
from pilar.providers import documents
from pilar.providers.calls import ErrorTable, Provider, Refusal, retry_after_of
from pilar.providers.reactions import Reaction

_ROWS: tuple[tuple[tuple[int, ...], Reaction | None, type[PilarError]], ...] = (
    # Refused for all of an account: of a suspended parent every subaccount answers so.
    ((20003, 20005, 10001), Reaction.ACCOUNT_REFUSED, CredentialsRefused),
    # Making a subaccount: the parent has as many as it may, by Twilio's count.
    ((21100,), None, NoRoom),
    ((20404,), None, NotFound),
    ((20429,), Reaction.BACK_OFF, Transient),
    # Buying numbers: somebody else bought it meanwhile; no such area code; none left there.
    ((21422,), None, Conflict),
    ((21451,), None, Invalid),
    ((21452,), None, NotFound),
    # Sending: not a number, not a mobile one, opted out, unknown to the carriers, a landline.
    ((21211, 21614), Reaction.NO_SMS, Invalid),
    ((21610,), Reaction.OPTED_OUT_OF_ALL, Permanent),
    ((30005, 30006), Reaction.NO_SMS, Permanent),
    # The handset may be off.
    ((30003,), Reaction.TRY_LATER, Transient),
    # WhatsApp by way of Twilio: outside the window, too fast, the day's cap, marketing to the US.
    ((63016,), Reaction.PLAN_AS_TEMPLATE, Permanent),
    ((63018,), Reaction.BACK_OFF, Transient),
    ((63038,), Reaction.DAILY_CAP, Transient),
    ((63049,), Reaction.SKIP, Permanent),
)

TABLE: ErrorTable = {str(code): kind for codes, _, kind in _ROWS for code in codes}
REACTIONS: Mapping[str, Reaction] = {
    str(code): reaction for codes, reaction, _ in _ROWS for code in codes if reaction is not None
}
"""What the codes that are told of a message ask of us."""

# Everything that the transport lets through to the SDK is a success, so what the SDK objects to is its shape.
TWILIO = Provider("Twilio", TABLE, unreadable=(TwilioException,))


def refusal_of(answer: httpx.Response) -> Refusal:
    """Read an answer with an error status."""
    error = documents.lenient(answer.content)
    code = documents.whole_number(error, "code")
    message = documents.optional_text(error, "message") or documents.optional_text(error, "detail") or ""
    return Refusal(answer.status_code, "" if code is None else str(code), message, retry_after_of(answer.headers))
