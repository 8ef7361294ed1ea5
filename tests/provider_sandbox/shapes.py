"""A small language for the shapes that providers publish. What belongs here: checking a value against one.

A shape is a type, a regular expression, a set of the values that are allowed, a list of one shape, or a dictionary of
shapes in which a `?` behind a name says that it may be missing. `|` of types and a tuple of shapes offer a choice.
"""

from __future__ import annotations

import re
from types import UnionType
from typing import Any

Shape = Any


def problems(value: Any, shape: Shape, where: str = "") -> list[str]:
    """What is wrong with a value, each with its place; nothing where it fits."""
    if isinstance(shape, dict):
        return _of_fields(value, shape, where)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [
            problem for place, item in enumerate(value) for problem in problems(item, shape[0], f"{where}[{place}]")
        ]
    if isinstance(shape, tuple):
        tried = [problems(value, one, where) for one in shape]
        return [] if [] in tried else min(tried, key=len)
    if isinstance(shape, set | frozenset):
        fits = isinstance(value, str | int | None) and value in shape
    elif isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
    else:
        assert isinstance(shape, type | UnionType)
        fits = isinstance(value, shape) and (shape is not int or not isinstance(value, bool))
    return [] if fits else [f"{where}: {value!r} is not {shape}"]


def _of_fields(value: Any, shape: dict[str, Shape], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    fields = {name.removesuffix("?"): (one, name.endswith("?")) for name, one in shape.items()}
    found = [f"{where}.{name} is missing" for name, (_, free) in fields.items() if not free and name not in value]
    found += [f"{where}.{name} is unheard of" for name in value if name not in fields]
    for name, (one, _) in fields.items():
        if name in value:
            found += problems(value[name], one, f"{where}.{name}")
    return found
