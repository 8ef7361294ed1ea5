"""Answers that are played. What belongs here: which of the next messages Meta refuses, with which code, and how often.

A played answer comes before every rule of the sandbox's own, except that the request must reach a number.
"""

from __future__ import annotations

from dataclasses import dataclass

from provider_sandbox.meta import contacts, errors
from provider_sandbox.meta.codes import code_of
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.state import Body, Transaction

KIND = "meta.answer"
ANYBODY = "*"


@dataclass(frozen=True)
class Answer:
    """What is answered to messages.

    Attributes:
        code: Meta's.
        sender: the number that sends, in E.164; None for every number.
        recipient: whom it goes to; None for everybody.
        times: how many messages are answered so.
        on_call: whether the call is refused or a status says `failed`; None for what Meta does with this code.
        delivered: after the failure a status says `delivered` all the same, as happens with Meta.
        details: in words; some are made up where there are none.
    """

    code: int
    sender: str | None = None
    recipient: str | None = None
    times: int = 1
    on_call: bool | None = None
    delivered: bool = False
    details: str | None = None


@dataclass(frozen=True)
class Played:
    """The answer to one message."""

    code: int
    on_call: bool
    delivered: bool
    details: str

    def as_refusal(self) -> GraphError:
        """The answer to the call."""
        return errors.refused(self.code, self.details)

    def as_failure(self) -> Body:
        """The error in the status."""
        return errors.told(self.code, self.details)


def play(tx: Transaction, answer: Answer) -> None:
    """Answer so from now on, in place of what was played for the same pair before; no times at all ends it."""
    pair = _pair(answer.sender, answer.recipient)
    if answer.times == 0:
        tx.remove(KIND, pair)
        return
    body = {
        "from": answer.sender,
        "to": answer.recipient,
        "code": answer.code,
        "left": answer.times,
        "on_call": code_of(answer.code).on_call if answer.on_call is None else answer.on_call,
        "delivered": answer.delivered,
        "details": answer.details or f"The sandbox was asked to answer {answer.code}.",
    }
    tx.put(KIND, pair, body)


def listed(tx: Transaction) -> list[Body]:
    """What will be answered, and to how many more messages."""
    return tx.find(KIND)


def clear(tx: Transaction) -> None:
    """Play nothing any more."""
    for body in listed(tx):
        tx.remove(KIND, _pair(body["from"], body["to"]))


def take(tx: Transaction, phone: Body, recipient: object) -> Played | None:
    """The answer to the message that a number is about to send, which uses it up once; the closest pair wins."""
    to = recipient if isinstance(recipient, str) else None
    for pair in (_pair(phone["number"], to), _pair(None, to), _pair(phone["number"], None), _pair(None, None)):
        body = tx.get(KIND, pair)
        if body is None:
            continue
        if body["left"] == 1:
            tx.remove(KIND, pair)
        else:
            tx.change(KIND, pair, body | {"left": body["left"] - 1})
        return Played(body["code"], body["on_call"], body["delivered"], body["details"])
    return None


def _pair(sender: str | None, recipient: str | None) -> str:
    ends = (contacts.digits(end) if end else ANYBODY for end in (sender, recipient))
    return " ".join(ends)
