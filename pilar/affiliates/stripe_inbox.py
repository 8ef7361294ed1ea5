"""What Stripe tells that may concern a commission. What belongs here: reading its deliveries as hints."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from pilar.affiliates.events import ReconcileCharge, ReconcileInvoice
from pilar.backplane.facts import Job, Payload, enqueue
from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.providers.stripe.events import StripeSubject, subject_of

MONEY_GOES_BACK = ("charge.refund", "charge.dispute.", "refund.")
"""How the events begin by which money of a payment goes back, or comes again where that failed."""


class MoneyInbox:
    """Reads Stripe's deliveries about payments."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:
        """Have the payment that an event is about reconciled; an event about something else is counted."""
        try:
            event = json.loads(work.content.body)
        except ValueError as error:
            raise Invalid("The body is not JSON, though its signature is right.") from error
        subject = subject_of(event)
        payload = _wanted(subject)
        if payload is None:
            return {"type": subject.type, "skipped": "it is about no payment"}
        # A key is one job's, whatever its type: the signup's job for this event is keyed by the event alone.
        enqueue(connection, self._clocks, [Job(payload=payload, key=f"payment:{subject.event_id}")], work.cause)
        return {"type": subject.type, "job": payload.type_name}


def _wanted(subject: StripeSubject) -> Payload | None:
    if subject.type == "invoice.paid" and subject.invoice_id is not None:
        return ReconcileInvoice(invoice_id=subject.invoice_id)
    if subject.type.startswith(MONEY_GOES_BACK) and subject.charge_id is not None:
        return ReconcileCharge(charge_id=subject.charge_id)
    return None
