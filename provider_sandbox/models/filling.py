"""Filling in a JSON schema. What belongs here: a valid value for any schema of the kind that models are held to.

The value follows from the schema, the prompt and the seed alone. It picks up what the prompt says where a field asks
for that: an option that is named, a number, the language.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DEEPEST = 12
ANSWERS = ("text", "reply", "message", "answer", "body", "summary", "comment")
"""Fields by these names hold the words of the answer."""

FORMATS = {
    "date": "2026-01-05",
    "date-time": "2026-01-05T10:00:00Z",
    "time": "10:00:00",
    "email": "bo@example.com",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "https://example.com/",
}


@dataclass(frozen=True)
class Material:
    """What values are made of.

    Attributes:
        prompt: what was said.
        words: the answer in free text.
        language: two letters.
        seed: decides what chance would.
    """

    prompt: str
    words: str
    language: str
    seed: int


LIMITS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)
_TOLD = re.compile(r"\b(" + "|".join(LIMITS) + r") (-?\d+)")
"""Limits that a description tells, since a strict schema can't."""


def fill(schema: Mapping[str, Any], material: Material) -> Any:
    """A value that is valid for the schema."""
    return _Filler(schema.get("$defs", {}), material).value(schema, "", 0)


def fill_text(schema: Mapping[str, Any], material: Material) -> str:
    """The same as JSON."""
    return json.dumps(fill(schema, material), ensure_ascii=False)


class _Filler:
    def __init__(self, definitions: Mapping[str, Any], material: Material) -> None:
        self._definitions = definitions
        self._material = material

    def value(self, schema: Mapping[str, Any], path: str, depth: int) -> Any:
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            return self.value(self._definitions.get(name, {}), path, depth + 1)
        told = {name: int(value) for name, value in _TOLD.findall(str(schema.get("description", "")))}
        schema = {**told, **schema}
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._option(schema["enum"], path)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._any(schema, schema[several], path, depth)
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for one in schema["allOf"]:
                merged |= one
            return self.value(merged, path, depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: self._object(schema, path, depth),
            "array": lambda: self._array(schema, path, depth),
            "string": lambda: self._text(schema, path),
            "integer": lambda: int(self._number(schema, path)),
            "number": lambda: self._number(schema, path),
            "boolean": lambda: self._chance(path) % 2 == 0,
        }
        return makers.get(str(kind), lambda: None)()

    def _any(self, told: Mapping[str, Any], options: list[Mapping[str, Any]], path: str, depth: int) -> Any:
        rich = [one for one in options if one.get("type") != "null"]
        # What holds itself ends here, or it would never.
        if not rich or (depth > DEEPEST and len(rich) < len(options)):
            return None
        return self.value({**_limits(told), **rich[0]}, path, depth + 1)

    def _object(self, schema: Mapping[str, Any], path: str, depth: int) -> dict[str, Any]:
        wanted = schema.get("required", schema.get("properties", {}))
        return {
            name: self.value(one, f"{path}.{name}", depth + 1)
            for name, one in schema.get("properties", {}).items()
            if name in wanted
        }

    def _array(self, schema: Mapping[str, Any], path: str, depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        count = max(least, 0 if depth > DEEPEST else min(1 + self._chance(path) % 2, int(schema.get("maxItems", 2))))
        return [self.value(schema.get("items", {}), f"{path}.{index}", depth + 1) for index in range(count)]

    def _text(self, schema: Mapping[str, Any], path: str) -> str:
        name = path.rpartition(".")[2].lower()
        if name == "language":
            made = self._material.language
        elif schema.get("format") in FORMATS:
            made = FORMATS[schema["format"]]
        elif name in ANSWERS:
            made = self._material.words
        else:
            words = re.findall(r"\w{4,}", self._material.prompt) or ["something"]
            made = words[self._chance(path) % len(words)]
        made = made[: int(schema.get("maxLength", len(made)))]
        return made.ljust(int(schema.get("minLength", 0)), ".")

    def _number(self, schema: Mapping[str, Any], path: str) -> float:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 0)
        most = schema.get("maximum", schema.get("exclusiveMaximum", least + 101) - 1)
        named = [int(found) for found in re.findall(r"\b\d{1,9}\b", self._material.prompt)]
        fitting = [number for number in named if least <= number <= most]
        return float(fitting[0] if fitting else least + self._chance(path) % max(int(most - least) + 1, 1))

    def _option(self, options: list[Any], path: str) -> Any:
        said = self._material.prompt.lower()
        named = [one for one in options if isinstance(one, str) and re.search(rf"\b{re.escape(one.lower())}\b", said)]
        return named[0] if named else options[self._chance(path) % len(options)]

    def _chance(self, path: str) -> int:
        told = f"{self._material.seed}\0{path}\0{self._material.prompt}".encode()
        return int.from_bytes(hashlib.sha256(told).digest()[:4])


def _limits(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Those that stand beside the options."""
    return {name: schema[name] for name in LIMITS if name in schema}
