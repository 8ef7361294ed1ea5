"""What came of a studio's coaching, by day and by lead. What belongs here: reading it for page and API.

All of it comes from `analytics`: a page costs the same however many leads a studio has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.coach import activity_store, engagement_store
from pilar.coach.overview import LOOKED_BACK


@dataclass(frozen=True)
class DayOfType:
    """What became of a day's nudges of a type; `day` is where the leads are."""

    day: date
    type: str
    planned: int
    sent: int
    answered: int
    refused: int
    opted_out: int


@dataclass(frozen=True)
class Engagement:
    """How a studio's coached leads take part, as last looked at.

    Attributes:
        leads: who are coached.
        slowed: of them, written to less often than they chose.
        paused: of them, not written to until they write.
        mean_score: 0 to 100.
        distribution: leads by score: 0 to 9, 10 to 19, …, 90 to 100.
        goals_active: goals that are worked on.
        goals_reached: and those that are reached.
        refreshed_at: business time.
    """

    leads: int
    slowed: int
    paused: int
    mean_score: float
    distribution: Sequence[int]
    goals_active: int
    goals_reached: int
    refreshed_at: datetime

    @property
    def goal_completion_rate(self) -> float | None:
        """Share of the goals that were not given up which are reached; None where there are none."""
        goals = self.goals_active + self.goals_reached
        return self.goals_reached / goals if goals else None


@dataclass(frozen=True)
class Results:
    """What came of the coaching of the last thirty days, and how leads take part; None before the first look."""

    days: list[DayOfType]
    engagement: Engagement | None

    def by_day(self, last: date) -> list[tuple[date, int, int]]:
        """Each of the thirty days up to one, also those without anything: how many were sent, how many answered."""
        sums = {last - timedelta(days=ago): (0, 0) for ago in reversed(range(LOOKED_BACK.days))}
        for one in self.days:
            if one.day in sums:
                sent, answered = sums[one.day]
                sums[one.day] = (sent + one.sent, answered + one.answered)
        return [(day, *counts) for day, counts in sums.items()]


def results_of(connection: Connection, clocks: Clocks, workspace_id: UUID) -> Results:
    """What came of a studio's coaching, as last counted."""
    since = (clocks.business.now() - LOOKED_BACK).astimezone(UTC).date()
    days = [
        DayOfType(row.day, row.type, row.planned, row.sent, row.answered, row.refused, row.opted_out)
        for row in activity_store.days_since(connection, workspace_id, since)
    ]
    row = engagement_store.newest_engagement(connection, workspace_id)
    if row is None:
        return Results(days, None)
    counts = {name: getattr(row, name) for name in ("leads", "slowed", "paused", "goals_active", "goals_reached")}
    engagement = Engagement(
        **counts, mean_score=float(row.mean_score), distribution=row.distribution, refreshed_at=row.refreshed_at
    )
    return Results(days, engagement)
