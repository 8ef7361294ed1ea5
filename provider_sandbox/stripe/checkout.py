"""Checkout sessions. What belongs here: making, completing and expiring one; the page is `checkout_page.py`'s."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing, errors, invoices, objects, payments, subscriptions
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params
from provider_sandbox.stripe.periods import DAY

EXPIRE = "checkout.expire"
MODES = ("subscription", "payment")
HIDDEN = "sandbox_"
"""Begins the names of fields that are the sandbox's own, and are shown to nobody."""
SESSION_ID = "{CHECKOUT_SESSION_ID}"
PUBLIC_BASE = "stripe_public_base"
"""The remembered address of this sandbox's Stripe, under which the pages for people are."""


def new_session(
    desk: Desk,
    *,
    mode: str,
    items: list[dict[str, Any]],
    metadata: dict[str, str] | None = None,
    customer: str | None = None,
    customer_email: str | None = None,
    client_reference_id: str | None = None,
    fields: list[Body] | None = None,
    success_url: str | None = None,
    cancel_url: str | None = None,
    subscription_metadata: dict[str, str] | None = None,
    trial_days: int | None = None,
    expires_at: int | None = None,
) -> Body:
    """An open session; `items` are price ids with quantities."""
    prices = [desk.existing("price", item["price"], "line_items[0][price]") for item in items]
    total = sum(price["unit_amount"] * item["quantity"] for price, item in zip(prices, items, strict=True))
    if mode == "subscription" and not any(price["recurring"] for price in prices):
        raise errors.refused("A checkout in subscription mode needs a price that recurs.", param="line_items")
    total = 0 if trial_days else total
    session = {
        "id": objects.new_id("cs_test"),
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "cancel_url": cancel_url,
        "client_reference_id": client_reference_id,
        "created": desk.at,
        "currency": prices[0]["currency"],
        "custom_fields": fields or [],
        "customer": customer,
        "customer_creation": "always",
        "customer_details": None,
        "customer_email": customer_email,
        "expires_at": expires_at or desk.at + DAY,
        "invoice": None,
        "livemode": False,
        "locale": None,
        "metadata": metadata or {},
        "mode": mode,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": True},
        "status": "open",
        "subscription": None,
        "success_url": success_url,
        "ui_mode": "hosted",
        "url": None,
        f"{HIDDEN}items": items,
        f"{HIDDEN}subscription": {"metadata": subscription_metadata or {}, "trial_days": trial_days},
    }
    if base := desk.tx.setting(PUBLIC_BASE):
        session["url"] = f"{base}/checkout/{session['id']}"
    desk.save(session, owner=customer or "")
    desk.plan(EXPIRE, session["id"], session["expires_at"])
    return session


def complete(desk: Desk, session: Body, payer: Body, method: Body, filled: dict[str, str]) -> Body:
    """A visitor has filled the page in: the card is charged, and what was bought begins.

    Args:
        desk: where and when.
        session: an open one.
        payer: the customer.
        method: their card.
        filled: the page's own fields by their keys.

    Raises:
        StripeError: the card was declined; the session stays open.
    """
    payments.make_default(desk, payer["id"], method["id"])
    payer = desk.existing("customer", payer["id"])
    items = [(desk.existing("price", one["price"]), one["quantity"]) for one in session[f"{HIDDEN}items"]]
    if session["mode"] == "subscription":
        wanted = session[f"{HIDDEN}subscription"]
        days = wanted["trial_days"]
        bought = subscriptions.new(desk, payer, items, wanted["metadata"], method["id"])
        invoice = billing.begin(desk, bought, payer, trial_end=desk.at + days * DAY if days else None)
        if not billing.pay_first(desk, bought, invoice):
            _link, intent = invoices.payment_of(desk, invoice)
            raise errors.declined(intent["last_payment_error"]["decline_code"], None, intent["latest_charge"])
        session |= {"subscription": bought["id"], "invoice": invoice["id"]}
        session["payment_status"] = "no_payment_required" if days else "paid"
    else:
        intent = payments.new_intent(desk, session["amount_total"], session["currency"], payer["id"], None)
        charge = payments.attempt(desk, intent, method)
        if charge["status"] == "failed":
            raise errors.declined(charge["outcome"]["reason"], None, charge["id"])
        session |= {"payment_intent": intent["id"], "payment_status": "paid"}
    for field in session["custom_fields"]:
        field["text"]["value"] = filled.get(field["key"])
    session |= {
        "customer": payer["id"],
        "customer_details": {
            **{name: payer[name] for name in ("address", "email", "name", "phone")},
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "status": "complete",
        "url": None,
    }
    desk.cancel(EXPIRE, session["id"])
    desk.save(session, owner=payer["id"], key=session["subscription"] or "")
    desk.tell("checkout.session.completed", seen(session))
    return session


def expire(desk: Desk, identity: str) -> None:
    """Nobody has paid in time."""
    session = desk.existing("checkout.session", identity)
    if session["status"] == "open":
        _expired(desk, session)


def seen(body: Body) -> Body:
    """An object as it is shown: without the sandbox's own fields."""
    return {name: value for name, value in body.items() if not name.startswith(HIDDEN)}


def studio_name_field() -> Body:
    """The one field of its own that the product's checkout has."""
    return text_field("studio_name", "Studio name", optional=False)


def text_field(key: str, label: str, *, optional: bool) -> Body:
    """A field of the page's own, empty."""
    return {
        "key": key,
        "label": {"custom": label, "type": "custom"},
        "optional": optional,
        "text": {"default_value": None, "maximum_length": None, "minimum_length": None, "value": None},
        "type": "text",
    }


def _expired(desk: Desk, session: Body) -> Body:
    session |= {"status": "expired", "url": None}
    desk.cancel(EXPIRE, session["id"])
    desk.change(session)
    desk.tell("checkout.session.expired", seen(session))
    return session


def _create(desk: Desk, params: Params, _ids: Ids) -> Body:
    mode = params.choice("mode", MODES, "payment")
    items = [
        {"price": part.required("price"), "quantity": part.whole("quantity") or 1}
        for part in params.parts("line_items")
    ]
    success, cancel = params.required("success_url"), params.text("cancel_url")
    customer, email = params.text("customer"), params.text("customer_email")
    expires_at = params.whole("expires_at", most=subscriptions.FURTHEST)
    about = params.part("subscription_data")
    trial_days, bought_metadata = about.whole("trial_period_days", most=730), about.metadata()
    fields = [_field(part) for part in params.parts("custom_fields")]
    reference, metadata = params.text("client_reference_id"), params.metadata()
    for name in ("locale", "billing_address_collection", "phone_number_collection", "payment_method_types"):
        params.anything(name)
    for name in ("allow_promotion_codes", "payment_method_collection", "automatic_tax", "consent_collection"):
        params.anything(name)
    params.done()
    for name, url in (("success_url", success), ("cancel_url", cancel)):
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise errors.refused(f"Not a valid URL: {url}", code="url_invalid", param=name)
    if not items:
        raise errors.missing("line_items")
    if customer:
        desk.payer(customer)
    if expires_at and not desk.at + 1800 <= expires_at <= desk.at + DAY:
        raise errors.refused("expires_at must be between 30 minutes and 24 hours from now.", param="expires_at")
    return new_session(
        desk,
        mode=mode,
        items=items,
        metadata=metadata,
        customer=customer,
        customer_email=email,
        client_reference_id=reference,
        fields=fields,
        success_url=success,
        cancel_url=cancel,
        subscription_metadata=bought_metadata,
        trial_days=trial_days,
        expires_at=expires_at,
    )


def _field(part: Params) -> Body:
    key, kind = part.required("key"), part.choice("type", ("text",), "text")
    label, optional = part.part("label"), part.flag("optional")
    label.choice("type", ("custom",), "custom")
    text = label.required("custom")
    part.anything(kind)
    return text_field(key, text, optional=bool(optional))


def _expire(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    session = desk.existing("checkout.session", ids["id"])
    if session["status"] != "open":
        raise errors.not_now("The checkout session", session["status"], "open")
    return _expired(desk, session)


OPERATIONS = (
    Operation("POST", "/v1/checkout/sessions", _create),
    Operation("POST", "/v1/checkout/sessions/{id}/expire", _expire),
)
