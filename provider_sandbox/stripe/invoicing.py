"""Invoices as the product asks for them. What belongs here: their operations; what they do is in `invoices.py`."""

from __future__ import annotations

import copy

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing, billing_objects, errors, invoices, objects, payments
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params


def _create(desk: Desk, params: Params, _ids: Ids) -> Body:
    customer, about = params.required("customer"), params.text("subscription")
    metadata, description = params.metadata(), params.text("description")
    currency = (params.text("currency") or objects.CURRENCY).lower()
    advances = params.flag("auto_advance")
    for name in ("collection_method", "pending_invoice_items_behavior"):
        params.anything(name)
    params.done()
    payer = desk.payer(customer)
    bought = desk.existing("subscription", about, "subscription") if about else None
    invoice = invoices.draw_up(desk, payer, [], "manual", currency, bought)
    if advances:
        desk.plan(invoices.FINALIZE, invoice["id"], desk.at + billing.DRAFT_LASTS)
    return desk.change(invoice | {"metadata": metadata, "description": description, "auto_advance": bool(advances)})


def _add_item(desk: Desk, params: Params, _ids: Ids) -> Body:
    customer, about, named = params.required("customer"), params.text("subscription"), params.text("invoice")
    amount = params.whole("amount", least=-99_999_999)
    currency, description, metadata = params.currency(), params.text("description"), params.metadata()
    params.done()
    if amount is None:
        raise errors.missing("amount")
    desk.payer(customer)
    pending = billing_objects.invoice_item(customer, amount, currency, description, desk.at) | {"metadata": metadata}
    if about:
        desk.existing("subscription", about, "subscription")
        details = {"subscription": about, "subscription_item": None}
        pending["parent"] = {"type": "subscription_details", "subscription_details": details}
    if named:
        _add_line(desk, desk.existing("invoice", named, "invoice"), pending)
    return desk.save(pending, owner=customer)


def _add_line(desk: Desk, invoice: Body, pending: Body) -> None:
    if invoice["status"] != "draft":
        raise errors.not_now("The invoice", invoice["status"], "a draft", "invoice_not_editable")
    pending["invoice"] = invoice["id"]
    invoice["lines"]["data"].append(billing_objects.pending_line(pending) | {"invoice": invoice["id"]})
    total = sum(line["amount"] for line in invoice["lines"]["data"])
    due = max(total, 0)
    desk.change(invoice | {"subtotal": total, "total": total, "amount_due": due, "amount_remaining": due})


def _finalize(desk: Desk, params: Params, ids: Ids) -> Body:
    advances = params.flag("auto_advance")
    params.done()
    invoice = invoices.finalize(desk, desk.existing("invoice", ids["id"]))
    if advances and invoice["status"] == "open":
        billing.collect(desk, invoice)
    return invoice


def _pay(desk: Desk, params: Params, ids: Ids) -> Body:
    named, elsewhere = params.text("payment_method"), params.flag("paid_out_of_band")
    params.anything("off_session")
    params.done()
    if elsewhere:
        raise errors.refused("The sandbox's invoices are paid by card only.", param="paid_out_of_band")
    invoice = desk.existing("invoice", ids["id"])
    if invoice["status"] == "paid":
        raise errors.refused("Invoice is already paid")
    if invoice["status"] == "draft":
        invoices.finalize(desk, invoice)
    if named:
        named = payments.method_named(desk, named)["id"]
    elif invoice["status"] == "open" and invoices.usual_method(desk, invoice) is None:
        raise errors.no_payment_method(invoice["customer"])
    if not billing.collect(desk, invoice, named):
        _link, intent = invoices.payment_of(desk, invoice)
        code = intent["last_payment_error"]["decline_code"]
        raise errors.declined(code, copy.deepcopy(intent), intent["latest_charge"])
    return invoice


def _void(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    return invoices.void(desk, desk.existing("invoice", ids["id"]))


def _write_off(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    return invoices.write_off(desk, desk.existing("invoice", ids["id"]))


OPERATIONS = (
    Operation("POST", "/v1/invoices", _create),
    Operation("POST", "/v1/invoices/{id}/finalize", _finalize),
    Operation("POST", "/v1/invoices/{id}/pay", _pay),
    Operation("POST", "/v1/invoices/{id}/void", _void),
    Operation("POST", "/v1/invoices/{id}/mark_uncollectible", _write_off),
    Operation("POST", "/v1/invoiceitems", _add_item),
)
