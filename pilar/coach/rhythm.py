"""How long a lead may pause before they are missed. What belongs here: the pure rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

LOOKED_AT = 20
"""The newest trainings tell the rhythm; older ones are another life."""
_SPAN = timedelta(days=56)
_FEWEST = 3
_SLACK = 1.5
_SHORTEST, _LONGEST = 3, 14


def longest_pause(trainings: Sequence[datetime]) -> int | None:
    """The days after which a lead who trains like this is missed; None where the trainings are too few to tell.

    It is half as long again as the usual pause of the eight weeks before the last training, and from 3 to 14 days.

    Args:
        trainings: the newest ones, in any order.
    """
    if not trainings:
        return None
    last = max(trainings)
    days = {one.date() for one in trainings if one > last - _SPAN}
    if len(days) < _FEWEST:
        return None
    usual = (max(days) - min(days)).days / (len(days) - 1)
    return min(_LONGEST, max(_SHORTEST, ceil(usual * _SLACK)))
