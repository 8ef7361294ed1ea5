"""What was paid, and what has gone back. What belongs here: Stripe's invoices and charges, and reading them.

The calls are `client.py`'s. An invoice no longer names its charge: payments of invoices, payment intents and charges
lead from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pilar.money import Money
from pilar.providers import documents
from pilar.providers.documents import Document, Unreadable

DISPUTES_THAT_COST_NOTHING = frozenset(
    {"won", "prevented", "warning_needs_response", "warning_under_review", "warning_closed"}
)
"""States of a dispute in which the money is ours: it was won, or was never more than an inquiry."""


@dataclass(frozen=True)
class StripeInvoice:
    """An invoice as it stands now.

    Attributes:
        subscription_id: what it is for; None where it is for no subscription.
        paid_at: None until it is paid.
        status: Stripe's: draft, open, paid, uncollectible or void.
        finalized_at: since when it is owed; None for a draft.
        pay_link: Stripe's own page where it can be paid, where there is one.
    """

    id: str
    subscription_id: str | None
    customer_id: str
    amount_paid: Money
    paid_at: datetime | None
    billing_reason: str | None
    status: str | None = None
    finalized_at: datetime | None = None
    pay_link: str | None = None


@dataclass(frozen=True)
class StripeCharge:
    """Money that was taken, as it stands now.

    Attributes:
        payment_intent_id: what it belongs to; None for one that was made without.
        amount: what was taken.
        amount_refunded: what was refunded of it since, in all.
        amount_disputed: what the payer's bank has taken back or holds because of disputes that aren't won.
        customer_id: whose; None for a guest's.
    """

    id: str
    payment_intent_id: str | None
    amount: Money
    amount_refunded: Money
    amount_disputed: Money
    customer_id: str | None

    @property
    def gone_back(self) -> Money:
        """What is no longer ours, at most what was taken."""
        gone = self.amount_refunded + self.amount_disputed
        return gone if gone.minor < self.amount.minor else self.amount


def invoice_in(document: Document) -> StripeInvoice:
    """Read an invoice."""
    paid = documents.optional_text(document, "status") == "paid"
    moments = documents.child(document, "status_transitions")
    return StripeInvoice(
        id=documents.text(document, "id"),
        subscription_id=subscription_of(document),
        customer_id=required_reference(document, "customer"),
        amount_paid=money(document, "amount_paid"),
        paid_at=documents.moment(moments, "paid_at") if paid else None,
        billing_reason=documents.optional_text(document, "billing_reason"),
        status=documents.optional_text(document, "status"),
        finalized_at=documents.moment(moments, "finalized_at"),
        pay_link=documents.optional_text(document, "hosted_invoice_url"),
    )


def charge_in(document: Document, disputes: Sequence[Document]) -> StripeCharge:
    """Read a charge, with the disputes about it."""
    currency = documents.text(document, "currency").upper()
    costly = [one for one in disputes if documents.text(one, "status") not in DISPUTES_THAT_COST_NOTHING]
    return StripeCharge(
        id=documents.text(document, "id"),
        payment_intent_id=reference(document, "payment_intent"),
        amount=money(document, "amount"),
        amount_refunded=money(document, "amount_refunded"),
        amount_disputed=Money(sum(money(one, "amount").minor for one in costly), currency),
        customer_id=reference(document, "customer"),
    )


def is_disputed(document: Document) -> bool:
    """Whether there is or was a dispute about a charge."""
    return documents.flag(document, "disputed")


def subscription_of(invoice: Document) -> str | None:
    """The subscription that an invoice is for."""
    # Versions of the API before 2025 had it on the invoice itself.
    details = documents.child(invoice, "parent", "subscription_details")
    return reference(details, "subscription") or reference(invoice, "subscription")


def reference(document: Document, name: str) -> str | None:
    """An id that stands for itself or inside the expanded object."""
    return documents.optional_text(document, name) or documents.optional_text(documents.child(document, name), "id")


def required_reference(document: Document, name: str) -> str:
    """The same where it has to be there; raise `Unreadable` where it is missing."""
    found = reference(document, name)
    if found is None:
        raise Unreadable(f"{name!r} is missing")
    return found


def money(document: Document, name: str) -> Money:
    """An amount of a document in the document's own currency; raise `Unreadable` where it is missing."""
    minor = documents.whole_number(document, name)
    if minor is None:
        raise Unreadable(f"{name!r} is missing")
    return Money(minor, documents.text(document, "currency").upper())
