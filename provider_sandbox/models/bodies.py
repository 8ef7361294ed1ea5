"""Reading what a client sends. What belongs here: JSON bodies field by field, refused where they are not as told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request

from provider_sandbox.models.errors import Refused

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LARGEST = 1 << 20
"""Bytes of a request."""

UNSUPPORTED = ("minLength", "maxLength", "oneOf", "allOf", "minimum", "maximum", "pattern", "default")
"""Keywords that a strict schema must do without: the part that all of OpenAI's and Groq's models understand."""


async def document(request: Request) -> dict[str, Any]:
    """The body of a request; it is read whole before anything else looks at it."""
    body = await request.body()
    if len(body) > LARGEST:
        raise Refused("too_large")
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Refused("bad_request", "The body is not JSON.") from error
    if not isinstance(found, dict):
        raise Refused("bad_request", "The body is not an object.")
    return found


def text(body: Mapping[str, Any], name: str) -> str:
    """A text that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("bad_request", f"{name}: a text is required.")
    return value


def objects(body: Mapping[str, Any], name: str, *, required: bool = False) -> list[dict[str, Any]]:
    """A list of objects, empty where it may be left out."""
    value = body.get(name)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value) or (required and not value):
        raise Refused("bad_request", f"{name}: a list of objects is required.")
    return value


def whole(body: Mapping[str, Any], name: str, *, least: int = 0) -> int | None:
    """A whole number that may be left out."""
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise Refused("bad_request", f"{name}: a whole number of at least {least} is required.")
    return value


def within(body: Mapping[str, Any], name: str, most: float) -> None:
    """Refuse a number that is not from 0 to the most."""
    value = body.get(name)
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most):
        raise Refused("bad_request", f"{name}: a number from 0 to {most:g} is required.")


def refuse_streaming(body: Mapping[str, Any]) -> None:
    """The sandbox answers in one piece."""
    if body.get("stream"):
        raise Refused("bad_request", "stream: the sandbox does not stream.")


def named(name: object, what: str) -> str:
    """A name of a tool or schema."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refused("bad_request", f"{what}: letters, digits, _ and - are allowed, up to 64 of them.")
    return name


def strict(schema: object, name: str) -> Mapping[str, Any]:
    """A schema that a model can be held to: each field required, none besides, and nothing that is not understood."""
    if not isinstance(schema, dict):
        raise Refused("bad_request", f"Invalid schema for '{name}': an object is required.")
    for place, one in _parts(schema, ()):
        where = f"Invalid schema for '{name}', in {'.'.join(place) or 'the schema itself'}"
        if found := sorted(one.keys() & set(UNSUPPORTED)):
            raise Refused("bad_request", f"{where}: {found[0]} is not permitted.")
        if one.get("type") == "object" or "properties" in one:
            if one.get("additionalProperties") is not False:
                raise Refused("bad_request", f"{where}: additionalProperties must be there and be false.")
            if sorted(one.get("required", [])) != sorted(one.get("properties", {})):
                raise Refused("bad_request", f"{where}: required must name every property.")
    return schema


def _parts(schema: Mapping[str, Any], place: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Mapping[str, Any]]]:
    yield place, schema
    for holder in ("properties", "$defs"):
        for name, one in schema.get(holder, {}).items():
            if isinstance(one, dict):
                yield from _parts(one, (*place, name))
    several = schema.get("anyOf", [])
    for one in [schema.get("items"), *(several if isinstance(several, list) else [])]:
        if isinstance(one, dict):
            yield from _parts(one, place)
