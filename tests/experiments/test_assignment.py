"""Who gets which variant: always the same, by the weights, and nobody else's."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pilar.errors import Invalid
from pilar.experiments.assignment import Variant, assigned, parse_variants

weights = st.lists(st.integers(1, 1_000), min_size=2, max_size=6)
texts = st.text(max_size=40)


def _variants(*given_weights: int) -> tuple[Variant, ...]:
    return tuple(Variant(f"v{number}", weight) for number, weight in enumerate(given_weights))


@given(weights, texts, texts)
def test_a_unit_gets_one_of_the_variants_and_always_the_same(given_weights: list[int], salt: str, unit: str) -> None:
    variants = _variants(*given_weights)
    found = assigned(variants, salt, unit)
    assert found in {variant.key for variant in variants}
    assert assigned(list(variants), salt, unit) == found


@settings(max_examples=20)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), texts)
def test_every_variant_is_reached(given_weights: list[int], salt: str) -> None:
    variants = _variants(*given_weights)
    # With a share of 1 in 81 at least, all of 4,000 units miss a variant once in 10^21 times.
    assert {assigned(variants, salt, str(number)) for number in range(4_000)} == {variant.key for variant in variants}


@pytest.mark.parametrize("given_weights", [(1, 1), (9, 1), (1, 2, 3), (500, 300, 200)])
def test_units_are_dealt_by_the_weights(given_weights: tuple[int, ...]) -> None:
    variants = _variants(*given_weights)
    counts = Counter(assigned(variants, "salt", f"lead-{number}") for number in range(20_000))
    expected = [20_000 * weight / sum(given_weights) for weight in given_weights]
    assert stats.chisquare([counts[variant.key] for variant in variants], expected).pvalue > 0.001


def test_another_salt_deals_anew() -> None:
    variants, units = _variants(1, 1), [str(number) for number in range(1_000)]
    same = sum(assigned(variants, "one", unit) == assigned(variants, "other", unit) for unit in units)
    assert 420 < same < 580


def test_assignments_never_change_between_releases() -> None:
    """Units that take part in an experiment would change sides in the midst of it."""
    variants = _variants(1, 1, 2)
    assert "".join(assigned(variants, "salt", str(number))[1] for number in range(20)) == "00210001202220220220"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (None, "list of keys"),
        ([{"key": "a"}], "list of keys"),
        ([{"key": "a", "weight": 1}], "two variants"),
        ([{"key": "a", "weight": 1}, {"key": "a", "weight": 1}], "of its own"),
        ([{"key": "a", "weight": 1}, {"key": "", "weight": 1}], "has a key"),
        ([{"key": "a", "weight": 1}, {"key": "b", "weight": 0}], "from 1 on"),
        ([{"key": "a", "weight": 1}, {"key": "b", "weight": 0.5}], "from 1 on"),
    ],
)
def test_variants_that_nobody_could_be_assigned_to_are_refused(document: Any, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse_variants(document)
