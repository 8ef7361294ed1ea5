"""What rules are worth. What belongs here: the pure part, frames in, frames out; counting is `analytics_store.py`'s."""

from __future__ import annotations

import pandas as pd

COUNTS = ("matches", "answered", "refused", "failed", "successes")


def rates(counted: pd.DataFrame) -> pd.DataFrame:
    """Add rates to counts.

    Args:
        counted: one row per studio, rule and variant: `workspace_id`, `rule_id`, `variant`, `name`, what `COUNTS`
            names, `latency_ms` (the answered ones' sum, in milliseconds) and `last_fired_at`.

    Returns:
        The same rows with `success_rate` (0 to 1, of the matches) and `avg_latency_ms` in place of the sum; missing
        where there is nothing to divide by.

    Raises:
        ValueError: the counts contradict each other: there are more answers or successes than matches.
    """
    ended = counted["answered"] + counted["refused"] + counted["failed"]
    wrong = counted[(ended > counted["matches"]) | (counted["successes"] > counted["matches"])]
    if not wrong.empty:
        raise ValueError(f"rule {wrong.iloc[0]['rule_id']} has more answers or successes than matches")
    rated = counted.assign(
        success_rate=_share(counted["successes"], counted["matches"]),
        avg_latency_ms=_share(counted["latency_ms"], counted["answered"]),
    )
    return rated.drop(columns="latency_ms")


def _share(part: pd.Series[float], whole: pd.Series[int]) -> pd.Series[float]:
    return part.astype(float) / whole.where(whole > 0)
