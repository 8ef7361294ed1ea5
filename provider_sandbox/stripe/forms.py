"""Stripe's form encoding. What belongs here: `a[b][0]=c` as nested values; what the fields mean does not."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from provider_sandbox.stripe.errors import StripeError

PART = re.compile(r"\[([^\]]*)\]")


def decode(encoded: str) -> dict[str, Any]:
    """Read a query string or form body; `a[]=x` and `a[0]=x` become lists, other brackets become dicts.

    Raises `StripeError` where a name is both a value and a container.

    >>> decode("metadata[plan]=PRO&expand[]=customer")
    {'metadata': {'plan': 'PRO'}, 'expand': ['customer']}
    """
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head = name.partition("[")[0]
        parts = [head, *PART.findall(name)]
        node = tree
        for part, _following in pairwise(parts):
            child = node.setdefault(_key(node, part), {})
            if not isinstance(child, dict):
                raise StripeError(400, f"Invalid {name}: {part} is a value already.", param=name)
            node = child
        node[_key(node, parts[-1])] = value
    return {name: _lists(value) for name, value in tree.items()}


def _key(node: dict[str, Any], part: str) -> str:
    return part or str(len(node))


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(item) for key, item in value.items()}
