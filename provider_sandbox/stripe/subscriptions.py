"""Subscriptions as the product asks for them. What belongs here: creating, changing, cancelling; not time.

A change of price in the middle of a period gives back what is left of the old one and charges what is left of the new:
on the next invoice (`create_prorations`), at once (`always_invoice`), or not at all (`none`).
"""

from __future__ import annotations

import copy
from typing import Any

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing, billing_objects, errors, invoices, payments, periods
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params
from provider_sandbox.stripe.periods import DAY

PRORATIONS = ("create_prorations", "always_invoice", "none")
BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
FURTHEST = 4_102_444_800
"""The latest moment that is taken for a trial's or a subscription's end: the year 2100."""


def new(
    desk: Desk, payer: Body, wanted: list[tuple[Body, int]], metadata: dict[str, str], method: str | None = None
) -> Body:
    """A subscription to prices in some quantities, not begun and not kept."""
    bought = billing_objects.subscription(payer["id"], wanted[0][0]["currency"], metadata, desk.at)
    bought["default_payment_method"] = method
    for price, quantity in wanted:
        item = billing_objects.subscription_item(bought["id"], price, quantity, desk.at, desk.at, desk.at)
        bought["items"]["data"].append(item)
    return bought


def change_price(desk: Desk, bought: Body, item: Body, price: Body, quantity: int, behavior: str) -> None:
    """Put another price or quantity in an item's place, and prorate it; the subscription is not kept yet."""
    old = item["price"]
    if price["recurring"] is None or price["currency"] != bought["currency"]:
        raise errors.refused("The price must recur, in the subscription's currency.", param="items[0][price]")
    if any(price["recurring"][name] != old["recurring"][name] for name in ("interval", "interval_count")):
        raise errors.refused("The sandbox changes prices of one interval only.", param="items[0][price]")
    if behavior != "none" and bought["status"] in ("active", "past_due"):
        start, end = billing.period_of(bought)
        for about, amount, words in (
            (item, -old["unit_amount"] * item["quantity"], "Unused time on"),
            (item, price["unit_amount"] * quantity, "Remaining time on"),
        ):
            sign = -1 if amount < 0 else 1
            name = old["nickname"] if amount < 0 else price["nickname"]
            share = sign * periods.share(abs(amount), start, end, desk.at)
            _add_proration(desk, bought, about, share, f"{words} {name or price['product']}", end)
    item |= {"price": price, "quantity": quantity}


def _add_proration(desk: Desk, bought: Body, item: Body, amount: int, words: str, end: int) -> None:
    pending = billing_objects.invoice_item(bought["customer"], amount, bought["currency"], words, desk.at)
    details = {"subscription": bought["id"], "subscription_item": item["id"]}
    pending |= {
        "parent": {"type": "subscription_details", "subscription_details": details},
        "period": {"start": desk.at, "end": end},
        "proration": True,
    }
    desk.save(pending, owner=bought["customer"])


def switch(desk: Desk, bought: Body, price: Body, behavior: str, quantity: int | None = None) -> Body:
    """Another price for a subscription's first item, as a plan's upgrade or downgrade is."""
    bought = copy.deepcopy(bought)
    before = copy.deepcopy(bought)
    item = bought["items"]["data"][0]
    change_price(desk, bought, item, price, quantity or item["quantity"], behavior)
    return _keep_change(desk, bought, before, behavior)


def _keep_change(desk: Desk, bought: Body, before: Body, behavior: str) -> Body:
    desk.change(bought)
    desk.tell("customer.subscription.updated", bought, before=before)
    if behavior == "always_invoice":
        payer = desk.existing("customer", bought["customer"])
        drawn = invoices.draw_up(desk, payer, [], "subscription_update", bought["currency"], bought)
        billing.collect(desk, invoices.finalize(desk, drawn))
    return desk.existing("subscription", bought["id"])


def cancel_later(desk: Desk, bought: Body, at: int | None, *, at_period_end: bool) -> None:
    """Set, or take back, when a subscription ends; it is not kept yet."""
    when = billing.period_of(bought)[1] if at_period_end else at
    bought |= {
        "cancel_at_period_end": at_period_end,
        "cancel_at": when,
        "canceled_at": desk.at if when else None,
    }
    bought["cancellation_details"] = {
        **bought["cancellation_details"],
        "reason": "cancellation_requested" if when else None,
    }
    if at and not at_period_end:
        desk.plan(billing.CANCEL, bought["id"], at)
    else:
        desk.cancel(billing.CANCEL, bought["id"])


def _create(desk: Desk, params: Params, _ids: Ids) -> Body:
    customer, metadata = params.required("customer"), params.metadata()
    wanted = [(part.required("price"), part.whole("quantity") or 1) for part in params.parts("items")]
    behavior = params.choice("payment_behavior", BEHAVIORS, "allow_incomplete")
    trial_end = _trial_end(desk, params)
    method = params.text("default_payment_method")
    stops = params.flag("cancel_at_period_end")
    for name in ("off_session", "payment_settings", "proration_behavior", "collection_method", "description"):
        params.anything(name)
    params.done()
    if not wanted:
        raise errors.missing("items")
    payer = desk.payer(customer)
    prices = [(desk.existing("price", price, "items[0][price]"), quantity) for price, quantity in wanted]
    if method:
        desk.existing("payment_method", method, "default_payment_method")
    charged_now = not trial_end and behavior != "default_incomplete"
    if charged_now and not method and not payer["invoice_settings"]["default_payment_method"]:
        raise errors.no_payment_method(customer)
    bought = new(desk, payer, prices, metadata, method)
    if stops:
        bought["cancel_at_period_end"] = True
    invoice = billing.begin(desk, bought, payer, trial_end=trial_end)
    if behavior == "default_incomplete" and not trial_end and invoice["status"] != "paid":
        desk.plan(billing.EXPIRE, bought["id"], desk.at + billing.COMPLETE_WITHIN)
    elif not billing.pay_first(desk, bought, invoice) and behavior == "error_if_incomplete":
        refusal = errors.declined("generic_decline", None, None)
        refusal.keeps = False
        raise refusal
    if stops:
        cancel_later(desk, bought, None, at_period_end=True)
        desk.change(bought)
    return bought


def _trial_end(desk: Desk, params: Params) -> int | None:
    days = params.whole("trial_period_days", most=730)
    end = params.whole("trial_end", most=FURTHEST)
    if days and end:
        raise errors.refused("Give trial_period_days or trial_end, not both.", param="trial_end")
    if end is not None and end <= desk.at:
        raise errors.refused("trial_end must be in the future.", param="trial_end")
    return desk.at + days * DAY if days else end


def _update(desk: Desk, params: Params, ids: Ids) -> Body:
    bought = desk.existing("subscription", ids["id"])
    before = copy.deepcopy(bought)
    behavior = params.choice("proration_behavior", PRORATIONS, "create_prorations")
    params.choice("payment_behavior", BEHAVIORS, "allow_incomplete")
    items = [_ItemChange(part) for part in params.parts("items")]
    fields: dict[str, Any] = {"metadata": params.metadata(bought["metadata"])}
    if "description" in params:
        fields["description"] = params.text("description")
    if method := params.text("default_payment_method"):
        fields["default_payment_method"] = payments.method_named(desk, method, "default_payment_method")["id"]
    stops, later = params.flag("cancel_at_period_end"), params.whole("cancel_at", most=FURTHEST)
    takes_back = "cancel_at" in params and later is None
    trial = params.text("trial_end")
    comment = params.part("cancellation_details")
    details = {name: comment.text(name) for name in ("comment", "feedback") if name in comment}
    params.done()
    if bought["status"] in billing.ENDED and (items or stops is not None or later or trial):
        raise errors.refused("A canceled subscription can only update its cancellation_details and metadata.")
    bought |= fields
    bought["cancellation_details"] = {**bought["cancellation_details"], **details}
    for wanted in items:
        wanted.apply(desk, bought, behavior)
    if stops is not None or later or takes_back:
        if later is not None and later <= desk.at:
            raise errors.refused("cancel_at must be in the future.", param="cancel_at")
        cancel_later(desk, bought, later, at_period_end=bool(stops))
    if trial:
        _move_trial(desk, bought, trial)
    if bought == before:
        return bought
    kept = _keep_change(desk, bought, before, behavior if items else "none")
    if trial == "now":
        billing.at_period_end(desk, kept["id"])
        kept = desk.existing("subscription", kept["id"])
    return kept


def _move_trial(desk: Desk, bought: Body, trial: str) -> None:
    if bought["status"] != "trialing":
        raise errors.refused("The subscription is not in a trial.", param="trial_end")
    if trial != "now" and not (trial.isascii() and trial.isdigit() and desk.at < int(trial) <= FURTHEST):
        raise errors.refused("trial_end must be in the future, or now.", param="trial_end")
    billing.plan_trial(desk, bought, desk.at if trial == "now" else int(trial))


class _ItemChange:
    """What is asked for one item of a subscription."""

    def __init__(self, part: Params) -> None:
        self._id, self._price = part.text("id"), part.text("price")
        self._quantity, self._deleted = part.whole("quantity"), part.flag("deleted")

    def apply(self, desk: Desk, bought: Body, behavior: str) -> None:
        items = bought["items"]["data"]
        if self._id is None or self._deleted:
            raise errors.refused(
                "The sandbox's subscriptions have one item: name it by its id and give it another price.",
                param="items[0][id]",
            )
        item = next((one for one in items if one["id"] == self._id), None)
        if item is None:
            raise errors.no_such("subscription_item", self._id, "items[0][id]")
        price = desk.existing("price", self._price, "items[0][price]") if self._price else item["price"]
        change_price(desk, bought, item, price, self._quantity or item["quantity"], behavior)


def _cancel(desk: Desk, params: Params, ids: Ids) -> Body:
    prorate, invoice_now = params.flag("prorate"), params.flag("invoice_now")
    comment = params.part("cancellation_details")
    details = {name: comment.text(name) for name in ("comment", "feedback") if name in comment}
    params.done()
    bought = desk.existing("subscription", ids["id"])
    if bought["status"] in billing.ENDED:
        raise errors.no_such("subscription", ids["id"])
    bought["cancellation_details"] = {**bought["cancellation_details"], **details}
    if prorate and bought["status"] in ("active", "past_due"):
        start, end = billing.period_of(bought)
        for item in bought["items"]["data"]:
            left = periods.share(item["price"]["unit_amount"] * item["quantity"], start, end, desk.at)
            _add_proration(desk, bought, item, -left, f"Unused time on {item['price']['nickname']}", end)
    billing.end(desk, bought, "cancellation_requested")
    if invoice_now:
        payer = desk.existing("customer", bought["customer"])
        drawn = invoices.draw_up(desk, payer, [], "manual", bought["currency"], bought)
        billing.collect(desk, invoices.finalize(desk, drawn))
    return desk.existing("subscription", bought["id"])


OPERATIONS = (
    Operation("POST", "/v1/subscriptions", _create),
    Operation("POST", "/v1/subscriptions/{id}", _update),
    Operation("DELETE", "/v1/subscriptions/{id}", _cancel),
)
