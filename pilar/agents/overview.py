"""A studio's rules as pages show them. What belongs here: reading what was last told; nothing is counted here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents import store


@dataclass(frozen=True)
class Performance:
    """What came of a rule, in one variant or (empty) without one; times of acceptance are real, others business time.

    Attributes:
        success_rate: 0 to 1, of the matches; None without a match.
        avg_latency_ms: door to the provider's acceptance, in milliseconds.
    """

    variant: str
    matches: int
    answered: int
    refused: int
    failed: int
    successes: int
    success_rate: float | None
    avg_latency_ms: float | None
    last_fired_at: datetime | None
    refreshed_at: datetime


@dataclass(frozen=True)
class RuleView:
    """A rule, as a page shows it; without performance until that is measured for the first time."""

    id: UUID
    name: str
    goal: str
    priority: int
    version: int
    active: bool
    performance: tuple[Performance, ...]

    @property
    def matches(self) -> int:
        """Messages that it was chosen for, over its variants."""
        return sum(one.matches for one in self.performance)


def list_rules(connection: Connection, workspace_id: UUID) -> list[RuleView]:
    """A studio's rules in the order in which they are tried, with what came of them."""
    rows = store.rules_with_performance(connection, workspace_id)
    return [_view(list(same)) for _, same in groupby(rows, key=lambda row: row.id)]


def _view(rows: list[Row[Any]]) -> RuleView:
    first = rows[0]
    measured = tuple(
        Performance(**{name: getattr(row, name) for name in Performance.__dataclass_fields__})
        for row in rows
        if row.refreshed_at is not None
    )
    return RuleView(
        id=first.id,
        name=first.name,
        goal=first.goal,
        priority=first.priority,
        version=first.version,
        active=first.active,
        performance=measured,
    )
