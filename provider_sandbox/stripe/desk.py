"""One transaction at Stripe, at one moment of business time. What belongs here: objects, events, appointments.

What happens at the desk is told of as events: all of them are kept, and those that the product's webhook endpoint is
set up for are sent when the desk is left, disordered and partly doubled by a seed. An appointment is something that
Stripe will do by itself at a moment of business time; `agenda.py` keeps them.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any, TypeVar

from provider_sandbox.state import Body, Transaction
from provider_sandbox.stripe import errors, objects, store
from provider_sandbox.tasks import TaskQueue

Item = TypeVar("Item")

SENT = frozenset(
    {
        *("checkout.session.completed", "checkout.session.expired", "customer.created", "customer.deleted"),
        *("customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted"),
        *("customer.subscription.trial_will_end", "invoice.paid", "invoice.payment_failed", "invoice.voided"),
        *("invoice.marked_uncollectible", "charge.refunded", "refund.created", "charge.dispute.created"),
        *("charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
        *("account.updated", "transfer.created", "transfer.reversed", "transfer.updated"),
        *("payout.created", "payout.paid", "payout.failed"),
    }
)
"""The types that the product's webhook endpoint is set up for; the rest is kept, and found under `/v1/events`."""


def mixed(items: list[Item], seed: int) -> list[Item]:
    """The items in an order of the seed's choosing, one or two of them twice."""
    if not items:
        return []
    chance = random.Random(seed)  # noqa: S311 - reproducible disorder, not a secret
    order = list(items)
    chance.shuffle(order)
    for item in chance.sample(items, chance.randint(1, min(2, len(items)))):
        order.insert(chance.randint(order.index(item) + 1, len(order)), item)
    return order


class Desk:
    """Where Stripe's objects are read and changed.

    Attributes:
        tx: the transaction.
        at: the moment, in seconds of business time.
        account: the connected account that is acted for; None: the platform.
    """

    def __init__(
        self,
        tx: Transaction,
        deliveries: TaskQueue,
        *,
        at: int | None = None,
        account: str | None = None,
        request: Body | None = None,
    ) -> None:
        """`at` is the present moment of business time where not given; `request` is what events name as their cause."""
        self.tx = tx
        self._request = request
        self.at = int(tx.business_now().timestamp()) if at is None else at
        self.account = account
        self._deliveries = deliveries
        self._told: list[tuple[str, Body]] = []

    def existing(self, label: str, identity: str, param: str = "id") -> Body:
        """An object that has to be there; raise `StripeError` where it is not."""
        return existing(self.tx, label, identity, param)

    def payer(self, identity: str, param: str = "customer") -> Body:
        """A customer who has to be there, and not deleted."""
        body = self.existing("customer", identity, param)
        if body.get("deleted"):
            raise errors.no_such("customer", identity, param)
        return body

    def save(self, body: Body, *, owner: str = "", key: str = "") -> Body:
        """Keep a new object, which can be found by its owner and its key."""
        return store.save(self.tx, body, owner=owner, key=key)

    def change(self, body: Body) -> Body:
        """Keep what an object has become."""
        return self.tx.change(store.BY_LABEL[body["object"]].kind, body["id"], body)

    def tell(self, kind: str, subject: Body, *, before: Body | None = None, lane: str = "") -> None:
        """Something happened to an object, which is told of as it is at this moment.

        Args:
            kind: the event's type.
            subject: the object.
            before: what it was before, so that the event says which fields changed.
            lane: whose events it is one of; the object's customer or itself where none is given.
        """
        event = objects.event(kind, copy.deepcopy(subject), self.at)
        if before is not None:
            changed = {name: before[name] for name in before if before[name] != subject.get(name)}
            event["data"]["previous_attributes"] = copy.deepcopy(changed)
        if self._request:
            event["request"] = self._request
        account = subject["id"] if subject["object"] == "account" else self.account
        if account:
            event["account"] = account
        store.save(self.tx, event, key=kind)
        if kind in SENT:
            self._told.append((lane or account or str(subject.get("customer") or subject["id"]), event))

    def send(self, seed: int) -> list[str]:
        """Queue the webhooks of what was told, disordered and partly doubled; event ids in order of sending."""
        sent = mixed(self._told, seed)
        for lane, event in sent:
            body = json.dumps(event, indent=2, ensure_ascii=False)
            self._deliveries.add(self.tx, topic="stripe", name=event["id"], lane=f"stripe {lane}", body=body)
        self._told.clear()
        return [event["id"] for _lane, event in sent]

    def plan(self, kind: str, identity: str, at: int, *, or_sooner: bool = False) -> None:
        """Make an appointment; one of the same kind for the same object is replaced, unless it may be sooner and is."""
        moment = "min(at, excluded.at)" if or_sooner else "excluded.at"
        self.tx.run(
            "insert into appointment (kind, id, at) values (?, ?, ?)"
            f" on conflict (kind, id) do update set at = {moment}",
            *(kind, identity, at),
        )

    def cancel(self, kind: str, identity: str) -> None:
        """Call an appointment off."""
        self.tx.run("delete from appointment where kind = ? and id = ?", kind, identity)


def existing(tx: Transaction, label: str, identity: str, param: str = "id") -> dict[str, Any]:
    """An object that has to be there; raise `StripeError` where it is not."""
    body = tx.get(store.BY_LABEL[label].kind, identity)
    if body is None:
        raise errors.no_such(label, identity, param)
    return body
