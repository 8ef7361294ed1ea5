"""Answers that are played. What belongs here: which of the next requests Twilio refuses, with which code, how often.

Codes from 30000 on come from the network or a channel: they are told by a message's status, not by the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from provider_sandbox.state import Body, Transaction
from provider_sandbox.twilio.errors import TwilioError

KIND = "twilio.answer"
LATER = 30000
STATUSES = {20003: 401, 20005: 403, 20008: 403, 20404: 404, 20429: 429, 20500: 500, 20503: 503}


@dataclass(frozen=True)
class Answer:
    """What is answered.

    Attributes:
        code: Twilio's.
        path: a pattern of the paths below the host (`*/Messages.json`).
        to: the recipient of an SMS; None for every request.
        times: how many requests are answered so; none at all ends it.
    """

    code: int
    path: str = "*"
    to: str | None = None
    times: int = 1


def play(tx: Transaction, answer: Answer) -> None:
    """Answer so from now on, in place of what was played for the same path and recipient before."""
    identity = f"{answer.path} {answer.to or ''}"
    if answer.times == 0:
        tx.remove(KIND, identity)
        return
    body = {"id": identity, "code": answer.code, "path": answer.path, "to": answer.to, "left": answer.times}
    tx.put(KIND, identity, body)


def listed(tx: Transaction) -> list[Body]:
    """What will be answered, and to how many more requests."""
    return tx.find(KIND)


def clear(tx: Transaction) -> None:
    """Play nothing any more."""
    for body in listed(tx):
        tx.remove(KIND, body["id"])


def take(tx: Transaction, path: str, to: str | None, *, later: bool) -> int | None:
    """The code that a request is answered with, which uses it up once; `later` asks for those that a status tells."""
    for body in listed(tx):
        fits = fnmatchcase(path, body["path"]) and body["to"] in (None, to)
        if fits and (body["code"] >= LATER) is later:
            if body["left"] == 1:
                tx.remove(KIND, body["id"])
            else:
                tx.change(KIND, body["id"], body | {"left": body["left"] - 1})
            return int(body["code"])
    return None


def as_error(code: int) -> TwilioError:
    """A played code as the answer to a call."""
    return TwilioError(STATUSES.get(code, 400), code, f"The sandbox was asked to answer {code}.")
