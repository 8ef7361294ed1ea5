"""Texts that PostgreSQL can hold. What belongs here: taking out of a value what no text or JSON of its can be.

A NUL and half a surrogate pair are valid in JSON, so they come in with documents that are signed as they should be. The
statement that stores one is refused, and with it everything that it stores besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 32
"""Levels of a document that are kept: providers' have a dozen."""


def storable(value: Any, depth: int = 0) -> Any:
    """The value without what can't be stored: NULs are left out, halves of a pair become question marks.

    What lies deeper than `DEEPEST` is left out too, so that no document ends the recursion for its neighbours.
    """
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple | Mapping) and depth == DEEPEST:
        return None
    if isinstance(value, list | tuple):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {storable(name): storable(item, depth + 1) for name, item in value.items()}
    return value
