"""The arithmetic of commissions: to the cent, whatever the refunds."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.affiliates.commission import commission_on, months_after, target, to_take_back

settings.register_profile("pilar", deadline=None, database=None)
settings.load_profile("pilar")

amounts = st.integers(0, 10**12)
rates = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("amount", "rate", "expected"),
    [
        (9900, 2000, 1980),
        (4900, 2000, 980),
        (4999, 2000, 1000),  # 999.8
        (5, 1000, 0),  # a half, to the even cent below
        (15, 1000, 2),  # a half, to the even cent above
        (25, 1000, 2),
        (1, 2000, 0),
        (3, 2000, 1),
        (0, 2000, 0),
        (9900, 0, 0),
        (9900, 10_000, 9900),
    ],
)
def test_a_commission_is_its_rate_to_the_cent(amount: int, rate: int, expected: int) -> None:
    assert commission_on(amount, rate) == expected


@pytest.mark.parametrize(("amount", "rate"), [(-1, 2000), (1, -1), (1, 10_001)])
def test_there_is_no_commission_on_nonsense(amount: int, rate: int) -> None:
    with pytest.raises(ValueError, match="no commission"):
        commission_on(amount, rate)


@given(amounts, rates)
def test_it_is_what_exact_arithmetic_rounds_to(amount: int, rate: int) -> None:
    # Python rounds fractions half to even, as banks do.
    assert commission_on(amount, rate) == round(Fraction(amount * rate, 10_000))


@given(amounts, rates, st.lists(st.integers(0, 10**11), max_size=12))
def test_any_row_of_partial_refunds_ends_in_the_same_cents_as_one(base: int, rate: int, refunds: list[int]) -> None:
    standing, refunded = commission_on(base, rate), 0
    for refund in refunds:
        refunded = min(base, refunded + refund)
        back = to_take_back(standing, base, refunded, rate)
        assert back >= 0
        standing -= back
        assert 0 <= standing <= commission_on(base, rate)
    at_once = commission_on(base, rate) - to_take_back(commission_on(base, rate), base, refunded, rate)
    assert standing == at_once == target(base, refunded, rate)


@given(amounts, rates, amounts, amounts)
def test_the_order_of_what_is_heard_does_not_matter(base: int, rate: int, first: int, second: int) -> None:
    standing = commission_on(base, rate)
    for refunded in (first, second, first):  # an old answer, a new one, and the old one again
        standing -= to_take_back(standing, base, refunded, rate)
    assert standing == target(base, first, rate)


@given(amounts, rates)
def test_nothing_is_left_when_everything_has_gone_back(base: int, rate: int) -> None:
    assert target(base, base, rate) == target(base, base + 1, rate) == 0


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2026, 11, 5), 2, (2027, 1, 5)),
        ((2026, 12, 1), 12, (2027, 12, 1)),
        ((2028, 2, 29), 12, (2029, 2, 28)),
        ((2026, 6, 15), 0, (2026, 6, 15)),
    ],
)
def test_months_later(start: tuple[int, int, int], months: int, expected: tuple[int, int, int]) -> None:
    assert months_after(datetime(*start, 9, 30, tzinfo=UTC), months) == datetime(*expected, 9, 30, tzinfo=UTC)
