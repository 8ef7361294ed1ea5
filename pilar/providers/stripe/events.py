"""What a Stripe event is a hint about. What belongs here: pure reading of an event document.

Events come unordered, twice, and days late: nothing here trusts an event's contents beyond the ids in it. Whoever
handles the hint reads the object itself (`client.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilar.errors import Invalid
from pilar.providers.documents import Document, child, optional_text
from pilar.providers.stripe.payments import reference, subscription_of


@dataclass(frozen=True)
class StripeSubject:
    """The objects to look at, where the event names them."""

    event_id: str
    type: str
    subscription_id: str | None
    customer_id: str | None
    invoice_id: str | None = None
    charge_id: str | None = None


def subject_of(event: Mapping[str, Any]) -> StripeSubject:
    """Tell which subscription, customer, invoice and charge an event concerns.

    Args:
        event: the document as delivered, parsed.

    Returns:
        The subject; of a type that is not handled, one that names nothing.

    Raises:
        Invalid: the document has no id or no type, so it is no event.
    """
    event_id, kind = optional_text(event, "id"), optional_text(event, "type")
    if event_id is None or kind is None:
        raise Invalid("An event of Stripe has an id and a type; this document has not.")
    about = child(event, "data", "object")
    subscription_id, customer_id = _payer(kind, about)
    invoice_id = optional_text(about, "id") if kind.startswith("invoice.") else None
    return StripeSubject(event_id, kind, subscription_id, customer_id, invoice_id, _charge(kind, about))


def _payer(kind: str, about: Document) -> tuple[str | None, str | None]:
    if kind.startswith("customer.subscription."):
        return optional_text(about, "id"), reference(about, "customer")
    if kind.startswith("customer."):
        # `customer.tax_id.created` and the like are about something of the customer's, which names its owner.
        is_customer = about.get("object") == "customer"
        return None, optional_text(about, "id") if is_customer else reference(about, "customer")
    if kind.startswith("invoice."):
        return subscription_of(about), reference(about, "customer")
    if kind.startswith("checkout.session."):
        return reference(about, "subscription"), reference(about, "customer")
    if kind.startswith("charge."):
        # A dispute or refund names its charge only; the charge leads to the customer.
        charge = child(about, "charge")
        return None, reference(about, "customer") or reference(charge, "customer")
    return None, None


def _charge(kind: str, about: Document) -> str | None:
    if kind.startswith("charge.") and about.get("object") == "charge":
        return optional_text(about, "id")
    # Refunds and disputes are told of under either name, and name their charge.
    return reference(about, "charge") if kind.startswith(("charge.", "refund.")) else None
