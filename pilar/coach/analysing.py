"""How coached leads take part, and what follows from it. What belongs here: bringing rules and rows together.

Set-based: one reading, the pure rules over a frame, and a few statements, for any number of studios. Whoever runs it,
and however often, comes to the same: who was slowed down is slowed down no further by a second look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.coach import engagement, engagement_store, fatigue, outcome_store
from pilar.coach.activity import ANSWERED_WITHIN
from pilar.coach.planning import plan


@dataclass(frozen=True)
class Analysed:
    """What a look did: how many leads were scored, and of how many the pace is another now."""

    leads: int
    paces: int


def analyse(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> Analysed:
    """Score the coached leads of studios, decide at which pace each is written to, and plan anew where it is another.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: whose.

    Raises:
        ValueError: a studio's counts contradict each other.
        ValidationError, Invalid: a studio's configuration can't be read. Callers isolate the studio.
    """
    now = clocks.business.now()
    leads = engagement_store.look(connection, studios, now, ANSWERED_WITHIN)
    day, coaching = now.astimezone(UTC).date(), set(leads["workspace_id"])
    engagement_store.keep_nobody(connection, [one for one in studios if one not in coaching], day, now)
    if leads.empty:
        engagement_store.forget_scores(connection, studios)
        return Analysed(0, 0)
    counted = ["workspace_id", "sent_weight", "answered_weight", "speed_weight", "weeks"]
    scored = engagement.score(leads[[*counted, "trainings", "bookings", "goals", "progress"]])
    engagement_store.keep_scores(
        connection, studios, leads[["workspace_id", "lead_id", "sent", "answered", "unanswered"]].join(scored), now
    )
    decided = fatigue.decide(leads)
    changed = _put_in_force(connection, clocks, leads, decided) if len(decided) else 0
    engagement_store.keep_studios(connection, _studios(leads, scored["score"], decided, day, now))
    outcome_store.keep(connection, studios, now, ANSWERED_WITHIN)
    return Analysed(len(leads), changed)


def _put_in_force(connection: Connection, clocks: Clocks, leads: pd.DataFrame, decided: pd.DataFrame) -> int:
    """Write to leads at another pace from now on; return to how many."""
    wanted = decided.join(leads[["workspace_id", "lead_id", "unanswered", "pace_at"]])
    engagement_store.hold(connection, wanted)
    now = clocks.business.now()  # not before: nothing that was made until then is held against the decision
    changed = engagement_store.keep_decisions(connection, wanted, now)
    if changed:
        engagement_store.call_off(connection, changed, now)
        plan(connection, clocks, sorted({row.workspace_id for row in changed}))
    return len(changed)


def _studios(
    leads: pd.DataFrame, scores: pd.Series[int], decided: pd.DataFrame, day: date, now: datetime
) -> list[dict[str, Any]]:
    """How each studio's leads take part today."""
    slowed, paused = leads["slowed_to"].notna(), leads["paused_at"].notna()
    slowed.loc[decided.index] = decided["slowed_to"].notna()
    paused.loc[decided.index] = decided["decision"].eq(fatigue.PAUSED) | (
        paused.loc[decided.index] & decided["decision"].ne(fatigue.RESUMED)
    )
    counts = leads.assign(score=scores, slowed=slowed & ~paused, paused=paused)
    return [
        {
            "workspace_id": studio,
            "day": day,
            "leads": len(of),
            "slowed": int(of["slowed"].sum()),
            "paused": int(of["paused"].sum()),
            "mean_score": round(float(of["score"].mean()), 2),
            "distribution": engagement.distribution(of["score"]),
            "goals_active": int(of["goals_active"].sum()),
            "goals_reached": int(of["goals_reached"].sum()),
            "now": now,
        }
        for studio, of in counts.groupby("workspace_id")
    ]
