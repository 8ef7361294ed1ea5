"""Requests to the Graph API. What belongs here: reading their parameters, documents and tokens, whatever the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from provider_sandbox.meta import errors
from provider_sandbox.pages import form_fields


async def fields_of(request: Request) -> dict[str, str]:
    """Parameters from the query and from a body in JSON or form encoding: the Graph API takes all of them."""
    fields = dict(request.query_params)
    if request.method == "POST":
        if "json" in request.headers.get("content-type", ""):
            content = document_of(await request.body())
            fields |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in content.items()}
        else:
            fields |= await form_fields(request)
    return fields


def document_of(body: bytes) -> dict[str, Any]:
    """A body that is a JSON object; an empty one is an object without fields."""
    try:
        content: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise errors.invalid("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise errors.invalid("The body is not an object.")
    return content


def token_of(request: Request, fields: Mapping[str, str]) -> str:
    """The access token, from the header or from the parameters."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else fields.get("access_token", "")
