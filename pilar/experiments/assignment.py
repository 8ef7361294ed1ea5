"""Which variant a unit gets. What belongs here: the pure rule; recording that it was met is `experiments.py`'s.

The same unit gets the same variant wherever and how often it is asked, without a table to look it up in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Any

from pilar.errors import Invalid


@dataclass(frozen=True)
class Variant:
    """One of the ways to do it.

    Attributes:
        key: its short name.
        weight: its share of the units, beside the others' weights; at least 1.
    """

    key: str
    weight: int


def assigned(variants: Sequence[Variant], salt: str, unit_id: str) -> str:
    """The key of a unit's variant.

    Args:
        variants: what there is to get, with weights, in their order.
        salt: the experiment's; another salt deals the units anew.
        unit_id: the lead's, workspace's or visitor's id.
    """
    digest = sha256(f"{salt}\0{unit_id}".encode()).digest()
    ends = list(accumulate(variant.weight for variant in variants))
    # 64 bits scaled to the weights' sum: exact in whole numbers, and off by less than one unit in 2**50.
    place = int.from_bytes(digest[:8]) * ends[-1] >> 64
    return next(variant.key for variant, end in zip(variants, ends, strict=True) if place < end)


def parse_variants(document: Any) -> tuple[Variant, ...]:
    """The variants that a stored list of `{key, weight}` tells.

    Raises:
        Invalid: it tells none that a unit could be assigned to.
    """
    try:
        variants = tuple(Variant(key=item["key"], weight=item["weight"]) for item in document)
    except (TypeError, KeyError) as error:
        raise Invalid("Variants are a list of keys with weights.") from error
    check_variants(variants)
    return variants


def check_variants(variants: Sequence[Variant]) -> None:
    """See whether each variant has a key of its own and a share.

    Raises:
        Invalid: there are fewer than two, or one has no key or weight, or another's key.
    """
    if len(variants) < 2:
        raise Invalid("An experiment compares two variants at least.")
    for variant in variants:
        if not (isinstance(variant.key, str) and variant.key):
            raise Invalid("A variant has a key.")
        if type(variant.weight) is not int or variant.weight < 1:
            raise Invalid(f"The weight of variant {variant.key!r} is a whole number from 1 on.")
    if len({variant.key for variant in variants}) < len(variants):
        raise Invalid("Each variant has a key of its own.")
