"""A visitor pays. What belongs here: the objects and events of one paid checkout, without its page."""

from __future__ import annotations

from provider_sandbox.state import Transaction
from provider_sandbox.stripe import cards, checkout, objects, payments
from provider_sandbox.stripe.catalog import new_customer
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.objects import Visitor
from provider_sandbox.tasks import TaskQueue


def sign_up(tx: Transaction, deliveries: TaskQueue, visitor: Visitor, seed: int) -> dict[str, object]:
    """Create what a paid checkout creates and queue its webhooks, disordered and partly doubled by `seed`.

    Returns:
        The ids of customer, subscription, invoice, charge and checkout session, and the event ids in order of sending.
        There is no charge where a trial begins.
    """
    desk = Desk(tx, deliveries)
    zone = {"time_zone": visitor.time_zone} if visitor.time_zone else {}
    session = checkout.new_session(
        desk,
        mode="subscription",
        items=[{"price": objects.PRICES[visitor.plan][0], "quantity": 1}],
        metadata={**visitor.metadata, **zone},
        client_reference_id=visitor.client_reference_id,
        fields=[checkout.studio_name_field()],
        subscription_metadata=dict(visitor.metadata),
        trial_days=visitor.trial_days,
    )
    person = {"email": visitor.email, "name": visitor.owner_name, "phone": visitor.phone, "address": visitor.address}
    payer = new_customer(desk, **person, currency=objects.CURRENCY)
    method = payments.attach(desk, payments.new_card(desk, cards.GOOD), payer["id"])
    session = checkout.complete(desk, session, payer, method, {"studio_name": visitor.studio})
    intent = None
    if not visitor.trial_days:
        [link] = tx.find("stripe.invoice_payment", owner=session["invoice"])
        intent = desk.existing("payment_intent", link["payment"]["payment_intent"])
    return {
        "customer": payer["id"],
        "subscription": session["subscription"],
        "invoice": session["invoice"],
        "charge": intent["latest_charge"] if intent else None,
        "checkout_session": session["id"],
        "events": desk.send(seed),
    }
