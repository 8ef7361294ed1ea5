"""How models' providers refuse. What belongs here: each kind of refusal, as each provider words and shapes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi.responses import JSONResponse

from provider_sandbox.models.asked import Provider

Kind = Literal[
    "invalid_key",
    "rate_limited",
    "out_of_credit",
    "context_too_long",
    "unknown_model",
    "bad_request",
    "unsupported_value",
    "too_large",
    "failed_dependency",
    "capacity_exceeded",
    "overloaded",
    "server_error",
]


class Refused(Exception):
    """A provider refuses a request.

    Attributes:
        retry_after: whole seconds after which to come back, for kinds that have that.
    """

    def __init__(self, kind: Kind, message: str = "", retry_after: int | None = None) -> None:
        super().__init__(message or kind)
        self.kind = kind
        self.message = message
        self.retry_after = retry_after


# Status, type, code, message.
_OPENAI: Mapping[Kind, tuple[int, str, str | None, str]] = {
    "invalid_key": (401, "invalid_request_error", "invalid_api_key", "The API key is not correct."),
    "rate_limited": (429, "requests", "rate_limit_exceeded", "The limit of requests per minute is reached."),
    "out_of_credit": (429, "insufficient_quota", "insufficient_quota", "The account's quota is used up."),
    "context_too_long": (400, "invalid_request_error", "context_length_exceeded", "The messages are too long."),
    "unknown_model": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "bad_request": (400, "invalid_request_error", None, "The request is not valid."),
    "unsupported_value": (400, "invalid_request_error", "unsupported_value", "A value is not supported by the model."),
    "too_large": (413, "invalid_request_error", None, "The request is too large."),
    "failed_dependency": (424, "invalid_request_error", None, "A dependent request failed."),
    "capacity_exceeded": (503, "server_error", None, "There is no capacity left."),
    "overloaded": (503, "server_error", None, "The engine is overloaded."),
    "server_error": (500, "server_error", None, "The server had an error."),
}
_GROQ = {
    **_OPENAI,
    # As it comes for a request that is larger than a minute's allowance: the code alone would say «wait».
    "too_large": (413, "tokens", "rate_limit_exceeded", "The request is larger than the limit of tokens per minute."),
    "capacity_exceeded": (498, "capacity_exceeded", "capacity_exceeded", "The flex tier has no capacity left."),
}
# Status, type, message.
_ANTHROPIC: Mapping[Kind, tuple[int, str, str]] = {
    "invalid_key": (401, "authentication_error", "The x-api-key is not valid."),
    "rate_limited": (429, "rate_limit_error", "The account's rate limit is reached."),
    "out_of_credit": (402, "billing_error", "The account's credit is used up."),
    "context_too_long": (400, "invalid_request_error", "The prompt is too long."),
    "unknown_model": (404, "not_found_error", "The model does not exist."),
    "bad_request": (400, "invalid_request_error", "The request is not valid."),
    "unsupported_value": (400, "invalid_request_error", "A value is not supported by the model."),
    "too_large": (413, "request_too_large", "The request is too large."),
    "failed_dependency": (500, "api_error", "An internal request failed."),
    "capacity_exceeded": (529, "overloaded_error", "Overloaded."),
    "overloaded": (529, "overloaded_error", "Overloaded."),
    "server_error": (500, "api_error", "The server had an error."),
}


def response(provider: Provider, refused: Refused, request_id: str) -> JSONResponse:
    """The refusal as that provider answers it."""
    headers = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    if provider == "anthropic":
        status, kind, message = _ANTHROPIC[refused.kind]
        error = {"type": kind, "message": refused.message or message}
        body: dict[str, Any] = {"type": "error", "error": error, "request_id": request_id}
        return JSONResponse(body, status, headers | {"request-id": request_id})
    status, kind, code, message = (_GROQ if provider == "groq" else _OPENAI)[refused.kind]
    error_body = {"message": refused.message or message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error_body}, status, headers | {"x-request-id": request_id})
