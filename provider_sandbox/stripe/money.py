"""Money comes and goes. What belongs here: paying, renewing, refunding and disputing, and the events of each.

What does not: the objects' fields (`money_objects.py`), paths and forms (`api.py`), and who plays it (`play.py`).
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any, TypeVar

from provider_sandbox.state import Body, Transaction
from provider_sandbox.stripe import errors, money_objects, objects, store
from provider_sandbox.tasks import TaskQueue

Item = TypeVar("Item")

CLOSED = frozenset({"won", "lost"})


def mixed(items: list[Item], seed: int) -> list[Item]:
    """The items in an order of the seed's choosing, one or two of them twice."""
    chance = random.Random(seed)  # noqa: S311 - reproducible disorder, not a secret
    order = list(items)
    chance.shuffle(order)
    for item in chance.sample(items, chance.randint(1, min(2, len(items)))):
        order.insert(chance.randint(order.index(item) + 1, len(order)), item)
    return order


def announce(tx: Transaction, deliveries: TaskQueue, payer: str, events: list[Body], seed: int) -> list[str]:
    """Keep events and queue their webhooks, disordered and partly doubled by `seed`; their ids in order of sending."""
    for event in events:
        store.save(tx, event, key=event["type"])
    sent = mixed(events, seed)
    for event in sent:
        body = json.dumps(event, indent=2, ensure_ascii=False)
        deliveries.add(tx, topic="stripe", name=event["id"], lane=f"stripe {payer}", body=body)
    return [event["id"] for event in sent]


def pay(tx: Transaction, paid: Body, created: int) -> Body:
    """Keep what comes into being when an invoice is paid; return the charge."""
    intent, charge, link = money_objects.payment(paid, created)
    store.save(tx, intent, owner=paid["customer"])
    store.save(tx, charge, owner=paid["customer"], key=intent["id"])
    store.save(tx, link, owner=paid["id"], key=intent["id"])
    return charge


def renew(tx: Transaction, deliveries: TaskQueue, subscription_id: str, seed: int) -> dict[str, Any]:
    """Begin a subscription's next month, paid.

    Returns:
        The ids of invoice and charge, and the event ids in order of sending.
    """
    bought = existing(tx, "subscription", subscription_id)
    payer = existing(tx, "customer", bought["customer"])
    created = int(tx.now().timestamp())
    item = bought["items"]["data"][0]
    item["current_period_start"] = item["current_period_end"]
    item["current_period_end"] += objects.MONTH
    paid = objects.invoice(payer, bought, created, "subscription_cycle")
    bought["latest_invoice"] = paid["id"]
    tx.change("stripe.subscription", subscription_id, bought)
    store.save(tx, paid, owner=payer["id"], key=subscription_id)
    charge = pay(tx, paid, created)
    events = [
        objects.event("customer.subscription.updated", bought, created),
        objects.event("invoice.paid", paid, created),
    ]
    return {
        "invoice": paid["id"],
        "charge": charge["id"],
        "events": announce(tx, deliveries, payer["id"], events, seed),
    }


def refund(
    tx: Transaction,
    deliveries: TaskQueue,
    charge_id: str,
    *,
    amount: int | None = None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    seed: int = 1,
) -> tuple[Body, list[str]]:
    """Give money of a charge back; all that is left of it where no amount is named.

    Returns:
        The refund, and the event ids in order of sending.

    Raises:
        StripeError: as much is not left, or the amount is none.
    """
    charge = existing(tx, "charge", charge_id)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise errors.already_refunded(charge_id)
    amount = left if amount is None else amount
    if amount < 1:
        raise errors.no_amount(amount)
    if amount > left:
        raise errors.more_than_is_left(amount, left)
    created = int(tx.now().timestamp())
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    tx.change("stripe.charge", charge_id, charge)
    gone = money_objects.refund(charge, amount, reason, metadata or {}, created)
    store.save(tx, gone, owner=charge_id, key=charge["payment_intent"])
    tx.effect("stripe.refunded", charge_id)
    events = [objects.event("charge.refunded", charge, created), objects.event("refund.created", gone, created)]
    return gone, announce(tx, deliveries, charge["customer"], events, seed)


def dispute(
    tx: Transaction, deliveries: TaskQueue, charge_id: str, *, status: str, amount: int | None = None, seed: int = 1
) -> tuple[Body, list[str]]:
    """Open a dispute about a charge, or change the state of the one there is.

    Returns:
        The dispute, and the event ids in order of sending.
    """
    charge = existing(tx, "charge", charge_id)
    created = int(tx.now().timestamp())
    known = tx.find("stripe.dispute", owner=charge_id)
    about = known[0] if known else money_objects.dispute(charge, amount or charge["amount"], created)
    events = [] if known else [objects.event("charge.dispute.created", copy.deepcopy(about), created)]
    about["status"] = status
    if status in CLOSED:
        events.append(objects.event("charge.dispute.closed", about, created))
    store.save(tx, about, owner=charge_id, key=charge["payment_intent"])
    tx.change("stripe.charge", charge_id, {**charge, "disputed": True})
    return about, announce(tx, deliveries, charge["customer"], events, seed)


def charge_of(tx: Transaction, invoice_id: str) -> str:
    """The charge that an invoice was paid with.

    Raises:
        StripeError: there is no such invoice, or it was paid without a charge.
    """
    existing(tx, "invoice", invoice_id)
    for link in tx.find("stripe.invoice_payment", owner=invoice_id):
        return str(existing(tx, "payment_intent", link["payment"]["payment_intent"])["latest_charge"])
    raise errors.no_such("charge", invoice_id)


def existing(tx: Transaction, label: str, identity: str) -> Body:
    """An object that has to be there; raise `StripeError` where it is not."""
    body = tx.get(store.BY_LABEL[label].kind, identity)
    if body is None:
        raise errors.no_such(label, identity)
    return body
