"""A visitor pays. What belongs here: the objects and events of one paid checkout, and their order of arrival."""

from __future__ import annotations

import copy
import json
import random
from typing import TypeVar

from provider_sandbox.state import Transaction
from provider_sandbox.stripe import objects, store
from provider_sandbox.stripe.objects import Visitor
from provider_sandbox.tasks import TaskQueue

Item = TypeVar("Item")


def mixed(items: list[Item], seed: int) -> list[Item]:
    """The items in an order of the seed's choosing, one or two of them twice."""
    chance = random.Random(seed)  # noqa: S311 - reproducible disorder, not a secret
    order = list(items)
    chance.shuffle(order)
    for item in chance.sample(items, chance.randint(1, 2)):
        order.insert(chance.randint(order.index(item) + 1, len(order)), item)
    return order


def sign_up(tx: Transaction, deliveries: TaskQueue, visitor: Visitor, seed: int) -> dict[str, object]:
    """Create what a paid checkout creates and queue its webhooks, disordered and partly doubled by `seed`.

    Returns:
        The ids of customer, subscription, invoice and checkout session, and the event ids in order of sending.
    """
    created = int(tx.now().timestamp())
    payer = objects.customer(visitor, created)
    plan_price = tx.get("stripe.price", objects.PRICES[visitor.plan][0])
    if plan_price is None:
        raise LookupError(f"the price of {visitor.plan} is not seeded")
    bought = objects.subscription(visitor, payer["id"], plan_price, created)
    paid = objects.invoice(visitor, bought, created)
    bought["latest_invoice"] = paid["id"]
    session = objects.checkout_session(visitor, bought, paid, created)
    store.save(tx, payer, key=visitor.email)
    store.save(tx, bought, owner=payer["id"])
    store.save(tx, paid, owner=payer["id"], key=bought["id"])
    store.save(tx, session, owner=payer["id"], key=bought["id"])

    # A subscription begins before its first invoice is paid: an event tells how it was, not how it is.
    begun = copy.deepcopy(bought) | {"status": "incomplete"}
    events = [
        objects.event("customer.created", payer, created),
        objects.event("customer.subscription.created", begun, created),
        objects.event("checkout.session.completed", session, created),
        objects.event("invoice.paid", paid, created),
    ]
    for event in events:
        store.save(tx, event, key=event["type"])
    sent = mixed(events, seed)
    for event in sent:
        body = json.dumps(event, indent=2, ensure_ascii=False)
        deliveries.add(tx, topic="stripe", name=event["id"], lane=f"stripe {payer['id']}", body=body)
    return {
        "customer": payer["id"],
        "subscription": bought["id"],
        "invoice": paid["id"],
        "checkout_session": session["id"],
        "events": [event["id"] for event in sent],
    }
