"""A lead as a unit of experiments. What belongs here: what happens to it, as `pilar/people.py` asks every room.

A unit keeps the variant that it met first. Where two leads are one person and both have met one, the one who stays
counts, and the other's exposure is forgotten: one person counts once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.people import About, Room, told

_MOVE = (
    """
    insert into experiment_exposure (workspace_id, experiment_id, unit_id, variant, exposed_at)
    select workspace_id, experiment_id, :to, variant, exposed_at from experiment_exposure
    where workspace_id = :w and unit_id = :lead on conflict do nothing
    """,
    """
    insert into experiment_outcome (workspace_id, experiment_id, unit_id, occurred_at, value)
    select workspace_id, experiment_id, :to, occurred_at, value from experiment_outcome
    where workspace_id = :w and unit_id = :lead on conflict do nothing
    """,
    "delete from experiment_outcome where workspace_id = :w and unit_id = :lead",
    "delete from experiment_exposure where workspace_id = :w and unit_id = :lead",
)


def _key(about: About) -> dict[str, Any]:
    return {"w": about.workspace_id, "lead": str(about.lead_id)}


def _move(about: About, to: UUID) -> None:
    for statement in _MOVE:
        about.connection.execute(text(statement), {**_key(about), "to": str(to)})


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    where = "where workspace_id = :w and unit_id = :lead"
    return {
        table: told(about.connection.execute(text(f"select * from {table} {where}"), _key(about)))
        for table in ("experiment_exposure", "experiment_outcome")
    }


ROOM = Room("experiments", frozenset({"experiment_exposure", "experiment_outcome"}), _move, _tell)
