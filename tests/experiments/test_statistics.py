"""What results may be trusted with: errors stay below alpha however often one looks, and what is there is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pilar.experiments.statistics import Arm, Comparison, Decision, compare, decide, sample_ratio


def _counts(*arms: Arm, alpha: float = 0.05, minimum: int = 50, experiment: str = "e") -> pd.DataFrame:
    return pd.DataFrame(arms).assign(experiment_id=experiment, alpha=alpha, minimum=minimum)


def _compared(*arms: Arm, **options: Any) -> list[Comparison]:
    rows = compare(_counts(*arms, **options)).drop(columns="experiment_id").to_dict(orient="records")
    return [Comparison(**row) for row in rows]


def _decided(*arms: Arm, alpha: float = 0.05, minimum: int = 50) -> Decision:
    srm = sample_ratio(_counts(*arms))["e"]
    return decide(arms, _compared(*arms, alpha=alpha, minimum=minimum), srm, minimum)


def _looked_at_after_every_unit(
    rate: float, effect: float, *, units: int = 400, runs: int = 300, minimum: int = 20
) -> tuple[float, float, float]:
    """Run experiments of two variants, look after each unit, and return how often one was ever told a difference,
    was ever told that the variant is better, and was ever given an interval that the true effect is not in."""
    chance = np.random.default_rng(7)
    arm = chance.integers(0, 2, (runs, units))
    converted = chance.random((runs, units)) < np.where(arm == 1, rate + effect, rate)
    looks = np.arange(runs * units)
    frames = [
        pd.DataFrame(
            {
                "experiment_id": looks,
                "variant": name,
                "exposed": np.cumsum(arm == number, axis=1).ravel(),
                "converted": np.cumsum((arm == number) & converted, axis=1).ravel(),
                "alpha": 0.05,
                "minimum": minimum,
            }
        )
        for number, name in enumerate("ab")
    ]
    enough = np.minimum(frames[0]["exposed"], frames[1]["exposed"]).to_numpy() >= minimum
    compared = compare(pd.concat(frames, ignore_index=True))
    low, high = compared["low"].to_numpy(), compared["high"].to_numpy()

    def ever(told: np.ndarray) -> float:
        return float((told & enough).reshape(runs, units).any(axis=1).mean())

    return ever((low > 0) | (high < 0)), ever(low > 0), ever((low > effect) | (high < effect))


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
def test_without_an_effect_looking_all_the_time_is_seldom_wrong(rate: float) -> None:
    told, _, _ = _looked_at_after_every_unit(rate, 0.0)
    assert told <= 0.07


@pytest.mark.parametrize(("rate", "effect"), [(0.2, 0.2), (0.1, 0.2), (0.6, -0.2)])
def test_the_interval_holds_the_true_effect_at_all_times(rate: float, effect: float) -> None:
    _, _, missed = _looked_at_after_every_unit(rate, effect)
    assert missed <= 0.07


@pytest.mark.parametrize(("rate", "effect"), [(0.2, 0.25), (0.1, 0.25), (0.4, 0.3)])
def test_a_real_effect_is_found(rate: float, effect: float) -> None:
    _, better, _ = _looked_at_after_every_unit(rate, effect)
    assert better >= 0.95


def test_a_usual_test_would_have_been_wrong_where_this_one_is_not() -> None:
    """The reason for all this: the same looks with an interval for one look tell of a difference a third of the time."""
    chance = np.random.default_rng(7)
    arm = chance.integers(0, 2, (300, 400))
    converted = chance.random((300, 400)) < 0.2
    n = [np.cumsum(arm == number, axis=1) for number in (0, 1)]
    rates = [np.cumsum((arm == number) & converted, axis=1) / np.maximum(n[number], 1) for number in (0, 1)]
    spread = np.sqrt(sum(rate * (1 - rate) / np.maximum(units, 1) for rate, units in zip(rates, n, strict=True)))
    told = (np.abs(rates[1] - rates[0]) > 1.96 * spread) & (np.minimum(*n) >= 20)
    assert told.any(axis=1).mean() > 0.2


def test_the_interval_is_the_papers() -> None:
    """By hand, for 200 and 200 units: t = 400, V by Agresti and Caffo, r for 200 expected units (twice twice 50)."""
    (found,) = _compared(Arm("a", 1, 200, 40), Arm("b", 1, 200, 60))
    rates = 41 / 202, 61 / 202
    variance = sum(rate * (1 - rate) / 200 for rate in rates)
    r = (np.log(1 / 0.05**2) + np.log(np.log(1 / 0.05**2) + 1)) / 200
    spread, t = np.sqrt(400 * variance), 400
    half = spread * np.sqrt(2 * (t * r + 1) / (t**2 * r) * np.log(np.sqrt(t * r + 1) / 0.05))
    assert (found.effect, found.low, found.high) == pytest.approx((0.1, 0.1 - half, 0.1 + half))
    assert found.p_value == pytest.approx(np.sqrt(t * r + 1) * np.exp(-(0.1**2) / variance * t * r / (2 * (t * r + 1))))


arms = st.integers(1, 5_000).flatmap(
    lambda exposed: st.builds(Arm, st.just("x"), st.just(1), st.just(exposed), st.integers(0, exposed))
)


@given(st.lists(arms, min_size=2, max_size=5), st.sampled_from([0.01, 0.05, 0.2]), st.integers(1, 500))
def test_the_p_value_and_the_interval_say_the_same(found: list[Arm], alpha: float, minimum: int) -> None:
    named = [Arm(str(number), 1, arm.exposed, arm.converted) for number, arm in enumerate(found)]
    for comparison in _compared(*named, alpha=alpha, minimum=minimum):
        assert -1 <= comparison.low <= comparison.effect <= comparison.high <= 1
        assert 0 <= comparison.p_value <= 1
        excluded = comparison.low > 0 or comparison.high < 0
        if abs(comparison.p_value - alpha) > 1e-9:
            assert excluded == (comparison.p_value < alpha)


@given(arms, arms)
def test_swapping_the_two_turns_the_effect_around(one: Arm, other: Arm) -> None:
    (there,) = _compared(Arm("a", 1, one.exposed, one.converted), Arm("b", 1, other.exposed, other.converted))
    (back,) = _compared(Arm("a", 1, other.exposed, other.converted), Arm("b", 1, one.exposed, one.converted))
    assert (there.effect, there.low, there.high) == pytest.approx((-back.effect, -back.high, -back.low))
    assert there.p_value == pytest.approx(back.p_value)


def test_more_comparisons_make_wider_intervals() -> None:
    baseline, better, worse = Arm("a", 1, 200, 40), Arm("b", 1, 200, 60), Arm("c", 1, 200, 30)
    (alone,) = _compared(baseline, better)
    beside, other = _compared(baseline, better, worse)
    assert (beside.variant, other.variant, beside.baseline, other.baseline) == ("b", "c", "a", "a")
    assert beside.low < alone.low < alone.high < beside.high
    assert beside.p_value > alone.p_value


def test_experiments_are_compared_each_by_itself() -> None:
    one = _counts(Arm("a", 1, 200, 40), Arm("b", 1, 200, 60), experiment="one")
    other = _counts(Arm("a", 1, 90, 9), Arm("b", 1, 90, 20), Arm("c", 1, 80, 0), experiment="other", alpha=0.1)
    together = compare(pd.concat([one, other]))
    alone = pd.concat([compare(one), compare(other)])
    pd.testing.assert_frame_equal(together, alone.reset_index(drop=True))
    shares = sample_ratio(pd.concat([one, other]))
    assert shares.to_dict() == {"one": 1.0, "other": sample_ratio(other)["other"]}


def test_where_one_has_no_unit_nothing_is_compared() -> None:
    (found,) = _compared(Arm("a", 1, 10, 4), Arm("b", 1, 0, 0))
    assert np.isnan([found.rate_variant, found.effect, found.low, found.high, found.p_value]).all()
    assert _decided(Arm("a", 1, 4, 4), Arm("b", 1, 0, 0)).decision == "keep_running"


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 10)), min_size=2, max_size=5))
def test_shares_are_tested_as_the_field_tests_them(pairs: list[tuple[int, int]]) -> None:
    found = sample_ratio(_counts(*(Arm(str(number), weight, n, 0) for number, (n, weight) in enumerate(pairs))))["e"]
    total, whole = sum(n for n, _ in pairs), sum(weight for _, weight in pairs)
    expected = [total * weight / whole for _, weight in pairs]
    if min(expected) < 5:
        assert found == 1.0
    else:
        assert found == pytest.approx(stats.chisquare([n for n, _ in pairs], expected).pvalue)


def test_uneven_shares_spoil_the_experiment_whatever_the_rates_say() -> None:
    found = _decided(Arm("a", 1, 1_000, 100), Arm("b", 1, 800, 400))
    assert (found.decision, found.ends, found.adopted) == ("broken", False, None)
    assert "a 1000, b 800" in found.reasons[0]
    assert "p = 2.4e-06" in found.reasons[0]
    assert _decided(Arm("a", 5, 1_000, 100), Arm("b", 4, 800, 400)).decision == "adopt:b"


def test_nothing_is_decided_before_the_minimum() -> None:
    arms = Arm("a", 1, 110, 10), Arm("b", 1, 99, 60)
    found = _decided(*arms, minimum=100)
    assert found == Decision("keep_running", ("Each variant is to meet 100 units first: a 110, b 99.",))
    assert _decided(*arms, minimum=99).decision == "adopt:b"


def test_a_better_variant_is_adopted_and_the_reasons_have_the_numbers() -> None:
    found = _decided(Arm("short", 1, 400, 80), Arm("long", 1, 410, 164), Arm("funny", 1, 390, 60))
    assert (found.decision, found.ends, found.adopted) == ("adopt:long", True, "long")
    assert found.reasons[0].startswith(
        "long reaches the goal in 40.0% of its units, short in 20.0%: +20.0 points, between"
    )
    assert found.reasons[1].startswith("funny reaches the goal in 15.4%")
    assert found.reasons[-1] == "long is better than the baseline."


def test_of_two_better_variants_the_best_is_adopted() -> None:
    assert _decided(Arm("a", 1, 400, 40), Arm("b", 1, 400, 120), Arm("c", 1, 400, 200)).decision == "adopt:c"


def test_the_baseline_stays_when_it_is_better_than_all_others_and_only_then() -> None:
    baseline, worse, same = Arm("a", 1, 400, 160), Arm("b", 1, 400, 60), Arm("c", 1, 400, 161)
    found = _decided(baseline, worse)
    assert (found.decision, found.ends, found.adopted) == ("keep_baseline", True, None)
    found = _decided(baseline, worse, same)
    assert (found.decision, found.ends) == ("keep_running", False)
    assert found.reasons[-1] == "Nothing better can be told from chance yet."
