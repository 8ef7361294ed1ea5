"""Patterns that studios write. What belongs here: compiling them so that none can hang us; pure.

They run on RE2, in time linear in the text. Python's own engine backtracks: a short pattern of somebody's could keep
the handler of all studios' messages busy for hours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

LONGEST = 500
"""Characters of a pattern."""

_MEMORY = 1 << 20


@lru_cache(maxsize=2_000)
def compiled(pattern: str) -> Any:
    """A pattern ready to be searched for.

    Raises:
        ValueError: it is too long, or none that RE2 takes (no references back, no looking around).
    """
    if len(pattern) > LONGEST:
        raise ValueError(f"a pattern has at most {LONGEST} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"{pattern!r} is no pattern that can be used: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    told = error.args[0] if error.args else "it can't be read"
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
