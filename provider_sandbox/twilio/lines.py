"""The telephones behind numbers. What belongs here: what kind each is, and who has opted out of whose SMS."""

from __future__ import annotations

from typing import Literal

from provider_sandbox.state import Transaction
from provider_sandbox.twilio.errors import TwilioError

KIND = "twilio.line"
OPT_OUT = "twilio.opt_out"
Line = Literal["mobile", "landline", "off", "not_mobile", "invalid"]
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
STOPPED = "You have been unsubscribed and will get no more messages. Reply START to get them again."
STARTED = "You will get messages again. Reply STOP to end them."
LANDLINE, UNREACHABLE = 30006, 30003


def set_line(tx: Transaction, number: str, line: Line) -> None:
    """Say what telephone is behind a number; unless told, it is a mobile one that is on."""
    tx.put(KIND, number, {"number": number, "line": line})


def check(tx: Transaction, sender: str, to: str) -> None:
    """Raise what Twilio finds out on the call: 21211 or 21614 about the number, 21610 about a person who said STOP."""
    line = _line(tx, to)
    if line == "invalid":
        raise TwilioError(400, 21211, f"Invalid 'To' phone number: {to}")
    if line == "not_mobile":
        raise TwilioError(400, 21614, f"'To' number is not a valid mobile number: {to}")
    if tx.get(OPT_OUT, f"{sender} {to}"):
        raise TwilioError(400, 21610, "Attempt to send to unsubscribed recipient")


def failure(tx: Transaction, to: str) -> int | None:
    """What the network finds out later, as an error code; None where the SMS arrives."""
    return {"landline": LANDLINE, "off": UNREACHABLE}.get(_line(tx, to))


def hear(tx: Transaction, person: str, number: str, text: str) -> str | None:
    """Take note of somebody's STOP or START to a number.

    Returns:
        What Twilio itself replies; None where it is neither, or nothing new.
    """
    word = text.strip().upper()
    identity = f"{number} {person}"
    out = tx.get(OPT_OUT, identity) is not None
    if word in STOP_WORDS and not out:
        tx.put(OPT_OUT, identity, {"from": number, "to": person, "at": tx.now().isoformat()})
        tx.effect("twilio.opted_out", identity)
        return STOPPED
    if word in START_WORDS and out:
        tx.remove(OPT_OUT, identity)
        tx.effect("twilio.opted_in", identity)
        return STARTED
    return None


def _line(tx: Transaction, number: str) -> str:
    return str((tx.get(KIND, number) or {"line": "mobile"})["line"])
