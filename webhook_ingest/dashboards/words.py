"""What pages say for the names that work goes by. What belongs here: words for lanes, reasons and kinds of effects.

A name that nobody has words for is shown as it is: a new type must not need a page to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilar.backplane.facts import Lane
from pilar.backplane.received import ReceivedDelivery
from pilar.backplane.work import Status


@dataclass(frozen=True)
class Reason:
    """Why work died, and what somebody may do."""

    why: str
    advice: str


LANES = {
    Lane.INBOX: ("Inbox", "Webhooks as they come in."),
    Lane.REPLY: ("Replies", "Answers that somebody waits for."),
    Lane.DEFAULT: ("Everything else", "Provisioning, payments, what follows from events."),
    Lane.BULK: ("In bulk", "Nudges and other work in quantity; it gives way to all other lanes."),
}

PROVIDERS = {"stripe": "Stripe", "twilio": "Twilio", "whatsapp": "WhatsApp"}
_DELIVERIES = {
    Status.COMPLETED: "Worked on",
    Status.FAILED: "Needs help",
    Status.PENDING: "Waits",
    Status.IN_PROGRESS: "In progress",
    Status.RETRYING: "Tried again later",
    Status.PARKED: "Held back",
    Status.SCHEDULED: "Put off",
    Status.DISCARDED: "Let go of",
    Status.CANCELLED: "Withdrawn",
    Status.ARCHIVED: "Worked on, the log of it is gone",
}

_DEFECT = Reason(
    "Something went wrong that nobody foresaw",
    "It was tried as often as it may be. Look at the error; once the cause is repaired, send it back.",
)
_REASONS = {
    "unknown_type": Reason(
        "Nobody here knows this type of work", "An older release met a newer one's work: send it back after the update."
    ),
    "worker_died": Reason(
        "Whoever worked on it died, again and again",
        "It may take the next worker along. Find out why before you send it back.",
    ),
    "ValidationError": Reason(
        "Its content is not what its type should have", "It will not get better by itself: repair its sender first."
    ),
    "permanent": Reason("It was refused for good", "The error says by whom. Send it back once that has changed."),
    "invalid": Reason("Its content was refused", "The error says why. As it is, it will be refused again."),
    "conflict": Reason("It contradicts what is recorded", "Perhaps it was done another way: look, then let go."),
    "not_found": Reason("What it is about is not there any more", "If that is as it should be, let go of it."),
    "forbidden": Reason("We may not do this", "The error says what is missing. Send it back once that is granted."),
    "not_configured": Reason("A setting is missing", "`pilar doctor` says which. Set it, then send it back."),
    "credentials_refused": Reason(
        "A provider refused our credentials", "Renew them, or have the studio connect again; then send it back."
    ),
    "outcome_unknown": Reason(
        "Whether it happened is not known", "See the page of effects in doubt before you send it back."
    ),
    "transient": Reason("A provider was away for too long", "Send it back when the provider is well again."),
    "over_budget": Reason("A budget was used up for too long", "Raise it for a while, then send it back."),
    "too_many_requests": Reason("A provider had us wait for too long", "Send it back, not all at once."),
    "busy": Reason("Somebody else was at work on the same thing for too long", "Send it back."),
}

_EFFECTS = {
    "twilio.create_subaccount": "Making a studio's account at Twilio",
    "twilio.create_key": "Making an API key of a studio's account at Twilio",
    "twilio.buy_number": "Buying a phone number at Twilio",
    "whatsapp.add_number": "Adding a number to WhatsApp",
    "whatsapp.register_number": "Registering a number with WhatsApp",
    "whatsapp.subscribe_app": "Having WhatsApp tell us of a studio's messages",
    "whatsapp.request_code": "Asking WhatsApp for a verification code",
    "whatsapp.verify_code": "Verifying a number by its code",
    "whatsapp.submit_template": "Having WhatsApp review a template",
    "whatsapp.send": "Sending a message over WhatsApp",
    "mail.setup_link": "Mailing an owner their set-up link",
    "mail.setup_reminder": "Reminding an owner by mail",
    "twilio.remind_owner": "Reminding an owner by SMS",
    "twilio.release_number": "Giving a phone number back to Twilio",
    "twilio.close_subaccount": "Closing a studio's account at Twilio",
    "whatsapp.deregister_number": "Taking a number off WhatsApp",
}


def reason(error_code: str) -> Reason:
    """Why work died, by its error's code; the names of Python's errors are defects."""
    return _REASONS.get(error_code, _DEFECT)


def effect(kind: str) -> str:
    """What was to be done, by the effect's kind."""
    return _EFFECTS.get(kind, kind)


def delivery_status(status: Status) -> str:
    """Where a webhook is."""
    return _DELIVERIES[status]


def came_of(delivery: ReceivedDelivery) -> str:
    """What came of a webhook's parts, as its handlers told; empty where nothing is told."""
    told = [(handler.handler, handler.result) for handler in delivery.handlers if handler.result]
    return "; ".join(_result(name if len(told) > 1 else "", result) for name, result in told)


def _result(name: str, result: Mapping[str, Any]) -> str:
    parts = [
        f"{value} × {key.replace('_', ' ').replace(':', ': ')}" if isinstance(value, int) else f"{key}: {value}"
        for key, value in result.items()
    ]
    return f"{name}: {', '.join(parts)}" if name else ", ".join(parts)
