"""Stripe's objects in the state. What belongs here: which kinds there are, what each is found by, and expansion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provider_sandbox.state import Body, Transaction
from provider_sandbox.stripe import objects, unset


@dataclass(frozen=True)
class Resource:
    """One kind of object: its path under `/v1/`, its name in errors, and the filters of its list.

    A filter inside another is written with a dot: `payment.payment_intent`.

    Attributes:
        also: filters that are compared with the object's own field of that name.
        of_account: a connected account has its own; which, tells the `Stripe-Account` header.
        editable: the fields that may be changed beside the metadata; None: an update is another file's, or nobody's.
    """

    path: str
    label: str
    prefix: str
    owner_filter: str = ""
    key_filter: str = ""
    also: tuple[str, ...] = ()
    of_account: bool = False
    editable: frozenset[str] | None = None

    def wanted(self, query: dict[str, Any], account: str | None) -> tuple[str | None, str | None]:
        """The owner and the key that a list is asked for."""
        owner = (account or PLATFORM) if self.of_account else _at(query, self.owner_filter)
        return owner, _at(query, self.key_filter)

    @property
    def parameters(self) -> set[str]:
        """The parameters of its list that are its own."""
        return {name.partition(".")[0] for name in (self.owner_filter, self.key_filter) if name} | set(self.also)

    @property
    def kind(self) -> str:
        """The name of its rows in the state."""
        return f"stripe.{self.label}"


PLATFORM = "platform"
"""Owns what is the platform's where connected accounts have their own."""
ONLY_METADATA: frozenset[str] = frozenset()

RESOURCES = (
    Resource("products", "product", "prod_", also=("active",), editable=frozenset({"name", "description"})),
    Resource(
        "prices", "price", "price_", owner_filter="product", also=("active", "type"), editable=frozenset({"nickname"})
    ),
    Resource("customers", "customer", "cus_", key_filter="email"),
    Resource("payment_methods", "payment_method", "pm_", owner_filter="customer", also=("type",)),
    Resource("subscriptions", "subscription", "sub_", owner_filter="customer", also=("status",)),
    Resource(
        "invoices",
        "invoice",
        "in_",
        owner_filter="customer",
        key_filter="subscription",
        also=("status", "collection_method"),
        editable=frozenset({"description"}),
    ),
    Resource("invoiceitems", "invoiceitem", "ii_", owner_filter="customer", also=("invoice",)),
    Resource(
        "invoice_payments",
        "invoice_payment",
        "inpay_",
        owner_filter="invoice",
        key_filter="payment.payment_intent",
        also=("status",),
    ),
    Resource("payment_intents", "payment_intent", "pi_", owner_filter="customer", editable=frozenset({"description"})),
    Resource(
        "charges",
        "charge",
        "ch_",
        owner_filter="customer",
        key_filter="payment_intent",
        also=("transfer_group",),
        editable=frozenset({"description"}),
    ),
    Resource("refunds", "refund", "re_", owner_filter="charge", key_filter="payment_intent", editable=ONLY_METADATA),
    Resource("disputes", "dispute", "du_", owner_filter="charge", key_filter="payment_intent", editable=ONLY_METADATA),
    Resource(
        "checkout/sessions",
        "checkout.session",
        "cs_",
        owner_filter="customer",
        key_filter="subscription",
        also=("status", "payment_intent"),
        editable=ONLY_METADATA,
    ),
    Resource("accounts", "account", "acct_"),
    Resource(
        "transfers",
        "transfer",
        "tr_",
        owner_filter="destination",
        key_filter="transfer_group",
        editable=frozenset({"description"}),
    ),
    Resource("payouts", "payout", "po_", also=("status",), of_account=True, editable=ONLY_METADATA),
    Resource(
        "balance_transactions",
        "balance_transaction",
        "txn_",
        key_filter="source",
        also=("type", "currency", "payout"),
        of_account=True,
    ),
    Resource("events", "event", "evt_", key_filter="type"),
)
NESTED = (Resource("", "transfer_reversal", "trr_"), Resource("", "account_link", "link_"))
"""What is found through another object only."""
BY_LABEL = {resource.label: resource for resource in (*RESOURCES, *NESTED)}


def _at(query: dict[str, Any], path: str) -> str | None:
    value: Any = query
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def save(tx: Transaction, body: Body, *, owner: str = "", key: str = "") -> Body:
    """Store an object under the kind that it names itself."""
    if not body.get("deleted"):
        unset.fill(body)
    return tx.put(BY_LABEL[body["object"]].kind, body["id"], body, owner=owner, key=key)


def seed(tx: Transaction) -> None:
    """Create the plans' products and prices where they are missing."""
    created = int(tx.business_now().timestamp())
    for plan, (price_id, amount) in objects.PRICES.items():
        if tx.get("stripe.price", price_id) is None:
            product = objects.product(f"prod_pilar_{plan.lower()}", f"PILAR {plan}", created, {"plan": plan})
            save(tx, product | {"default_price": price_id})
            price = objects.price(price_id, product["id"], amount, objects.CURRENCY, created) | {
                "lookup_key": price_id.removeprefix("price_"),
                "nickname": plan,
                "recurring": objects.recurring("month"),
                "type": "recurring",
            }
            save(tx, price, owner=product["id"])


def load(tx: Transaction, identity: str) -> Body | None:
    """Any object by its id, whose prefix tells its kind."""
    for resource in BY_LABEL.values():
        if identity.startswith(resource.prefix):
            return tx.get(resource.kind, identity)
    return None


def line_items(tx: Transaction, session: Body) -> Body:
    """What a checkout sells or sold."""
    items = []
    for place, wanted in enumerate(session["sandbox_items"]):
        price = tx.get("stripe.price", wanted["price"]) or {}
        amount = price["unit_amount"] * wanted["quantity"]
        items.append(
            {
                "id": f"li_{session['id'].removeprefix('cs_test_')}{place}",
                "object": "item",
                "amount_discount": 0,
                "amount_subtotal": amount,
                "amount_tax": 0,
                "amount_total": amount,
                "currency": price["currency"],
                "description": price["nickname"],
                "price": price,
                "quantity": wanted["quantity"],
            }
        )
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
