"""Health scores: one number from 0 to 100 per studio, with the parts that make it.

What belongs here: the pure rule (frames in, frames out). Reading and writing is `score_store.py`'s.
"""

from __future__ import annotations

import pandas as pd

WEIGHTS = {"integrations": 0.40, "processing": 0.25, "incidents": 0.20, "budgets": 0.15}
"""What a studio notices first weighs most: a number that does not answer."""

STATUS_POINTS = {"healthy": 100.0, "degraded": 50.0, "failed": 0.0}
PART_OF = {
    "twilio_integration": "integrations",
    "whatsapp_integration": "integrations",
    "queue_processing": "processing",
    "rate_limits": "budgets",
}
SEVERITY_COST = {"low": 5.0, "medium": 15.0, "high": 40.0, "critical": 100.0}


def score(checks: pd.DataFrame, incidents: pd.DataFrame) -> pd.DataFrame:
    """Score studios.

    Args:
        checks: one row per studio and component: `workspace_id`, `component`, `status`.
        incidents: one row per open incident: `workspace_id`, `severity`.

    Returns:
        One row per studio in `checks`, indexed by `workspace_id`: each part (0 to 100, float), `score` (int) and
        `weakest`, the part that costs the most points. A part is the mean of its components, so that one of two
        failing integrations costs half; incidents start at 100 and lose by severity.

    Raises:
        ValueError: an unknown status or component: the rule must be told what it is worth.
    """
    unknown = set(checks["status"]) - STATUS_POINTS.keys() | set(checks["component"]) - PART_OF.keys()
    if unknown:
        raise ValueError(f"the score does not know {', '.join(sorted(map(str, unknown)))}")
    points = checks.assign(part=checks["component"].map(PART_OF), points=checks["status"].map(STATUS_POINTS))
    parts = points.pivot_table(index="workspace_id", columns="part", values="points", aggfunc="mean")
    parts = parts.reindex(columns=[name for name in WEIGHTS if name != "incidents"]).fillna(0.0)
    cost = incidents.assign(cost=incidents["severity"].map(SEVERITY_COST)).groupby("workspace_id")["cost"].sum()
    parts["incidents"] = (100.0 - cost.reindex(parts.index).fillna(0.0)).clip(lower=0.0)
    parts = parts[list(WEIGHTS)]
    lost = (100.0 - parts) * pd.Series(WEIGHTS)
    parts["score"] = (100.0 - lost.sum(axis=1)).round().astype(int)
    parts["weakest"] = lost.idxmax(axis=1).where(lost.max(axis=1) > 0, "none")
    return parts
