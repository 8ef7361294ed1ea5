"""Billing periods and their parts. What belongs here: pure arithmetic of dates and of prorated amounts."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

DAY = 86400
INTERVALS = ("day", "week", "month", "year")


def after(anchor: int, interval: str, count: int) -> int:
    """The moment so many intervals after an anchor, in Unix seconds.

    Months are calendar months: the 31st is followed by the last day of a shorter month, and by the 31st again.
    """
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in ("day", "week"):
        return int((start + timedelta(days=count * (7 if interval == "week" else 1))).timestamp())
    months = start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def end_of(anchor: int, start: int, interval: str, count: int) -> int:
    """The end of the period that begins at `start`, by its anchor."""
    n = 1
    while (end := after(anchor, interval, count * n)) <= start:
        n += 1
    return end


def share(amount: int, start: int, end: int, at: int) -> int:
    """What of an amount falls on the rest of a period, rounded half up; the two parts always add up to the whole."""
    if not start < end:
        return 0
    left = min(max(end - at, 0), end - start)
    return (2 * amount * left + (end - start)) // (2 * (end - start))
