"""Cards are charged. What belongs here: payment methods, payment intents and their charges; invoices are not."""

from __future__ import annotations

import copy

from provider_sandbox.state import Body
from provider_sandbox.stripe import cards, errors, ledger, money_objects, objects
from provider_sandbox.stripe.cards import Card
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params


def new_card(desk: Desk, card: Card) -> Body:
    """A payment method that is nobody's yet."""
    return desk.save(objects.card(card.last4, card.brand, desk.at))


def method_named(desk: Desk, identity: str, param: str = "payment_method") -> Body:
    """A payment method by its id, or a new one by the name of a test card."""
    if card := cards.TOKENS.get(identity):
        return new_card(desk, card)
    return desk.existing("payment_method", identity, param)


def attach(desk: Desk, method: Body, customer: str) -> Body:
    """Keep a card with a customer; the issuer of some refuses that."""
    desk.payer(customer)
    card = cards.BY_LAST4[method["card"]["last4"]]
    if not card.attaches:
        raise errors.declined(str(card.decline_code), None, None)
    if method["customer"] not in (None, customer):
        raise errors.refused(f"The payment method {method['id']} is attached to another customer already.")
    method["customer"] = customer
    desk.save(method, owner=customer)
    desk.tell("payment_method.attached", method)
    return method


def make_default(desk: Desk, customer: str, method: str) -> None:
    """Charge a customer's invoices by this card from now on."""
    payer = desk.existing("customer", customer)
    payer["invoice_settings"]["default_payment_method"] = method
    desk.change(payer)


def new_intent(desk: Desk, amount: int, currency: str, customer: str | None, description: str | None) -> Body:
    """Something that is to be paid."""
    intent = money_objects.payment_intent(amount, currency, customer, description, desk.at)
    desk.save(intent, owner=customer or "")
    desk.tell("payment_intent.created", intent)
    return intent


def attempt(desk: Desk, intent: Body, method: Body) -> Body:
    """Charge a card for an intent, and keep what became of it.

    Returns:
        The charge: `succeeded` or `failed`.
    """
    card = cards.BY_LAST4[method["card"]["last4"]]
    payer = desk.existing("customer", intent["customer"]) if intent["customer"] else None
    details = {name: (payer or {}).get(name) for name in ("address", "email", "name", "phone")}
    charge = money_objects.charge(intent, method, details, desk.at)
    intent |= {"latest_charge": charge["id"], "payment_method": method["id"]}
    if card.decline_code:
        charge = money_objects.declined(charge, card.decline_code)
        refusal = errors.declined(card.decline_code, None, charge["id"])
        intent |= {"status": "requires_payment_method", "last_payment_error": refusal.body["error"]}
    else:
        ready = desk.at if card.at_once else desk.at + ledger.SETTLES_AFTER
        entry = ledger.book(
            desk,
            "charge",
            charge["id"],
            charge["amount"],
            charge["currency"],
            fee=ledger.fee_of(charge["amount"]),
            available_on=ready,
        )
        charge["balance_transaction"] = entry["id"]
        intent |= {"status": "succeeded", "last_payment_error": None, "amount_received": intent["amount"]}
    desk.save(charge, owner=intent["customer"] or "", key=intent["id"])
    desk.change(intent)
    outcome = "failed" if card.decline_code else "succeeded"
    desk.tell(f"charge.{outcome}", charge)
    desk.tell("payment_intent.payment_failed" if card.decline_code else "payment_intent.succeeded", intent)
    return charge


def _create_method(desk: Desk, params: Params, _ids: Ids) -> Body:
    params.choice("type", {"card"}, "card")
    card = params.part("card")
    number, token = card.text("number"), card.text("token")
    metadata = params.metadata()
    for name in ("exp_month", "exp_year", "cvc"):
        card.text(name)
    params.done()
    found = cards.read(number or "") or cards.TOKENS.get((token or "").replace("tok_", "pm_card_"))
    if found is None:
        raise errors.incorrect_number()
    return desk.change(new_card(desk, found) | {"metadata": metadata})


def _attach(desk: Desk, params: Params, ids: Ids) -> Body:
    customer = params.required("customer")
    params.done()
    return attach(desk, method_named(desk, ids["id"], "id"), customer)


def _detach(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    method = desk.existing("payment_method", ids["id"])
    if method["customer"] is None:
        raise errors.refused("The payment method is not attached to a customer.")
    return desk.save(method | {"customer": None})


def _create_intent(desk: Desk, params: Params, _ids: Ids) -> Body:
    amount, currency = params.amount(), params.currency()
    customer, named = params.text("customer"), params.text("payment_method")
    description, group = params.text("description"), params.text("transfer_group")
    confirm, metadata = params.flag("confirm"), params.metadata()
    for name in ("off_session", "payment_method_types", "automatic_payment_methods", "return_url"):
        params.anything(name)
    params.done()
    if customer:
        desk.payer(customer)
    intent = new_intent(desk, amount, currency, customer, description)
    intent |= {"metadata": metadata, "transfer_group": group}
    if named:
        method = method_named(desk, named)
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    desk.change(intent)
    return _confirmed(desk, intent) if confirm else intent


def _confirm_intent(desk: Desk, params: Params, ids: Ids) -> Body:
    named = params.text("payment_method")
    params.done()
    intent = desk.existing("payment_intent", ids["id"])
    if intent["status"] not in ("requires_confirmation", "requires_payment_method"):
        raise errors.not_now("The payment intent", intent["status"], "unpaid", "payment_intent_unexpected_state")
    if named:
        intent["payment_method"] = method_named(desk, named)["id"]
    return _confirmed(desk, intent)


def _confirmed(desk: Desk, intent: Body) -> Body:
    if intent["payment_method"] is None:
        raise errors.missing("payment_method")
    charge = attempt(desk, intent, desk.existing("payment_method", intent["payment_method"]))
    if charge["status"] == "failed":
        raise errors.declined(charge["outcome"]["reason"], copy.deepcopy(intent), charge["id"])
    return intent


def _cancel_intent(desk: Desk, params: Params, ids: Ids) -> Body:
    reason = params.text("cancellation_reason")
    params.done()
    intent = desk.existing("payment_intent", ids["id"])
    if intent["status"] in ("succeeded", "canceled"):
        raise errors.not_now("The payment intent", intent["status"], "unpaid", "payment_intent_unexpected_state")
    intent |= {"status": "canceled", "canceled_at": desk.at, "cancellation_reason": reason}
    desk.tell("payment_intent.canceled", intent)
    return desk.change(intent)


OPERATIONS = (
    Operation("POST", "/v1/payment_methods", _create_method),
    Operation("POST", "/v1/payment_methods/{id}/attach", _attach),
    Operation("POST", "/v1/payment_methods/{id}/detach", _detach),
    Operation("POST", "/v1/payment_intents", _create_intent),
    Operation("POST", "/v1/payment_intents/{id}/confirm", _confirm_intent),
    Operation("POST", "/v1/payment_intents/{id}/cancel", _cancel_intent),
)
