"""What PILAR asks of Stripe. What belongs here: calls to its API and the shapes they return.

What does not: webhooks (`signature.py`, `events.py`), those whom we pay (`connect.py`), and what a subscription means
for a workspace (`workspaces`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import stripe

from pilar.backplane.breakers import Breakers
from pilar.errors import Invalid
from pilar.money import Money
from pilar.providers import documents
from pilar.providers.documents import Document, Unreadable
from pilar.providers.stripe import payments
from pilar.providers.stripe.connect import StripeConnect
from pilar.providers.stripe.payments import StripeCharge, StripeInvoice
from pilar.providers.stripe.session import StripeSession
from pilar.settings import Settings

Proration = Literal["create_prorations", "always_invoice", "none"]
"""What a change of price in the middle of a period costs: on the next invoice, at once, or nothing."""

WORKSPACE_KEY = "pilar_workspace"
"""The metadata of a customer that names its workspace, so that a look-up can start at either end."""


@dataclass(frozen=True)
class StripeCustomer:
    """Who pays. A deleted customer has nothing but its id."""

    id: str
    email: str | None
    name: str | None
    phone: str | None
    country: str | None
    deleted: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class StripeSubscription:
    """A subscription as it stands now.

    Attributes:
        amount: for one period; None where the price is not a flat one.
        item_id: what its price hangs on, and is changed by.
    """

    id: str
    status: str
    customer: StripeCustomer
    price_id: str | None
    amount: Money | None
    current_period_end: datetime | None
    trial_end: datetime | None
    cancel_at_period_end: bool
    metadata: Mapping[str, str]
    item_id: str | None = None
    current_period_start: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class StripeCheckout:
    """What was filled in when the subscription was bought."""

    id: str
    studio_name: str | None
    email: str | None
    name: str | None
    phone: str | None
    country: str | None
    time_zone: str | None
    metadata: Mapping[str, str]
    client_reference_id: str | None = None
    created: datetime | None = None


class StripeGateway:
    """Stripe, by way of its own SDK. Safe to share between threads.

    Attributes:
        connect: what it does for those whom we pay.
    """

    def __init__(self, settings: Settings, breakers: Breakers | None = None) -> None:
        """Take the settings, and the breakers of this process; without them each call is made, whatever came before."""
        self._session = StripeSession(settings, breakers)
        self._stripe = self._session.provider
        self.connect = StripeConnect(self._session)

    @property
    def _client(self) -> stripe.StripeClient:
        return self._session.client

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def subscription(self, subscription_id: str) -> StripeSubscription:
        """Read a subscription and its customer.

        Raises:
            NotFound: there is none by that id.
        """
        with self._stripe.reads("subscription"):
            found = self._client.v1.subscriptions.retrieve(subscription_id, params={"expand": ["customer"]})
            return _subscription(found.to_dict())

    def change_price(
        self, subscription: StripeSubscription, price_id: str, idempotency_key: str, *, proration: Proration
    ) -> StripeSubscription:
        """Sell another price in place of a subscription's own, from now on.

        Args:
            subscription: as it was read; its item's price is changed.
            price_id: Stripe's.
            idempotency_key: names this effect.
            proration: what the rest of the present period costs.

        Raises:
            Invalid: the subscription has no item.
            NotFound: there is no such subscription or price.
            OutcomeUnknown: it may have been changed or not; asking again with the same key is safe.
        """
        if subscription.item_id is None:
            raise Invalid(f"The subscription {subscription.id} has no item whose price could be changed.")
        with self._stripe.changes("change_price"):
            changed = self._client.v1.subscriptions.update(
                subscription.id,
                params={
                    "items": [{"id": subscription.item_id, "price": price_id}],
                    "proration_behavior": proration,
                    "expand": ["customer"],
                },
                options={"idempotency_key": idempotency_key},
            )
            return _subscription(changed.to_dict())

    def end_with_period(self, subscription_id: str, idempotency_key: str, *, ends: bool = True) -> StripeSubscription:
        """Let a subscription end when what is paid for is over, or take that back.

        Args:
            subscription_id: Stripe's.
            idempotency_key: names this effect.
            ends: False takes it back.

        Raises:
            NotFound: there is none by that id.
            Permanent: it has ended already.
            OutcomeUnknown: it may have been set or not; asking again with the same key is safe.
        """
        with self._stripe.changes("end_with_period"):
            changed = self._client.v1.subscriptions.update(
                subscription_id,
                params={"cancel_at_period_end": ends, "expand": ["customer"]},
                options={"idempotency_key": idempotency_key},
            )
            return _subscription(changed.to_dict())

    def cancel_subscription(self, subscription_id: str) -> StripeSubscription:
        """End a subscription now. It takes no key: Stripe cancels once, whatever is asked.

        Raises:
            NotFound: there is none by that id, or it has ended already.
            OutcomeUnknown: it may have ended or not; asking again is safe.
        """
        with self._stripe.changes("cancel_subscription"):
            ended = self._client.v1.subscriptions.cancel(subscription_id, params={"expand": ["customer"]})
            return _subscription(ended.to_dict())

    def checkout_of(self, subscription_id: str) -> StripeCheckout | None:
        """Read the checkout that a subscription came from; None where it was made without one."""
        with self._stripe.reads("checkout_of"):
            found = self._client.v1.checkout.sessions.list(params={"subscription": subscription_id, "limit": 1})
            sessions = documents.children(found.to_dict(), "data")
            return _checkout(sessions[0]) if sessions else None

    def invoice(self, invoice_id: str) -> StripeInvoice:
        """Read an invoice.

        Raises:
            NotFound: there is none by that id.
        """
        with self._stripe.reads("invoice"):
            return payments.invoice_in(self._client.v1.invoices.retrieve(invoice_id).to_dict())

    def owed(self, subscription_id: str) -> list[StripeInvoice]:
        """Read the invoices of a subscription that are open, the one that is owed the longest first."""
        with self._stripe.reads("owed"):
            wanted = {"subscription": subscription_id, "status": "open", "limit": 100}
            found = self._client.v1.invoices.list(params=wanted).to_dict()  # type: ignore[arg-type]
            owed = [payments.invoice_in(one) for one in documents.children(found, "data")]
        return sorted(owed, key=lambda invoice: (invoice.finalized_at is None, invoice.finalized_at, invoice.id))

    def charge(self, charge_id: str) -> StripeCharge:
        """Read a charge, with what has gone back of it.

        Raises:
            NotFound: there is none by that id.
        """
        with self._stripe.reads("charge"):
            return self._charge(self._client.v1.charges.retrieve(charge_id).to_dict())

    def invoice_of_payment(self, payment_intent_id: str) -> str | None:
        """The id of the invoice that a payment intent has paid; None where it was for another thing."""
        with self._stripe.reads("invoice_of_payment"):
            found = self._client.v1.invoice_payments.list(
                params={"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}, "limit": 1}
            )
            paid = documents.children(found.to_dict(), "data")
            return payments.reference(paid[0], "invoice") if paid else None

    def charge_of_invoice(self, invoice_id: str) -> StripeCharge | None:
        """Read the charge that an invoice was paid with; None where it was paid without one."""
        with self._stripe.reads("charge_of_invoice"):
            found = self._client.v1.invoice_payments.list(params={"invoice": invoice_id, "status": "paid", "limit": 1})
            paid = documents.children(found.to_dict(), "data")
            intent_id = payments.reference(documents.child(paid[0], "payment"), "payment_intent") if paid else None
            if intent_id is None:
                return None
            intent = self._client.v1.payment_intents.retrieve(intent_id, params={"expand": ["latest_charge"]})
            charge = documents.child(intent.to_dict(), "latest_charge")
            return self._charge(charge) if charge else None

    def _charge(self, document: Document) -> StripeCharge:
        disputes: list[Document] = []
        if payments.is_disputed(document):
            found = self._client.v1.disputes.list(params={"charge": documents.text(document, "id"), "limit": 100})
            disputes = documents.children(found.to_dict(), "data")
        return payments.charge_in(document, disputes)

    def name_workspace(self, customer_id: str, workspace_id: str, idempotency_key: str) -> None:
        """Note on the customer which workspace is theirs.

        Args:
            customer_id: Stripe's.
            workspace_id: ours.
            idempotency_key: names this effect; Stripe repeats its first answer for at least 24 hours.

        Raises:
            OutcomeUnknown: it may have been noted or not; asking again with the same key is safe.
        """
        with self._stripe.changes("name_workspace"):
            answer = self._client.v1.customers.update(
                customer_id,
                params={"metadata": {WORKSPACE_KEY: str(workspace_id)}},
                options={"idempotency_key": idempotency_key},
            )
            if _customer(answer.to_dict()).metadata.get(WORKSPACE_KEY) != str(workspace_id):
                raise Unreadable("the customer came back without the note")


def _subscription(document: Document) -> StripeSubscription:
    items = documents.children(documents.child(document, "items"), "data")
    item = items[0] if items else {}
    price = documents.child(item, "price")
    return StripeSubscription(
        id=documents.text(document, "id"),
        status=documents.text(document, "status"),
        customer=_customer(documents.child(document, "customer")),
        price_id=documents.optional_text(price, "id"),
        amount=_amount(item),
        # Versions of the API before 2025 had the period on the subscription itself.
        current_period_end=documents.moment(item, "current_period_end")
        or documents.moment(document, "current_period_end"),
        trial_end=documents.moment(document, "trial_end"),
        cancel_at_period_end=documents.flag(document, "cancel_at_period_end"),
        metadata=documents.texts(document, "metadata"),
        item_id=documents.optional_text(item, "id"),
        current_period_start=documents.moment(item, "current_period_start")
        or documents.moment(document, "current_period_start"),
        ended_at=documents.moment(document, "ended_at"),
    )


def _amount(item: Document) -> Money | None:
    price = documents.child(item, "price")
    unit_amount = documents.whole_number(price, "unit_amount")
    if unit_amount is None:
        return None
    quantity = documents.whole_number(item, "quantity")
    return Money(unit_amount * (1 if quantity is None else quantity), documents.text(price, "currency").upper())


def _customer(document: Document) -> StripeCustomer:
    return StripeCustomer(
        id=documents.text(document, "id"),
        email=documents.optional_text(document, "email"),
        name=documents.optional_text(document, "name"),
        phone=documents.optional_text(document, "phone"),
        country=documents.optional_text(documents.child(document, "address"), "country"),
        deleted=documents.flag(document, "deleted"),
        metadata=documents.texts(document, "metadata"),
    )


def _checkout(document: Document) -> StripeCheckout:
    person = documents.child(document, "customer_details")
    metadata = documents.texts(document, "metadata")
    name = documents.optional_text(person, "name")
    return StripeCheckout(
        id=documents.text(document, "id"),
        studio_name=_custom_field(document, "studio_name") or name,
        email=documents.optional_text(person, "email"),
        name=name,
        phone=documents.optional_text(person, "phone"),
        country=documents.optional_text(documents.child(person, "address"), "country"),
        time_zone=metadata.get("time_zone"),
        metadata=metadata,
        client_reference_id=documents.optional_text(document, "client_reference_id"),
        created=documents.moment(document, "created"),
    )


def _custom_field(document: Document, key: str) -> str | None:
    for field in documents.optional_children(document, "custom_fields"):
        if field.get("key") == key:
            return documents.optional_text(documents.child(field, "text"), "value")
    return None
