"""What Stripe's errors mean to us. What belongs here: the table of codes and how an error is read.

Stripe names an error by `code`, and where it has none by `type`; both are keys here. What has no row is judged by
its status, in the shared policy (`providers/calls.py`).
"""

from __future__ import annotations

import httpx
import stripe

from pilar.errors import Conflict, CredentialsRefused, InsufficientFunds, NotFound, OutcomeUnknown, Transient
from pilar.providers import documents
from pilar.providers.calls import ErrorTable, Provider, Refusal, retry_after_of

TABLE: ErrorTable = {
    "resource_missing": NotFound,
    "rate_limit": Transient,
    "lock_timeout": Transient,
    "api_key_expired": CredentialsRefused,
    "platform_api_key_expired": CredentialsRefused,
    "account_invalid": CredentialsRefused,
    # An earlier call with the same key is still at work, and it may succeed.
    "idempotency_key_in_use": OutcomeUnknown,
    # The same key with other parameters: a key must name one effect.
    "idempotency_error": Conflict,
    # Stripe repeats a refusal under its key, so the same request would be refused again however much there is by then.
    "balance_insufficient": InsufficientFunds,
    "insufficient_capabilities_for_transfer": Conflict,
    "transfers_not_allowed": Conflict,
    "payouts_not_allowed": Conflict,
    "charge_already_refunded": Conflict,
    "charge_disputed": Conflict,
}

# Everything that the transport lets through to the SDK is a success, so what the SDK objects to is its shape.
STRIPE = Provider("Stripe", TABLE, unreadable=(stripe.StripeError,))


def refusal_of(answer: httpx.Response) -> Refusal:
    """Read an answer with an error status."""
    error = documents.child(documents.lenient(answer.content), "error")
    code = documents.optional_text(error, "code") or documents.optional_text(error, "type") or ""
    message = documents.optional_text(error, "message") or ""
    return Refusal(answer.status_code, code, message, retry_after_of(answer.headers))
