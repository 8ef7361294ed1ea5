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


@dataclass(frozen=True)
class StripeSubject:
    """The subscription and the customer to look at, where the event names them."""

    event_id: str
    type: str
    subscription_id: str | None
    customer_id: str | None


def subject_of(event: Mapping[str, Any]) -> StripeSubject:
    """Tell which subscription and customer an event concerns.

    Args:
        event: the document as delivered, parsed.

    Returns:
        The subject; of a type that is not handled, one without subscription and customer.

    Raises:
        Invalid: the document has no id or no type, so it is no event.
    """
    event_id, kind = optional_text(event, "id"), optional_text(event, "type")
    if event_id is None or kind is None:
        raise Invalid("An event of Stripe has an id and a type; this document has not.")
    subscription_id, customer_id = _ids(kind, child(event, "data", "object"))
    return StripeSubject(event_id, kind, subscription_id, customer_id)


def _ids(kind: str, about: Document) -> tuple[str | None, str | None]:
    if kind.startswith("customer.subscription."):
        return optional_text(about, "id"), _reference(about, "customer")
    if kind.startswith("customer."):
        # `customer.tax_id.created` and the like are about something of the customer's, which names its owner.
        is_customer = about.get("object") == "customer"
        return None, optional_text(about, "id") if is_customer else _reference(about, "customer")
    if kind.startswith("invoice."):
        return _subscription_of_invoice(about), _reference(about, "customer")
    if kind.startswith("checkout.session."):
        return _reference(about, "subscription"), _reference(about, "customer")
    if kind.startswith("charge."):
        # A dispute or refund names its charge only; the charge leads to the customer.
        charge = child(about, "charge")
        return None, _reference(about, "customer") or _reference(charge, "customer")
    return None, None


def _subscription_of_invoice(invoice: Document) -> str | None:
    # Versions of the API before 2025 had it on the invoice itself.
    details = child(invoice, "parent", "subscription_details")
    return _reference(details, "subscription") or _reference(invoice, "subscription")


def _reference(document: Document, name: str) -> str | None:
    """An id that stands for itself or inside the expanded object."""
    return optional_text(document, name) or optional_text(child(document, name), "id")
