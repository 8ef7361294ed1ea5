"""Stripe's errors. What belongs here: their shape and the ones the sandbox gives."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An error answer in Stripe's shape."""

    def __init__(self, status: int, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": "invalid_request_error", "message": message, **fields}}


def no_such(label: str, identity: str) -> StripeError:
    """There is no object by that id."""
    return StripeError(404, f"No such {label}: '{identity}'", code="resource_missing", param="id")


def bad_key() -> StripeError:
    """The API key is missing or wrong."""
    return StripeError(401, "Invalid API Key provided.")


def unknown_parameter(name: str) -> StripeError:
    """The endpoint has no such parameter."""
    return StripeError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def key_reused() -> StripeError:
    """An idempotency key came back with another request."""
    return StripeError(
        400,
        "This idempotency key was first used with other parameters or on another endpoint.",
        type="idempotency_error",
    )


def already_refunded(charge: str) -> StripeError:
    """Nothing is left of the charge."""
    return StripeError(400, f"Charge {charge} has already been refunded.", code="charge_already_refunded")


def no_amount(amount: object) -> StripeError:
    """The amount is no positive whole number."""
    return StripeError(400, f"Invalid positive integer: {amount}", code="parameter_invalid_integer", param="amount")


def more_than_is_left(amount: int, left: int) -> StripeError:
    """More is to be refunded than is left of the charge."""
    return StripeError(
        400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
    )


def missing(name: str) -> StripeError:
    """The endpoint needs the parameter."""
    return StripeError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def no_such_path(method: str, path: str) -> StripeError:
    """Nothing listens there."""
    return StripeError(404, f"Unrecognized request URL ({method}: {path}).")
