"""What an error looks like from outside: a problem document (RFC 9457), or a page for people.

What belongs here: the one mapping from the error tree to HTTP. What does not: internals; an error that nobody
foresaw is logged (masked) and answered with nothing but its status.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from pilar import errors
from pilar.masking import mask_text, masked_traceback
from webhook_ingest.dashboards.rendering import ERROR, render

log = logging.getLogger(__name__)

_STATUS: Mapping[type[errors.PilarError], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.BadSignature: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Busy: 409,
    errors.Invalid: 422,
    errors.TooManyRequests: 429,
    errors.OverBudget: 429,
    errors.NotConfigured: 503,
    errors.Transient: 503,
}
_RETRY_AFTER = timedelta(seconds=5)
"""For errors that pass but don't say when."""

_KEPT_TO_OURSELVES = {500: "Something went wrong on our side.", 503: "This can't be done just now: try again shortly."}
"""Messages that may name hosts, settings and tables are logged and replaced."""

_TOLD = ("errors", "known_types")
"""Of an error's details, those that are made to be read outside."""


def status_of(error: errors.PilarError) -> int:
    """The HTTP status of an error: that of its class or of the nearest above it."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def problem(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """A problem document.

    Args:
        status: of HTTP.
        detail: one sentence for whoever reads it.
        code: of the error, for programs.
        headers: more headers.
        errors: for invalid input, what is wrong where.
        more: further members of the document.
    """
    title = HTTPStatus(status).phrase
    code = code or title.lower().replace(" ", "_")
    document: dict[str, Any] = {
        "type": f"urn:pilar:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors is not None:
        document["errors"] = errors
    document |= more or {}
    return JSONResponse(document, status, headers, "application/problem+json")


def answer_to(error: errors.PilarError) -> Response:
    """The problem document of an error."""
    status = status_of(error)
    if status in _KEPT_TO_OURSELVES:
        log.log(logging.ERROR if status == 500 else logging.WARNING, "%s: %s", error.code, mask_text(error.message))
    told = {name: error.details[name] for name in _TOLD if name in error.details} if status < 500 else {}
    return problem(status, _detail(error, status), code=error.code, headers=_headers(error, status), more=told)


def unforeseen(error: Exception) -> Response:
    """The problem document of an error that nobody foresaw; what happened is in the log, masked."""
    log.error("unforeseen: %s", masked_traceback(error))
    return problem(500, _KEPT_TO_OURSELVES[500], code="internal")


def install(app: FastAPI) -> None:
    """Have the application answer every error in this form."""
    app.add_exception_handler(errors.PilarError, _on_pilar_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)


def wants_page(request: Request) -> bool:
    """Whether a person is looking: a browser, and not at the API."""
    is_page = not request.url.path.startswith(("/api/", "/static/", "/openapi.json"))
    return is_page and "text/html" in request.headers.get("accept", "")


def for_reader(request: Request, answer: Response, status: int, detail: str) -> Response:
    """The answer itself for programs, its content as a page for people."""
    if not wants_page(request):
        return answer
    page = render(request, ERROR, status=status, title=HTTPStatus(status).phrase, detail=detail)
    page.status_code = status
    for name in ("retry-after", "www-authenticate"):
        if name in answer.headers:
            page.headers[name] = answer.headers[name]
    return page


def _on_pilar_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.PilarError):
        raise error
    status = status_of(error)
    return for_reader(request, answer_to(error), status, _detail(error, status))


def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
        413: "That is more than this address takes.",
    }.get(error.status_code, HTTPStatus(error.status_code).phrase)
    answer = problem(error.status_code, detail, headers=error.headers)
    return for_reader(request, answer, error.status_code, detail)


def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # Where and what, without the value: it may be a secret that ended up in the wrong field.
    found = [
        {"at": "/".join(str(part) for part in one["loc"]), "message": one["msg"], "type": one["type"]}
        for one in error.errors()
    ]
    detail = "The request is not valid."
    return for_reader(request, problem(422, detail, code="invalid", errors=found), 422, detail)


def _detail(error: errors.PilarError, status: int) -> str:
    return _KEPT_TO_OURSELVES.get(status) or mask_text(error.message)


def _headers(error: errors.PilarError, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="pilar"'}
    if isinstance(error, errors.Transient):
        wait = error.retry_after or _RETRY_AFTER
        return {"Retry-After": str(max(1, math.ceil(wait.total_seconds())))}
    return {}
