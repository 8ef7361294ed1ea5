"""A visitor pays. What belongs here: the objects and events of one paid checkout."""

from __future__ import annotations

import copy

from provider_sandbox.state import Transaction
from provider_sandbox.stripe import money, objects, store
from provider_sandbox.stripe.objects import Visitor
from provider_sandbox.tasks import TaskQueue


def sign_up(tx: Transaction, deliveries: TaskQueue, visitor: Visitor, seed: int) -> dict[str, object]:
    """Create what a paid checkout creates and queue its webhooks, disordered and partly doubled by `seed`.

    Returns:
        The ids of customer, subscription, invoice, charge and checkout session, and the event ids in order of sending.
    """
    created = int(tx.business_now().timestamp())
    payer = objects.customer(visitor, created)
    plan_price = tx.get("stripe.price", objects.PRICES[visitor.plan][0])
    if plan_price is None:
        raise LookupError(f"the price of {visitor.plan} is not seeded")
    bought = objects.subscription(visitor, payer["id"], plan_price, created)
    paid = objects.invoice(payer, bought, created, "subscription_create")
    bought["latest_invoice"] = paid["id"]
    session = objects.checkout_session(visitor, bought, paid, created)
    store.save(tx, payer, key=visitor.email)
    store.save(tx, bought, owner=payer["id"])
    store.save(tx, paid, owner=payer["id"], key=bought["id"])
    store.save(tx, session, owner=payer["id"], key=bought["id"])
    charge = money.pay(tx, paid, created)

    # A subscription begins before its first invoice is paid: an event tells how it was, not how it is.
    begun = copy.deepcopy(bought) | {"status": "incomplete"}
    events = [
        objects.event("customer.created", payer, created),
        objects.event("customer.subscription.created", begun, created),
        objects.event("checkout.session.completed", session, created),
        objects.event("invoice.paid", paid, created),
    ]
    return {
        "customer": payer["id"],
        "subscription": bought["id"],
        "invoice": paid["id"],
        "charge": charge["id"],
        "checkout_session": session["id"],
        "events": money.announce(tx, deliveries, payer["id"], events, seed),
    }
