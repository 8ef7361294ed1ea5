"""What the models' providers mean by their errors. What belongs here: a table for each, and how an error is read.

Asking a model changes nothing, so asking again is safe: it costs tokens, and the queue above bounds how often.
What has no row is judged by its status, in the shared policy (`providers/calls.py`).
"""

from __future__ import annotations

import httpx

from pilar.errors import CredentialsRefused, Invalid, NotFound, Permanent, Transient
from pilar.providers import documents
from pilar.providers.calls import ErrorTable, Provider, Refusal, retry_after_of

# By `code`, and where there is none by `type` (OpenAI's guide to error codes).
OPENAI_TABLE: ErrorTable = {
    "invalid_api_key": CredentialsRefused,
    "account_deactivated": CredentialsRefused,
    "rate_limit_exceeded": Transient,
    # A 429 as well, and no waiting ends it: somebody has to pay.
    "insufficient_quota": Permanent,
    "billing_hard_limit_reached": Permanent,
    "context_length_exceeded": Invalid,
    "string_above_max_length": Invalid,
    "invalid_request_error": Invalid,
    "unsupported_value": Invalid,
    "unsupported_parameter": Invalid,
    "model_not_found": NotFound,
    "server_error": Transient,
}

REQUEST_TOO_LARGE = "request_too_large"
FAILED_DEPENDENCY = "failed_dependency"
CAPACITY_EXCEEDED = "capacity_exceeded"

GROQ_TABLE: ErrorTable = {
    **OPENAI_TABLE,
    REQUEST_TOO_LARGE: Invalid,
    # A server of tools that Groq should call for us refused it: that is settings, not weather.
    FAILED_DEPENDENCY: Permanent,
    CAPACITY_EXCEEDED: Transient,
    # What the model wrote did not fit the schema or the tool: it may fit the next time.
    "json_validate_failed": Transient,
    "tool_use_failed": Transient,
}

GROQ_STATUSES = {413: REQUEST_TOO_LARGE, 424: FAILED_DEPENDENCY, 498: CAPACITY_EXCEEDED}
"""These say more than the code beside them: a request that is larger than a minute's whole allowance comes as 413 with
`rate_limit_exceeded`, and waiting does not make it smaller."""

ANTHROPIC_TABLE: ErrorTable = {
    "invalid_request_error": Invalid,
    "authentication_error": CredentialsRefused,
    "billing_error": Permanent,
    "permission_error": CredentialsRefused,
    "not_found_error": NotFound,
    "request_too_large": Invalid,
    "rate_limit_error": Transient,
    "api_error": Transient,
    "timeout_error": Transient,
    "overloaded_error": Transient,
}

OPENAI = Provider("OpenAI", OPENAI_TABLE)
GROQ = Provider("Groq", GROQ_TABLE)
ANTHROPIC = Provider("Anthropic", ANTHROPIC_TABLE, unwell=frozenset({"overloaded_error"}))


def openai_refusal(answer: httpx.Response) -> Refusal:
    """Read an answer of OpenAI's with an error status."""
    error = documents.child(documents.lenient(answer.content), "error")
    code = documents.optional_text(error, "code") or documents.optional_text(error, "type") or ""
    return Refusal(answer.status_code, code, _message(error), retry_after_of(answer.headers))


def groq_refusal(answer: httpx.Response) -> Refusal:
    """Read an answer of Groq's with an error status."""
    refusal = openai_refusal(answer)
    refusal.code = GROQ_STATUSES.get(answer.status_code, refusal.code)
    return refusal


def anthropic_refusal(answer: httpx.Response) -> Refusal:
    """Read an answer of Anthropic's with an error status."""
    error = documents.child(documents.lenient(answer.content), "error")
    code = documents.optional_text(error, "type") or ""
    return Refusal(answer.status_code, code, _message(error), retry_after_of(answer.headers))


def _message(error: documents.Document) -> str:
    return documents.optional_text(error, "message") or ""
