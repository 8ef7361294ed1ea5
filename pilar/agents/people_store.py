"""Which rules answered a lead. What belongs here: what happens to that, as `pilar/people.py` asks every room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.people import About, Room, told


def _move(about: About, to: UUID) -> None:
    statement = text("update rule_firing set lead_id = :to where workspace_id = :w and lead_id = :lead")
    about.connection.execute(statement, {**about.key, "to": to})


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    statement = text("select * from rule_firing where workspace_id = :w and lead_id = :lead order by fired_at")
    return {"rule_firings": told(about.connection.execute(statement, about.key))}


ROOM = Room("agents", frozenset({"rule_firing"}), _move, _tell)
