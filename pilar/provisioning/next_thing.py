"""The one thing to do next for a studio's owner. What belongs here: telling it from the steps; a pure rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

CONNECTION_STEP = "whatsapp_connection"
_OUTSIDE = ("completed", "retired", "undone")

Kind = Literal["connect", "act", "pay", "wait", "ready", "closed"]


@dataclass(frozen=True)
class NextThing:
    """What an owner is to do next.

    Attributes:
        kind: connect WhatsApp; act, as `says` says (prove a number, mend something at Meta); see to the payment; wait,
            since it is others' turn; nothing, as all is ready; nothing, as the signup was taken back.
        says: the same as a sentence for the owner.
        step: where the set-up stands, as people read it.
        link: where to act, where that is not here.
    """

    kind: Kind
    says: str
    step: str | None = None
    link: str | None = None


_TURN = {
    "meta": "It is Meta's turn: WhatsApp looks at your number and your messages, which takes up to a day.",
    "twilio": "It is the phone company's turn: your number is on its way.",
    "us": "It is our turn: something needs a hand of ours, and we know about it.",
    "stripe": "Your payment has not come in yet. Please see the mail from Stripe, or the card you paid with.",
}


def next_thing(job: Row[Any], steps: Sequence[Row[Any]], number_wait: Row[Any] | None = None) -> NextThing:
    """The one thing to do next.

    Args:
        job: the job's row.
        steps: its steps' rows, in order.
        number_wait: what the open studio's own number waits for, if it does.
    """
    if job.state in ("undoing", "undone"):
        return NextThing("closed", "This signup was taken back: there is nothing left to do.")
    if number_wait is not None:
        return NextThing("act", number_wait.reason, number_wait.title, number_wait.link)
    current = next((step for step in steps if step.status not in _OUTSIDE), None)
    if job.state == "completed" or current is None:
        return NextThing("ready", "Your studio is open: leads can write to its number.")
    title = current.title or current.name
    if current.waits_on == "stripe":
        return NextThing("pay", _TURN["stripe"], title)
    connected = any(step.name == CONNECTION_STEP and step.status == "completed" for step in steps)
    known = any(step.name == CONNECTION_STEP for step in steps)
    if known and not connected and job.sealed_setup_code is None:
        return NextThing("connect", "Connect WhatsApp, so that your studio can answer its leads.", title)
    if current.waits_on == "studio" and current.name != CONNECTION_STEP:
        return NextThing("act", current.wait_reason or "Something is left for you to do.", title)
    if current.status == "failed":
        return NextThing("wait", _TURN["us"], title)
    return NextThing("wait", _TURN.get(current.waits_on or "", "We are at work on it: this takes minutes."), title)
