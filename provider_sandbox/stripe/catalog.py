"""Customers, products and prices. What belongs here: making and changing them."""

from __future__ import annotations

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing, errors, objects, payments, periods
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params

PLAIN = ("name", "email", "phone", "description")
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def new_customer(desk: Desk, **fields: object) -> Body:
    """A payer of whom some fields are known."""
    payer = objects.customer(desk.at) | fields
    desk.save(payer, key=payer["email"] or "")
    desk.tell("customer.created", payer)
    return payer


def _create_customer(desk: Desk, params: Params, _ids: Ids) -> Body:
    fields, method, default = _customer_fields(params, objects.customer(desk.at))
    params.done()
    payer = new_customer(desk, **fields)
    if method:
        kept = payments.attach(desk, payments.method_named(desk, method), payer["id"])
        default = kept["id"] if default in (None, method) else default
    return _with_default(desk, payer["id"], default)


def _change_customer(desk: Desk, params: Params, ids: Ids) -> Body:
    payer = desk.payer(ids["id"], "id")
    before = dict(payer)
    fields, method, default = _customer_fields(params, payer)
    params.done()
    if method:
        raise errors.unknown_parameter("payment_method")
    payer |= fields
    desk.save(payer, key=payer["email"] or "")
    changed = _with_default(desk, payer["id"], default)
    if changed != before:
        desk.tell("customer.updated", changed, before=before)
    return changed


def _customer_fields(params: Params, old: Body) -> tuple[Body, str | None, str | None]:
    fields: Body = {name: params.text(name) for name in PLAIN if name in params}
    if "address" in params:
        address = params.part("address")
        known = old["address"] or dict.fromkeys(ADDRESS)
        fields["address"] = {**known, **{name: address.text(name) for name in ADDRESS if name in address}}
    fields["metadata"] = params.metadata(old["metadata"])
    settings = params.part("invoice_settings")
    return fields, params.text("payment_method"), settings.text("default_payment_method")


def _with_default(desk: Desk, customer: str, method: str | None) -> Body:
    if method:
        kept = payments.method_named(desk, method, "invoice_settings[default_payment_method]")
        if kept["customer"] != customer:
            raise errors.refused(f"The payment method {method} must be attached to the customer first.")
        payments.make_default(desk, customer, kept["id"])
    return desk.existing("customer", customer)


def _delete_customer(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    payer = desk.payer(ids["id"], "id")
    for bought in desk.tx.find("stripe.subscription", owner=payer["id"]):
        if bought["status"] not in billing.ENDED:
            billing.end(desk, bought, "cancellation_requested")
    desk.tell("customer.deleted", payer)
    return desk.save({"id": payer["id"], "object": "customer", "deleted": True, "created": payer["created"]})


def _create_product(desk: Desk, params: Params, _ids: Ids) -> Body:
    name, description, metadata = params.required("name"), params.text("description"), params.metadata()
    identity = params.text("id")
    params.done()
    product = objects.product(identity or objects.new_id("prod"), name, desk.at, metadata)
    if desk.tx.get("stripe.product", product["id"]):
        raise errors.refused(f"Product already exists: {product['id']}", code="resource_already_exists", param="id")
    return desk.save(product | {"description": description})


def _create_price(desk: Desk, params: Params, _ids: Ids) -> Body:
    product, currency, metadata = params.required("product"), params.currency(), params.metadata()
    amount = params.whole("unit_amount", least=0)
    nickname, lookup = params.text("nickname"), params.text("lookup_key")
    often = params.part("recurring")
    interval = often.choice("interval", periods.INTERVALS, "month") if "recurring" in params else None
    count = often.whole("interval_count", most=36) or 1
    params.done()
    if amount is None:
        raise errors.missing("unit_amount")
    desk.existing("product", product, "product")
    price = objects.price(objects.new_id("price"), product, amount, currency, desk.at)
    price |= {"nickname": nickname, "lookup_key": lookup, "metadata": metadata}
    if interval:
        price |= {"type": "recurring", "recurring": objects.recurring(interval, count)}
    return desk.save(price, owner=product)


OPERATIONS = (
    Operation("POST", "/v1/customers", _create_customer),
    Operation("POST", "/v1/customers/{id}", _change_customer),
    Operation("DELETE", "/v1/customers/{id}", _delete_customer),
    Operation("POST", "/v1/products", _create_product),
    Operation("POST", "/v1/prices", _create_price),
)
