"""Errors of Meta's Graph API. What belongs here: their shape and the ones the sandbox gives."""

from __future__ import annotations

import secrets
from typing import Any

from provider_sandbox.meta.codes import code_of

REFERENCE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


class GraphError(Exception):
    """An error answer in the Graph API's shape."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        kind: str = "OAuthException",
        subcode: int | None = None,
        details: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        error: dict[str, Any] = {"message": message, "type": kind, "code": code, "fbtrace_id": secrets.token_urlsafe(8)}
        if subcode is not None:
            error["error_subcode"] = subcode
        if details is not None:
            error["error_data"] = {"messaging_product": "whatsapp", "details": details}
        self.body = {"error": error}


def bad_token(subcode: int | None = None) -> GraphError:
    """The access token is missing, unknown or no longer good."""
    return GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401, subcode=subcode)


def invalid(what: str) -> GraphError:
    """A parameter is missing or makes no sense."""
    return GraphError(100, f"(#100) {what}")


def missing(name: str) -> GraphError:
    """A message lacks a parameter."""
    return refused(131008, f"{name} is required.")


def refused(code: int, details: str | None = None) -> GraphError:
    """A refusal on the call, with the title and status that go with its code."""
    known = code_of(code)
    return GraphError(code, f"(#{code}) {known.title}", status=known.status, details=details)


def told(code: int, details: str, title: str | None = None) -> dict[str, Any]:
    """An error that comes afterwards, in the status of a message."""
    title = title or code_of(code).title
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details},
        "href": REFERENCE,
    }


def bad_code(subcode: int, why: str) -> GraphError:
    """The authorisation code can't be exchanged."""
    return GraphError(100, f"Error validating verification code. {why}", subcode=subcode)


def out_of_reach(identity: str, method: str) -> GraphError:
    """There is no such object, or the token has no part in it: Meta does not tell which."""
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{identity}' does not exist, can't be loaded due to"
        " missing permissions, or does not support this operation.",
        kind="GraphMethodException",
        subcode=33,
    )


def unknown_path(path: str) -> GraphError:
    """Nothing listens there."""
    return GraphError(2500, f"Unknown path components: {path}")
