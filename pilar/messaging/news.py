"""Which news of Meta's count. What belongs here: the pure rule over moments.

Webhooks come in any order, late, and more than once. Each carries the moment of its decision by Meta's clock; a reading
of ours knows only that Meta had it so when we asked, by our clock. Where the two can't tell what is newer, Meta is
asked again: nothing is guessed, and no news is dropped that may be the newest.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

Age = Literal["newer", "older", "unclear"]

MARGIN = timedelta(minutes=5)
"""How far our clock and Meta's may be apart."""


def age_of(at: datetime | None, told_at: datetime | None, read_at: datetime | None) -> Age:
    """How news stand to what is known.

    Args:
        at: when Meta decided what they tell, by its own clock; None: it doesn't say.
        told_at: when Meta decided the newest thing that we were told, by its own clock.
        read_at: when we last asked Meta, by our clock (business time).
    """
    if at is None:
        return "unclear"
    # Meta's moments are whole seconds: two decisions within one can't be put in order.
    if told_at is not None and at <= told_at:
        return "older" if at < told_at else "unclear"
    if read_at is not None and at <= read_at + MARGIN:
        return "older" if at < read_at - MARGIN else "unclear"
    return "newer"


def newest(*moments: datetime | None) -> datetime | None:
    """The latest of these moments, None where there is none."""
    return max((moment for moment in moments if moment is not None), default=None)
