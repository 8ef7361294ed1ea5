"""How much a coached lead takes part: one number from 0 to 100, with the parts that make it.

What belongs here: the pure rule (frames in, frames out). Reading and writing is `engagement_store.py`'s.

Each part is a share from 0 to 1 with so much evidence behind it, shrunk towards what is usual in the studio:
`(evidence · share + WEIGHT_OF_USUAL · usual) / (evidence + WEIGHT_OF_USUAL)`. What is usual is shrunk towards the
middle in the same way.

So a lead of whom nothing is known stands where the studio's leads stand, one in a studio of which nothing is known
stands in the middle, and a single answer makes nobody the best. The score is the weighted mean of the parts: it lies
between 0 and 100, and never falls with quicker answers, nor with more progress; nor with more trainings or bookings,
where the studio has any. With more answers its part of answers never falls.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

WEIGHTS = {"answers": 0.40, "speed": 0.15, "trainings": 0.20, "goals": 0.10, "bookings": 0.15}
"""Answers weigh most: they are what nudges ask for, and known of everybody. Goals are set by few."""

LOOKED_BACK = timedelta(days=90)
"""Nudges that are older say nothing any more."""
HALF_LIFE = timedelta(days=14)
"""After so long an answer, or that there was none, counts half."""
HALF_AS_QUICK = timedelta(hours=2)
"""An answer at once counts whole for speed, one after so long half."""
ACTIVE_WITHIN = timedelta(days=28)
"""Trainings and bookings of so long count."""
TRAININGS_A_WEEK = 2.0
"""Who trains as often as that takes part wholly."""
BOOKINGS_A_WEEK = 1.0
WEIGHT_OF_USUAL = 4.0
"""What is usual counts like so much evidence: four nudges, four weeks, four goals."""
MIDDLE = 0.5
BUCKETS = 10
"""Of a distribution of scores: equally wide."""


def score(leads: pd.DataFrame) -> pd.DataFrame:
    """Score leads.

    Args:
        leads: one row per lead: `workspace_id`; `sent_weight`, `answered_weight`, `speed_weight` (sums of what nudges
            count by their age, and of that times what an answer counts by its delay); `weeks` (that they have been
            coached, up to four); `trainings` and `bookings` (of these weeks); `goals` (not given up) and `progress`
            (their mean, 0 to 100).

    Returns:
        With the same index: each part (0 to 100, int) and `score` (int).

    Raises:
        ValueError: numbers that can't be: below zero, or more answers than nudges.
    """
    numbers = leads.drop(columns="workspace_id").astype(float)
    impossible = (numbers < 0).any(axis=1) | (numbers["answered_weight"] > numbers["sent_weight"] + 1e-9)
    impossible |= (numbers["speed_weight"] > numbers["answered_weight"] + 1e-9) | (numbers["progress"] > 100)
    if impossible.any():
        raise ValueError(f"{int(impossible.sum())} leads can't be scored: their counts contradict each other")
    studio = leads["workspace_id"]
    weeks = numbers["weeks"]
    evidence = {
        "answers": numbers["sent_weight"],
        "speed": numbers["answered_weight"],
        # Where nobody writes trainings down, or takes bookings, their absence says nothing of a lead.
        "trainings": weeks.where(_any_in_studio(numbers["trainings"], studio), 0.0),
        "goals": numbers["goals"],
        "bookings": weeks.where(_any_in_studio(numbers["bookings"], studio), 0.0),
    }
    share = {
        "answers": _of(numbers["answered_weight"], numbers["sent_weight"]),
        "speed": _of(numbers["speed_weight"], numbers["answered_weight"]),
        "trainings": _of(numbers["trainings"], weeks * TRAININGS_A_WEEK),
        "goals": numbers["progress"] / 100,
        "bookings": _of(numbers["bookings"], weeks * BOOKINGS_A_WEEK),
    }
    parts = pd.DataFrame({name: _shrunk(share[name], evidence[name], studio) for name in WEIGHTS}, index=leads.index)
    total = (parts * pd.Series(WEIGHTS)).sum(axis=1)
    scored = (parts * 100).round().astype(int)
    scored["score"] = (total * 100).round().clip(0, 100).astype(int)
    return scored


def distribution(scores: pd.Series[int]) -> list[int]:
    """How many scores lie in each of ten equal parts; 100 is in the last."""
    buckets = (scores // (100 // BUCKETS)).clip(upper=BUCKETS - 1)
    return [int(count) for count in buckets.value_counts().reindex(range(BUCKETS), fill_value=0).sort_index()]


def _any_in_studio(counts: pd.Series[float], studio: pd.Series[Any]) -> pd.Series[bool]:
    return counts.groupby(studio).transform("sum") > 0


def _of(part: pd.Series[float], whole: pd.Series[float]) -> pd.Series[float]:
    return (part / whole.where(whole > 0)).fillna(0.0).clip(0.0, 1.0)


def _shrunk(share: pd.Series[float], evidence: pd.Series[float], studio: pd.Series[Any]) -> pd.Series[float]:
    counted = (share * evidence).groupby(studio).transform("sum")
    all_evidence = evidence.groupby(studio).transform("sum")
    usual = (counted + WEIGHT_OF_USUAL * MIDDLE) / (all_evidence + WEIGHT_OF_USUAL)
    return (share * evidence + WEIGHT_OF_USUAL * usual) / (evidence + WEIGHT_OF_USUAL)
