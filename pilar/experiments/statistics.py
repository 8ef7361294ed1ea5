"""What the counts of an experiment say, and what follows from them.

What belongs here: the pure rules. What does not: counting (`store.py`) and acting on the answer (`results.py`).

**The interval.** Results are looked at again and again, and an experiment ends when they are clear enough. A usual
confidence interval is wrong far too often under that; a confidence *sequence* covers the true effect at all times at
once, with probability 1 - alpha. This is the asymptotic one by a normal mixture of Waudby-Smith, Arbour, Sinha, Kennedy
and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of Statistics, 2024): after
t units, around the mean of their t contributions with standard deviation s,

    ± s * sqrt( 2 (t r + 1) / (t² r) * log( sqrt(t r + 1) / alpha ) )

The effect is a difference of proportions; with V the variance of that difference, its contributions have s² = t V.
The mixture's variance r is settled before the first unit (`mixture_variance`).

**The p-value** is the interval turned around: the least alpha that would leave no effect outside,
sqrt(t r + 1) * exp( -effect² / V * t r / (2 (t r + 1)) ). The least one so far would be as valid and never rise again;
this is the one of now, which needs no memory and can be made again from the counts alone.

**Several variants** are each compared with the baseline at alpha divided by the number of comparisons (Bonferroni);
p-values are multiplied by it, so that they are still held against alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

SRM_THRESHOLD = 0.001
"""Shares that chance brings about less often than this were not made by chance."""

FEWEST_EXPECTED = 5.0
"""The chi-square distribution says nothing about fewer units than this in a variant."""

EXPECTED_PER_MINIMUM = 2
"""The interval is narrowest at so many times the minimum per variant."""

KEEP_RUNNING = "keep_running"
KEEP_BASELINE = "keep_baseline"
BROKEN = "broken"
ADOPT = "adopt:"

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Arm:
    """What has come of a variant: units that have met it, and those of them that have reached the goal."""

    variant: str
    weight: int
    exposed: int
    converted: int


@dataclass(frozen=True)
class Comparison:
    """A variant beside the baseline, as a row of what `compare` returns."""

    variant: str
    baseline: str
    rate_baseline: float
    rate_variant: float
    effect: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Decision:
    """What follows from the results, and why, in sentences.

    `decision` is `keep_running`, `keep_baseline`, `broken`, or `adopt:` and the variant's key.
    """

    decision: str
    reasons: tuple[str, ...]

    @property
    def ends(self) -> bool:
        """Whether the experiment is over with this."""
        return self.decision == KEEP_BASELINE or self.adopted is not None

    @property
    def adopted(self) -> str | None:
        """The variant that is to be used from now on, if any is."""
        return self.decision.removeprefix(ADOPT) if self.decision.startswith(ADOPT) else None


def mixture_variance(alpha: Floats, expected: Floats) -> Floats:
    """The mixture's variance r that makes the interval narrowest at the expected number of units.

    Of `expected` units, r = (log(1/alpha²) + log(log(1/alpha²) + 1)) / expected, as the same paper has it.
    """
    spread = -2 * np.log(alpha)
    variance: Floats = (spread + np.log(spread + 1)) / expected
    return variance


def compare(counts: pd.DataFrame) -> pd.DataFrame:
    """Compare each variant with its experiment's baseline.

    Args:
        counts: one row per variant, the baseline first in each experiment: `experiment_id`, `variant`, `exposed` and
            `converted` (units), `alpha`, and `minimum` (units per variant), the last two the same in an experiment.

    Returns:
        One row per variant but the baseline: `experiment_id`, `variant`, `baseline`, and as floats `rate_baseline`,
        `rate_variant`, `effect` (variant less baseline), `low`, `high` and `p_value`: not a number where one of the
        two has no unit.
    """
    is_baseline = ~counts["experiment_id"].duplicated()
    base = counts.loc[is_baseline, ["experiment_id", "variant", "exposed", "converted"]]
    pairs = counts[~is_baseline].merge(base, on="experiment_id", suffixes=("", "_baseline"))
    comparisons = pairs.groupby("experiment_id")["variant"].transform("size").to_numpy(dtype=float)
    columns = ["exposed", "converted", "exposed_baseline", "converted_baseline", "alpha", "minimum"]
    n1, c1, n0, c0, alpha, minimum = (pairs[column].to_numpy(dtype=float) for column in columns)
    both = (n0 > 0) & (n1 > 0)
    n0, n1 = np.where(both, n0, np.nan), np.where(both, n1, np.nan)
    effect = c1 / n1 - c0 / n0
    variance = _variance(c0, n0) + _variance(c1, n1)
    alpha = alpha / comparisons
    tr = (n0 + n1) * mixture_variance(alpha, 2 * EXPECTED_PER_MINIMUM * minimum)
    half_width = np.sqrt(variance * (tr + 1) / tr * (np.log(tr + 1) - 2 * np.log(alpha)))
    p_value = np.exp(np.minimum(np.log(tr + 1) / 2 - effect**2 / variance * tr / (tr + 1) / 2, 0))
    return (
        pairs[["experiment_id", "variant", "variant_baseline"]]
        .rename(columns={"variant_baseline": "baseline"})
        .assign(
            rate_baseline=c0 / n0,
            rate_variant=c1 / n1,
            effect=effect,
            low=np.clip(effect - half_width, -1, 1),
            high=np.clip(effect + half_width, -1, 1),
            p_value=np.minimum(comparisons * p_value, 1),
        )
    )


def sample_ratio(counts: pd.DataFrame) -> pd.Series[float]:
    """How likely shares as uneven as these are, when units are dealt by the weights (Pearson's chi-square test).

    Args:
        counts: one row per variant: `experiment_id`, `exposed` (units) and `weight`.

    Returns:
        A p-value per experiment, indexed by `experiment_id`; 1 for too few units to tell by this test.
    """
    sums = counts.groupby("experiment_id")[["exposed", "weight"]].transform("sum")
    expected = sums["exposed"] * counts["weight"] / sums["weight"]
    parts = pd.DataFrame(
        {
            "experiment_id": counts["experiment_id"],
            "expected": expected,
            "distance": (counts["exposed"] - expected) ** 2 / expected.where(expected > 0),
        }
    )
    by_experiment = parts.groupby("experiment_id").agg(
        fewest=("expected", "min"), distance=("distance", "sum"), variants=("expected", "size")
    )
    p_value = stats.chi2.sf(by_experiment["distance"], by_experiment["variants"] - 1)
    return pd.Series(np.where(by_experiment["fewest"] < FEWEST_EXPECTED, 1.0, p_value), index=by_experiment.index)


def decide(arms: Sequence[Arm], comparisons: Sequence[Comparison], srm_p_value: float, minimum: int) -> Decision:
    """Decide about one experiment.

    Args:
        arms: its variants, the baseline first.
        comparisons: what `compare` made of them.
        srm_p_value: what `sample_ratio` says about them.
        minimum: units that each variant needs before anything is decided.
    """
    met = ", ".join(f"{arm.variant} {arm.exposed}" for arm in arms)
    if srm_p_value < SRM_THRESHOLD:
        uneven = f"Units are not dealt by the weights (p = {srm_p_value:.2g}): {met}."
        return Decision(BROKEN, (uneven, "What bends the shares may bend the rates too: they can't be compared."))
    if min(arm.exposed for arm in arms) < minimum:
        return Decision(KEEP_RUNNING, (f"Each variant is to meet {minimum} units first: {met}.",))
    reasons = tuple(map(_sentence, comparisons))
    better = [comparison for comparison in comparisons if comparison.low > 0]
    if better:
        best = max(better, key=lambda comparison: comparison.effect).variant
        return Decision(f"{ADOPT}{best}", (*reasons, f"{best} is better than the baseline."))
    if all(comparison.high < 0 for comparison in comparisons):
        return Decision(KEEP_BASELINE, (*reasons, "The baseline is better than every other variant."))
    return Decision(KEEP_RUNNING, (*reasons, "Nothing better can be told from chance yet."))


def _sentence(of: Comparison) -> str:
    return (
        f"{of.variant} reaches the goal in {of.rate_variant:.1%} of its units, {of.baseline} in {of.rate_baseline:.1%}:"
        f" {100 * of.effect:+.1f} points, between {100 * of.low:+.1f} and {100 * of.high:+.1f} (p = {of.p_value:.2g})."
    )


def _variance(converted: Floats, exposed: Floats) -> Floats:
    """The variance of a proportion, with one success and one failure added (Agresti and Caffo).

    Without them a proportion of nought or all would have none, and the first few units would prove anything.
    """
    rate = (converted + 1) / (exposed + 2)
    return rate * (1 - rate) / exposed
