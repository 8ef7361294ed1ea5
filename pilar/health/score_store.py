"""Reading what scores are made of and writing them. What belongs here: the SQL around `scores.py`, in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from pilar.clocks import Clocks
from pilar.health.checks import run_checks
from pilar.health.scores import PART_OF, WEIGHTS, score
from pilar.health.tables import health_check, incident, workspace_health_score


@dataclass(frozen=True)
class Scored:
    """What one run did: scores by studio, and the studios that could not be scored, with the reason."""

    scores: dict[UUID, int]
    failed: dict[UUID, str]


def score_studios(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> Scored:
    """Look at the studios afresh, score them all at once, and keep the scores.

    A studio that can't be scored (it is gone, or has no checks) is reported and keeps its last good score.
    """
    run_checks(connection, clocks, studios)
    checks = pd.DataFrame(
        connection.execute(
            select(health_check.c.workspace_id, health_check.c.component, health_check.c.status).where(
                health_check.c.workspace_id.in_(studios), health_check.c.component.in_(list(PART_OF))
            )
        ).all(),
        columns=["workspace_id", "component", "status"],
    )
    incidents = pd.DataFrame(
        connection.execute(
            select(incident.c.workspace_id, incident.c.severity).where(
                incident.c.workspace_id.in_(studios), incident.c.status.in_(["open", "investigating"])
            )
        ).all(),
        columns=["workspace_id", "severity"],
    )
    if checks.empty:
        return Scored({}, dict.fromkeys(studios, "there is no such studio, or it is closed"))
    scored = score(checks, incidents)
    now = clocks.business.now()
    rows: list[dict[str, Any]] = [
        {
            "workspace_id": workspace_id,
            "score": int(values["score"]),
            "weakest": str(values["weakest"]),
            "scored_at": now,
            **{part: round(float(values[part]), 2) for part in WEIGHTS},
        }
        for workspace_id, values in scored.to_dict(orient="index").items()
    ]
    statement = insert(workspace_health_score).values(rows)
    changed = {name: statement.excluded[name] for name in (*WEIGHTS, "score", "weakest", "scored_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id"], set_=changed))
    scores: dict[UUID, int] = {row["workspace_id"]: row["score"] for row in rows}
    missing = {studio: "there is no such studio, or it is closed" for studio in studios if studio not in scores}
    return Scored(scores, missing)
