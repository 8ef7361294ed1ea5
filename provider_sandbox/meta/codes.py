"""Meta's error codes. What belongs here: each code's title and whether the call or a later status tells it; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """How Meta gives an error.

    Attributes:
        title: in Meta's words as far as its reference has them, shortened.
        on_call: whether the call itself is refused; otherwise the message is accepted and a status says `failed`.
        status: the HTTP status of the refusal.
    """

    title: str
    on_call: bool = True
    status: int = 400


CODES: dict[int, Code] = {
    0: Code("AuthException", status=401),
    1: Code("API Unknown", status=400),
    2: Code("API Service", status=503),
    3: Code("API Method", status=500),
    4: Code("API Too Many Calls"),
    10: Code("Permission Denied", status=403),
    100: Code("Invalid parameter"),
    190: Code("Access token has expired", status=401),
    200: Code("API Permission", status=403),
    368: Code("Temporarily blocked for policies violations", status=403),
    80007: Code("Rate limit issues"),
    130429: Code("Rate limit hit"),
    130472: Code("User's number is part of an experiment", on_call=False),
    130497: Code("Business account is restricted from messaging users in this country", status=403),
    131000: Code("Something went wrong", status=500),
    131008: Code("Required parameter is missing"),
    131009: Code("Parameter value is not valid"),
    131016: Code("Service unavailable", status=500),
    131026: Code("Message undeliverable", on_call=False),
    131031: Code("Account has been locked", status=403),
    131037: Code("The number's display name has not been approved"),
    131042: Code("Business eligibility payment issue", on_call=False),
    131047: Code("Re-engagement message", on_call=False),
    131048: Code("Spam rate limit hit", on_call=False),
    131049: Code("Message not delivered to keep the ecosystem healthy", on_call=False),
    131050: Code("User has stopped marketing messages from this business", on_call=False),
    131051: Code("Message type unknown"),
    131052: Code("Media download error", on_call=False),
    131053: Code("Media upload error", on_call=False),
    131056: Code("(Business Account, Consumer Account) pair rate limit hit"),
    131057: Code("Account in maintenance mode", status=500),
    131064: Code("Marketing messages are restricted on this account", on_call=False),
    132000: Code("Number of parameters does not match the expected number of params"),
    132001: Code("Template name does not exist in the translation", status=404),
    132005: Code("Translated text too long"),
    132007: Code("Template format character policy violated"),
    132008: Code("Template parameters are invalid"),
    132012: Code("Parameter format does not match format in the created template"),
    132015: Code("Template is Paused"),
    132016: Code("Template is Disabled"),
    133005: Code("Two step verification PIN Mismatch"),
    133006: Code("Phone number re-verification needed"),
    133010: Code("Account not registered"),
    133016: Code("Account register deregister rate limit exceeded"),
}
UNHEARD_OF = Code("Unknown error")


def code_of(code: int) -> Code:
    """What is known about a code; something to go on where nothing is."""
    return CODES.get(code, UNHEARD_OF)
