"""Stripe's objects in the state. What belongs here: which kinds there are, what each is found by, and expansion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provider_sandbox.state import Body, Transaction
from provider_sandbox.stripe import objects


@dataclass(frozen=True)
class Resource:
    """One kind of object: its path under `/v1/`, its name in errors, and the filters of its list.

    A filter inside another is written with a dot: `payment.payment_intent`.
    """

    path: str
    label: str
    prefix: str
    owner_filter: str = ""
    key_filter: str = ""
    has_status: bool = False
    editable: bool = False

    def wanted(self, query: dict[str, Any]) -> tuple[str | None, str | None]:
        """The owner and the key that a list is asked for."""
        return _at(query, self.owner_filter), _at(query, self.key_filter)

    @property
    def parameters(self) -> set[str]:
        """The parameters of its list that are its own."""
        names = {name.partition(".")[0] for name in (self.owner_filter, self.key_filter) if name}
        return names | ({"status"} if self.has_status else set())

    @property
    def kind(self) -> str:
        """The name of its rows in the state."""
        return f"stripe.{self.label}"


RESOURCES = (
    Resource("products", "product", "prod_"),
    Resource("prices", "price", "price_", owner_filter="product"),
    Resource("customers", "customer", "cus_", key_filter="email", editable=True),
    Resource("subscriptions", "subscription", "sub_", owner_filter="customer", has_status=True, editable=True),
    Resource("invoices", "invoice", "in_", owner_filter="customer", key_filter="subscription"),
    Resource(
        "invoice_payments",
        "invoice_payment",
        "inpay_",
        owner_filter="invoice",
        key_filter="payment.payment_intent",
        has_status=True,
    ),
    Resource("payment_intents", "payment_intent", "pi_", owner_filter="customer"),
    Resource("charges", "charge", "ch_", owner_filter="customer", key_filter="payment_intent"),
    Resource("refunds", "refund", "re_", owner_filter="charge", key_filter="payment_intent"),
    Resource("disputes", "dispute", "du_", owner_filter="charge", key_filter="payment_intent"),
    Resource("checkout/sessions", "checkout.session", "cs_", owner_filter="customer", key_filter="subscription"),
    Resource("events", "event", "evt_", key_filter="type"),
)
BY_LABEL = {resource.label: resource for resource in RESOURCES}


def _at(query: dict[str, Any], path: str) -> str | None:
    value: Any = query
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def save(tx: Transaction, body: Body, *, owner: str = "", key: str = "") -> Body:
    """Store an object under the kind that it names itself."""
    return tx.put(BY_LABEL[body["object"]].kind, body["id"], body, owner=owner, key=key)


def seed(tx: Transaction) -> None:
    """Create the plans' products and prices where they are missing."""
    created = int(tx.business_now().timestamp())
    for plan, (price_id, _amount) in objects.PRICES.items():
        if tx.get("stripe.price", price_id) is None:
            sold = save(tx, objects.product(plan, created))
            save(tx, objects.price(plan, created), owner=sold["id"])


def load(tx: Transaction, identity: str) -> Body | None:
    """Any object by its id, whose prefix tells its kind."""
    for resource in RESOURCES:
        if identity.startswith(resource.prefix):
            return tx.get(resource.kind, identity)
    return None


def line_items(tx: Transaction, session: Body) -> Body:
    """What a checkout sold: the items of its subscription."""
    bought = load(tx, session["subscription"]) or {"items": {"data": []}}
    items = [
        {
            "id": f"li_{item['id'].removeprefix('si_')}",
            "object": "item",
            "amount_subtotal": item["price"]["unit_amount"],
            "amount_total": item["price"]["unit_amount"],
            "currency": item["price"]["currency"],
            "description": item["price"]["nickname"],
            "price": item["price"],
            "quantity": item["quantity"],
        }
        for item in bought["items"]["data"]
    ]
    return objects.listing(f"/v1/checkout/sessions/{session['id']}/line_items", items)


def expanded(tx: Transaction, value: Any, path: list[str]) -> Any:
    """The value with the id at the end of `path` replaced by its object; a path that leads nowhere changes nothing."""
    if isinstance(value, str):
        value = load(tx, value) or value
    if not path or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, list):
        return [expanded(tx, item, path) for item in value]
    head, *rest = path
    if head == "line_items" and value.get("object") == "checkout.session":
        return {**value, head: line_items(tx, value)}
    return {**value, head: expanded(tx, value[head], rest)} if head in value else value
