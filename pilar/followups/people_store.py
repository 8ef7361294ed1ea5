"""A lead's follow-ups. What belongs here: what becomes of them, as `pilar/people.py` asks every room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.people import About, Moment, Room, told

_OF = "where workspace_id = :w and lead_id = :lead"
_PENDING = "message_id is null and skipped is null"

# What is pending is planned anew for the one who stays; what was made counts on behind theirs.
_MOVE = (
    f"delete from followup_step {_OF} and {_PENDING}",
    """
    update followup_step o set lead_id = :to, number = o.number + coalesce((
      select max(k.number) from followup_step k
      where k.workspace_id = o.workspace_id and k.lead_id = :to and k.followup_id = o.followup_id), 0)
    where o.workspace_id = :w and o.lead_id = :lead
    """,
)


def _move(about: About, to: UUID) -> None:
    for statement in _MOVE:
        about.connection.execute(text(statement), {**about.key, "to": to})


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    rows = about.connection.execute(text(f"select * from followup_step {_OF} order by due_at, id"), about.key)
    return {"followups": told(rows)}


def _stop(about: About, code: str) -> None:
    statement = text(f"update followup_step set skipped = :code {_OF} and {_PENDING}")
    about.connection.execute(statement, {**about.key, "code": code})


def _erase(about: About) -> None:
    _stop(about, "erased")


def _withdraw(about: About) -> None:
    _stop(about, "opted_out")


def _moments(about: About, limit: int) -> list[Moment]:
    statement = text(
        "select p.*, f.name from followup_step p"
        " join followup f on f.workspace_id = p.workspace_id and f.id = p.followup_id"
        " where p.workspace_id = :w and p.lead_id = :lead order by p.due_at desc limit :n"
    )
    rows = about.connection.execute(statement, {**about.key, "n": limit})
    return [
        Moment(
            row.due_at,
            "follow-up",
            str(row.name).replace("_", " ").capitalize(),
            f"not made: {row.skipped}" if row.skipped else "made a message" if row.message_id else "due",
        )
        for row in rows
    ]


ROOM = Room(
    "followups",
    frozenset({"followup_step"}),
    _move,
    _tell,
    erase=_erase,
    withdraw=_withdraw,
    moments=_moments,
)
