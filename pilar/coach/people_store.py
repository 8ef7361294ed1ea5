"""A lead's coaching. What belongs here: what the coach does with it, as `pilar/people.py` asks every room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.coach import store
from pilar.people import About, Moment, Room, told

# One nudge per lead, type and day: where both have one, the one whose message was made tells more.
_MOVE = (
    """
    update coach_enrolment k set frequency = o.frequency, time_of_day = o.time_of_day,
      motivation_style = o.motivation_style, ended_at = null, ended_reason = null
    from coach_enrolment o
    where k.workspace_id = :w and k.lead_id = :to and k.ended_at is not null
      and o.workspace_id = :w and o.lead_id = :lead and o.ended_at is null
    """,
    """
    insert into coach_enrolment
      (workspace_id, lead_id, frequency, time_of_day, motivation_style, enrolled_at, ended_at, ended_reason)
    select workspace_id, :to, frequency, time_of_day, motivation_style, enrolled_at, ended_at, ended_reason
    from coach_enrolment where workspace_id = :w and lead_id = :lead
    on conflict do nothing
    """,
    """
    delete from coach_nudge k using coach_nudge o
    where k.workspace_id = :w and k.lead_id = :to and k.message_id is null
      and o.workspace_id = :w and o.lead_id = :lead and o.message_id is not null
      and (o.type, o.local_day) = (k.type, k.local_day)
    """,
    """
    delete from coach_nudge o using coach_nudge k
    where o.workspace_id = :w and o.lead_id = :lead and k.workspace_id = :w and k.lead_id = :to
      and (o.type, o.local_day) = (k.type, k.local_day)
    """,
    "update coach_nudge set lead_id = :to where workspace_id = :w and lead_id = :lead",
    "delete from coach_enrolment where workspace_id = :w and lead_id = :lead",
)
_END = (
    "update coach_enrolment set ended_at = :now, ended_reason = :reason"
    " where workspace_id = :w and lead_id = :lead and ended_at is null"
)


def _move(about: About, to: UUID) -> None:
    for statement in _MOVE:
        about.connection.execute(text(statement), {**about.key, "to": to})


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    where = "where workspace_id = :w and lead_id = :lead"
    return {
        "enrolment": told(about.connection.execute(text(f"select * from coach_enrolment {where}"), about.key)),
        "nudges": told(about.connection.execute(text(f"select * from coach_nudge {where} order by due_at"), about.key)),
    }


def _erase(about: About) -> None:
    about.connection.execute(text(_END), {**about.key, "reason": "The lead was erased."})
    _withdraw(about)
    statement = "update coach_enrolment set time_of_day = null where workspace_id = :w and lead_id = :lead"
    about.connection.execute(text(statement), about.key)


def _withdraw(about: About) -> None:
    """Everything that is still to come; the coaching itself ends by the event, which says so to whom it concerns."""
    store.withdraw_pending(about.connection, about.workspace_id, None, about.lead_id)


def _moments(about: About, limit: int) -> list[Moment]:
    statement = text(
        "select * from coach_nudge where workspace_id = :w and lead_id = :lead and due_at <= :now"
        " order by due_at desc limit :n"
    )
    rows = about.connection.execute(statement, {**about.key, "n": limit})
    return [
        Moment(
            row.due_at,
            "nudge",
            str(row.type).replace("_", " ").capitalize(),
            f"not made: {row.skipped}" if row.skipped else "made a message" if row.message_id else "due",
        )
        for row in rows
    ]


ROOM = Room(
    "coach",
    frozenset({"coach_enrolment", "coach_nudge"}),
    _move,
    _tell,
    erase=_erase,
    withdraw=_withdraw,
    moments=_moments,
)
