"""Stripe's errors. What belongs here: their shape and those that are given; codes are Stripe's own where not said."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An error answer in Stripe's shape.

    Attributes:
        status: the HTTP status.
        body: the document.
        began: whether the endpoint was at work already. What is refused before is not kept under an idempotency key.
        keeps: whether what was done so far stays: a declined payment leaves its failed charge behind.
    """

    def __init__(self, status: int, message: str, *, began: bool = True, keeps: bool = False, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.began = began
        self.keeps = keeps
        self.body = {"error": {"type": "invalid_request_error", "message": message, **fields}}


def no_such(label: str, identity: str, param: str = "id") -> StripeError:
    """There is no object by that id: 404 where the path names it, 400 where a parameter does."""
    status = 404 if param == "id" else 400
    return StripeError(status, f"No such {label}: '{identity}'", code="resource_missing", param=param)


def bad_key() -> StripeError:
    """The API key is missing or wrong."""
    return StripeError(401, "Invalid API Key provided.", began=False)


def no_account(account: str) -> StripeError:
    """The account of the `Stripe-Account` header is none of the platform's."""
    message = f"The provided key does not have access to account '{account}' (or that account does not exist)."
    return StripeError(403, message, began=False, code="account_invalid")


def platform_only(account: str) -> StripeError:
    """The sandbox keeps balances and payouts of connected accounts, and nothing else."""
    message = f"The sandbox keeps nothing of this kind for {account}: ask without the Stripe-Account header."
    return StripeError(400, message, began=False)


def unknown_parameter(name: str) -> StripeError:
    """The endpoint has no such parameter."""
    message = f"Received unknown parameter: {name}"
    return StripeError(400, message, began=False, code="parameter_unknown", param=name)


def missing(name: str) -> StripeError:
    """The endpoint needs the parameter."""
    message = f"Missing required param: {name}."
    return StripeError(400, message, began=False, code="parameter_missing", param=name)


def wrong(name: str, expected: str) -> StripeError:
    """The parameter is not what it should be."""
    return StripeError(400, f"Invalid {name}: must be {expected}", began=False, param=name)


def no_integer(name: str, value: object) -> StripeError:
    """The parameter is no whole number within its limits."""
    message = f"Invalid positive integer: {value}"
    return StripeError(400, message, began=False, code="parameter_invalid_integer", param=name)


def key_reused() -> StripeError:
    """An idempotency key came back with another request."""
    message = "This idempotency key was first used with other parameters or on another endpoint."
    return StripeError(400, message, began=False, type="idempotency_error")


def key_in_use(key: str) -> StripeError:
    """A request with the same idempotency key is at work."""
    message = f"There is currently another in-progress request using this idempotency key: {key}. Try again later."
    return StripeError(409, message, began=False, code="idempotency_key_in_use", type="idempotency_error")


def already_refunded(charge: str) -> StripeError:
    """Nothing is left of the charge."""
    return StripeError(400, f"Charge {charge} has already been refunded.", code="charge_already_refunded")


def disputed(charge: str) -> StripeError:
    """The payer's bank holds what is left of the charge."""
    return StripeError(400, f"Charge {charge} has been charged back; cannot issue a refund.", code="charge_disputed")


def not_paid(charge: str) -> StripeError:
    """The charge took no money."""
    return StripeError(400, f"Charge {charge} did not succeed: there is nothing to give back.", param="charge")


def more_than_is_left(amount: int, left: int) -> StripeError:
    """More is to be refunded than is left of the charge."""
    message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
    return StripeError(400, message, param="amount")


def declined(code: str, intent: dict[str, Any] | None, charge: str | None) -> StripeError:
    """The card was refused; `code` is the issuer's."""
    fields: dict[str, Any] = {"payment_intent": intent} if intent else {}
    if charge:
        fields["charge"] = charge
    return StripeError(
        402,
        "Your card was declined.",
        keeps=True,
        type="card_error",
        code="card_declined",
        decline_code=code,
        **fields,
    )


def incorrect_number() -> StripeError:
    """The card is none of Stripe's test cards, and no other may come in here."""
    message = "Only Stripe's test cards are taken here."
    return StripeError(402, message, type="card_error", code="incorrect_number", param="number")


def no_payment_method(customer: str) -> StripeError:
    """Nothing is there to be charged."""
    message = f"Customer {customer} has no default payment method: attach one, and make it the default."
    return StripeError(400, message, code="resource_missing")


def balance_too_low(whose: str) -> StripeError:
    """The available balance does not cover it."""
    message = f"Insufficient available funds in {whose}: what is pending becomes available later."
    return StripeError(400, message, code="balance_insufficient")


def cannot_receive(account: str) -> StripeError:
    """The connected account may not be transferred to yet; that Stripe names it by this code is not verified."""
    message = f"The destination account {account} needs the transfers capability, which is not active."
    return StripeError(400, message, code="insufficient_capabilities_for_transfer", param="destination")


def payouts_off(account: str) -> StripeError:
    """The account may not be paid out."""
    return StripeError(
        400, f"Payouts of {account} are not enabled: its requirements are due.", code="payouts_not_allowed"
    )


def not_now(what: str, status: str, wanted: str, code: str | None = None) -> StripeError:
    """The object is not in the state for this."""
    fields: dict[str, Any] = {"code": code} if code else {}
    return StripeError(400, f"{what} is {status}: only one that is {wanted} can be asked for this.", **fields)


def refused(message: str, **fields: Any) -> StripeError:
    """Another refusal in so many words."""
    return StripeError(400, message, **fields)


def no_such_path(method: str, path: str) -> StripeError:
    """Nothing listens there."""
    return StripeError(404, f"Unrecognized request URL ({method}: {path}).", began=False)
