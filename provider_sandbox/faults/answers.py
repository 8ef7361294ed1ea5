"""What a provider says when it refuses or breaks. What belongs here: the shapes of these answers, provider by provider.

Numbers and names follow each provider's published errors; the sentences are ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from provider_sandbox.meta.errors import GraphError
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.twilio.errors import TwilioError

TOO_MANY = 429


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def rate_limited(provider: str, seconds: float) -> Answer:
    """«Too many requests», to be tried again after so many seconds, rounded up."""
    return _answer(TOO_MANY, _SHAPES[provider](TOO_MANY), {"retry-after": str(ceil(seconds))})


def server_error(provider: str, status: int) -> Answer:
    """Something went wrong on the provider's side."""
    return _answer(status, _SHAPES[provider](status), {})


def _answer(status: int, body: Any, headers: dict[str, str]) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers)


def _stripe(status: int) -> Any:
    if status == TOO_MANY:
        return StripeError(status, "Too many requests in too short a time.", code="rate_limit").body
    return StripeError(status, "Something went wrong on our end.", type="api_error").body


def _twilio(status: int) -> Any:
    if status == TOO_MANY:
        return TwilioError(status, 20429, "Too many requests").body
    return TwilioError(status, 20500 if status == 500 else 20503, "The service is not available just now").body


def _meta(status: int) -> Any:
    if status == TOO_MANY:
        return GraphError(80007, "(#80007) Too many calls for this account", status=status).body
    code = 1 if status == 500 else 2
    return GraphError(code, "The service is not available just now", status=status).body


def _openai(status: int) -> Any:
    is_limit = status == TOO_MANY
    error = {
        "message": "Too many requests for this model." if is_limit else "The server had an error.",
        "type": "requests" if is_limit else "server_error",
        "param": None,
        "code": "rate_limit_exceeded" if is_limit else None,
    }
    return {"error": error}


def _anthropic(status: int) -> Any:
    kind = {TOO_MANY: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": "The request could not be served."}}


def _elevenlabs(status: int) -> Any:
    kind = "too_many_concurrent_requests" if status == TOO_MANY else "internal_server_error"
    return {"detail": {"status": kind, "message": "The request could not be served."}}


_SHAPES: Mapping[str, Callable[[int], Any]] = {
    "stripe": _stripe,
    "twilio": _twilio,
    "meta": _meta,
    "openai": _openai,
    "groq": _openai,
    "anthropic": _anthropic,
    "elevenlabs": _elevenlabs,
}
