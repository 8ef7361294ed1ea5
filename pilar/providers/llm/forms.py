"""Documents that a model is to fill in. What belongs here: the schema that it gets, and reading what it filled in.

Providers that hold a model to a schema (OpenAI's `strict`) take a part of JSON Schema only: every field required, no
field besides, no limits of length or size. What a field may leave out comes as null. The limits are told to the model
in the field's description, and hold on our side: what it filled in is validated by the pydantic model itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

LIMITS = (
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
)
DROPPED = ("title", "default", "format", "examples", *LIMITS)
LONGEST_NAME = 64
MOST_FAULTS = 5


class Misfit(ValueError):
    """What the model filled in is not valid; the message says what is wrong, in words that the model can use."""


@cache
def schema_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """The schema to hold a model to.

    Args:
        model: the document.

    Raises:
        ValueError: it has a free-form mapping or a field of any shape, which can't be held to.
    """
    schema = model.model_json_schema(mode="validation")
    found: Mapping[str, Any] = _strict(schema, model.__name__)
    return found


def name_of(model: type[BaseModel]) -> str:
    """The document's name in the characters that providers allow."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", model.__name__)[:LONGEST_NAME]


def read(model: type[BaseModel], text: str) -> BaseModel:
    """The document in an answer.

    Args:
        model: the document.
        text: JSON, in a fenced block or bare.

    Raises:
        Misfit: it is not JSON, or not valid.
    """
    try:
        value = json.loads(_bare(text))
    except (ValueError, RecursionError):
        raise Misfit("It is not JSON.") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # Null stands for «left out», where a field may be left out and not be null.
        if not _left_out(value, error):
            raise Misfit(_faults(error)) from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Misfit(_faults(error)) from None


def _bare(text: str) -> str:
    fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", text, re.DOTALL)
    return fenced[1] if fenced else text


def _left_out(value: Any, error: ValidationError) -> bool:
    """Take each null that is faulted out of the value; return whether there was one."""
    found = False
    for fault in error.errors(include_url=False, include_context=False):
        holder: Any = value
        for step in fault["loc"]:
            try:
                inner = holder[step]
            except (LookupError, TypeError):
                continue  # it names one of several shapes, which is no place in the document
            if inner is None and isinstance(holder, dict):
                del holder[step]
                found = True
                break
            holder = inner
    return found


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the document'}: {one['msg']}" for one in faults[:MOST_FAULTS]]
    more = f" (and {len(faults) - MOST_FAULTS} more)" if len(faults) > MOST_FAULTS else ""
    return "; ".join(told) + more


def _strict(schema: Any, place: str) -> Any:
    if isinstance(schema, list):
        return [_strict(one, place) for one in schema]
    if not isinstance(schema, dict):
        return schema
    limits = {name: schema[name] for name in LIMITS if name in schema}
    kept = {name: value for name, value in schema.items() if name not in DROPPED}
    if limits:
        told = ", ".join(f"{name} {value}" for name, value in limits.items())
        kept["description"] = f"{kept.get('description', '')} ({told})".strip()
    if kept.get("type") == "object" or "properties" in kept:
        return _strict_object(schema, kept, place)
    for name in ("anyOf", "allOf", "items", "prefixItems"):
        if name in kept:
            kept[name] = _strict(kept[name], place)
    if "oneOf" in kept:
        kept["anyOf"] = _strict(kept.pop("oneOf"), place)
        kept.pop("discriminator", None)
    if not kept.keys() & {"type", "anyOf", "allOf", "enum", "const", "$ref"}:
        raise ValueError(f"{place} may have any shape: a model can't be held to that.")
    return kept


def _strict_object(schema: Mapping[str, Any], kept: dict[str, Any], place: str) -> dict[str, Any]:
    if "properties" not in schema and schema.get("additionalProperties") is not False:
        raise ValueError(f"{place} is a mapping with free keys: a model can't be held to that, use a list of pairs.")
    required = set(schema.get("required", ()))
    properties = {}
    for name, one in schema.get("properties", {}).items():
        strict = _strict(one, f"{place}.{name}")
        properties[name] = strict if name in required else _nullable(strict)
    kept |= {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    if "$defs" in schema:
        kept["$defs"] = {name: _strict(one, name) for name, one in schema["$defs"].items()}
    return kept


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    options = schema.get("anyOf")
    if options is not None:
        is_so = any(isinstance(one, dict) and one.get("type") == "null" for one in options)
        return schema if is_so else schema | {"anyOf": [*options, {"type": "null"}]}
    description = {"description": schema["description"]} if "description" in schema else {}
    bare = {name: value for name, value in schema.items() if name != "description"}
    return {"anyOf": [bare, {"type": "null"}], **description}
