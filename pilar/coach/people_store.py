"""A lead's coaching. What belongs here: what the coach does with it, as `pilar/people.py` asks every room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from pilar.coach import engagement_store, fatigue, outcome_store, store, trainings
from pilar.coach.standing import in_words
from pilar.people import About, Moment, Room, told

_FORGET_ENGAGEMENT = "delete from analytics.lead_engagement where workspace_id = :w and lead_id = :lead"

# One nudge per lead, type and day: where both have one, the one whose message was made tells more.
_MOVE = (
    # Two who were both coached are one who is written to as they chose, until their answers say otherwise.
    """
    update coach_enrolment k set slowed_to = null, paused_at = null from coach_enrolment o
    where k.workspace_id = :w and k.lead_id = :to and k.ended_at is null
      and o.workspace_id = :w and o.lead_id = :lead and o.ended_at is null
    """,
    """
    update coach_enrolment k set frequency = o.frequency, time_of_day = o.time_of_day,
      motivation_style = o.motivation_style, ended_at = null, ended_reason = null, slowed_to = o.slowed_to,
      paused_at = o.paused_at, pace_at = o.pace_at
    from coach_enrolment o
    where k.workspace_id = :w and k.lead_id = :to and k.ended_at is not null
      and o.workspace_id = :w and o.lead_id = :lead and o.ended_at is null
    """,
    """
    insert into coach_enrolment
      (workspace_id, lead_id, frequency, time_of_day, motivation_style, enrolled_at, ended_at, ended_reason, slowed_to,
       paused_at, pace_at)
    select workspace_id, :to, frequency, time_of_day, motivation_style, enrolled_at, ended_at, ended_reason, slowed_to,
           paused_at, pace_at
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
    "update coach_pace set lead_id = :to where workspace_id = :w and lead_id = :lead",
    "delete from coach_enrolment where workspace_id = :w and lead_id = :lead",
    "update coach_checkin set lead_id = :to where workspace_id = :w and lead_id = :lead",
    "update coach_goal set lead_id = :to where workspace_id = :w and lead_id = :lead",
    # A training at one moment is one training, whichever of the two it was told of.
    """
    insert into coach_training (workspace_id, lead_id, trained_at, booking_id, state, kind, source, recorded_at)
    select workspace_id, :to, trained_at, booking_id, state, kind, source, recorded_at
    from coach_training where workspace_id = :w and lead_id = :lead order by trained_at
    on conflict (workspace_id, lead_id, trained_at) do update set
      booking_id = coalesce(coach_training.booking_id, excluded.booking_id),
      kind = coalesce(coach_training.kind, excluded.kind),
      state = case when 'done' in (coach_training.state, excluded.state) then 'done'
                   when 'missed' in (coach_training.state, excluded.state) then 'missed' else 'planned' end
    """,
    "delete from coach_training where workspace_id = :w and lead_id = :lead",
    # What follows from trainings is made anew of them all.
    "delete from coach_state where workspace_id = :w and lead_id = :lead",
    """
    update analytics.lead_engagement o set lead_id = :to where o.workspace_id = :w and o.lead_id = :lead
      and not exists (select from analytics.lead_engagement k where k.workspace_id = :w and k.lead_id = :to)
    """,
    _FORGET_ENGAGEMENT,
)
# In the words of who is forgotten, and about their body: none of it is a number that anything else counts.
_FORGET = (
    """
    delete from coach_milestone m using coach_goal g
    where g.workspace_id = :w and g.lead_id = :lead and m.workspace_id = g.workspace_id and m.goal_id = g.id
    """,
    "delete from coach_checkin where workspace_id = :w and lead_id = :lead",
    "delete from coach_goal where workspace_id = :w and lead_id = :lead",
    "delete from coach_training where workspace_id = :w and lead_id = :lead",
    "delete from coach_state where workspace_id = :w and lead_id = :lead",
)
_TOLD = {
    "enrolment": "select * from coach_enrolment {where}",
    "nudges": "select * from coach_nudge {where} order by due_at",
    "checkins": "select * from coach_checkin {where} order by answered_at",
    "paces": "select * from coach_pace {where} order by decided_at, id",
    "engagement": "select * from analytics.lead_engagement {where}",
    "goals": "select * from coach_goal {where} order by created_at",
    "milestones": """
    select m.* from coach_milestone m join coach_goal g on g.workspace_id = m.workspace_id and g.id = m.goal_id
    where g.workspace_id = :w and g.lead_id = :lead order by m.target_date
    """,
    "trainings": "select * from coach_training {where} order by trained_at",
    "state": "select * from coach_state {where}",
}
_END = (
    "update coach_enrolment set ended_at = :now, ended_reason = :reason"
    " where workspace_id = :w and lead_id = :lead and ended_at is null"
)


def _move(about: About, to: UUID) -> None:
    for statement in _MOVE:
        about.connection.execute(text(statement), {**about.key, "to": to})
    # The answers of the one count for the nudges of the other from now on.
    about.connection.execute(text(outcome_store.FORGET), {**about.key, "leads": [to]})
    trainings.keep_ready(about.connection, about.workspace_id, [to])


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    where = "where workspace_id = :w and lead_id = :lead"
    return {
        name: told(about.connection.execute(text(query.format(where=where)), about.key))
        for name, query in _TOLD.items()
    }


def _erase(about: About) -> None:
    about.connection.execute(text(_END), {**about.key, "reason": "The lead was erased."})
    _withdraw(about)
    statement = "update coach_enrolment set time_of_day = null where workspace_id = :w and lead_id = :lead"
    for one in (statement, _FORGET_ENGAGEMENT, *_FORGET):
        about.connection.execute(text(one), about.key)
    about.connection.execute(text(outcome_store.FORGET), {**about.key, "leads": [about.lead_id]})


def _withdraw(about: About) -> None:
    """Everything that is still to come; the coaching itself ends by the event, which says so to whom it concerns."""
    store.withdraw_pending(about.connection, about.workspace_id, None, about.lead_id)


def _moments(about: About, limit: int) -> list[Moment]:
    statement = text(
        "select * from coach_nudge where workspace_id = :w and lead_id = :lead and due_at <= :now"
        " order by due_at desc limit :n"
    )
    rows = about.connection.execute(statement, {**about.key, "n": limit})
    paces = [
        Moment(row.decided_at, "pace", fatigue.in_words(row.decision, row.frequency, row.unanswered))
        for row in engagement_store.paces_of(about.connection, about.workspace_id, about.lead_id, limit)
    ]
    return (
        paces
        + _goals_and_trainings(about, limit)
        + [
            Moment(
                row.due_at,
                "nudge",
                str(row.type).replace("_", " ").capitalize(),
                _stands(row),
            )
            for row in rows
        ]
    )


_RECORDS = """
select created_at as at, 'goal' as kind, target as says, 'set: ' || replace(type, '_', ' ') as detail
from coach_goal where workspace_id = :w and lead_id = :lead
union all
select changed_at, 'goal', target, case state when 'dropped' then 'given up' else state end
from coach_goal where workspace_id = :w and lead_id = :lead and state <> 'active'
union all
select m.completed_at, 'goal', m.description, 'a step that was completed'
from coach_milestone m join coach_goal g on g.workspace_id = m.workspace_id and g.id = m.goal_id
where g.workspace_id = :w and g.lead_id = :lead and m.completed_at is not null
union all
(select trained_at, 'training', case state when 'done' then 'Trained' else 'Missed a training' end,
   concat_ws(', ', kind, case when booking_id is not null and state = 'done' then 'as booked' end)
 from coach_training where workspace_id = :w and lead_id = :lead and state <> 'planned'
 order by trained_at desc limit :n)
order by at desc limit :n
"""


def _goals_and_trainings(about: About, limit: int) -> list[Moment]:
    rows = about.connection.execute(text(_RECORDS), {**about.key, "n": limit})
    return [Moment(row.at, row.kind, row.says, row.detail) for row in rows]


def _stands(row: Row[Any]) -> str:
    if row.message_id is None:
        return f"not made: {in_words(row.skipped)}" if row.skipped else "due"
    by = {"model": f"written by {row.model}", "studio": "in the studio's words"}.get(row.written_by, "made a message")
    return f"{by}; no model: {row.not_by_model}" if row.not_by_model else by


ROOM = Room(
    "coach",
    frozenset(
        {
            *("coach_enrolment", "coach_nudge", "coach_checkin", "coach_pace"),
            *("coach_goal", "coach_training", "coach_state"),
            "analytics.lead_engagement",
        }
    ),
    _move,
    _tell,
    erase=_erase,
    withdraw=_withdraw,
    moments=_moments,
    beneath=frozenset({"coach_milestone"}),
)
