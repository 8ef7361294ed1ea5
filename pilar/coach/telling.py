"""What a model may know for a nudge. What belongs here: gathering it in one transaction; nothing is changed.

It leaves the house: first name, goal, trainings, and sentences without any other name, number or address.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.agents.words import moment_in_words
from pilar.coach import checkin_store, composing, goal_store, training_store
from pilar.coach.nudge_prompt import Telling
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration

_TRAININGS = 3


def telling_of(
    connection: Connection,
    document: StudioConfiguration,
    lead: Row[Any],
    kind: str,
    enrolment: Row[Any],
    now: datetime,
    nudge_id: UUID | None = None,
) -> Telling:
    """What a model is told that writes a nudge to a lead.

    Args:
        connection: a transaction that sees the studio.
        document: the studio's.
        lead: to whom.
        kind: of nudge.
        enrolment: the lead's.
        now: business time.
        nudge_id: the nudge itself; None: there is none yet.
    """
    workspace_id = lead.workspace_id
    zone = ZoneInfo(document.studio.time_zone)
    trained = training_store.newest_trainings(connection, workspace_id, [lead.id], _TRAININGS).get(lead.id, [])
    facts = [f"It is {moment_in_words(now, zone, 'en')} at the studio."]
    facts += [f"The lead trained on {moment_in_words(one, zone, 'en')}." for one in trained]
    goal = goal_store.current_goal(connection, workspace_id, lead.id)
    if goal is not None:
        steps = goal_store.milestones_of(connection, workspace_id, [goal.id])
        done = sum(step.completed_at is not None for step in steps)
        facts += [f"Of the {len(steps)} milestones of that goal, {done} are done."] if steps else []
        facts += [f"That goal is to be reached by {goal.deadline}."] if goal.deadline else []
    told = checkin_store.newest(connection, workspace_id, lead.id)
    if told is not None and told.trainings is not None:
        facts.append(f"By the lead's own words of their last check-in, they trained {told.trainings} times that week.")
    number = workspaces.get_integration(connection, workspace_id, "whatsapp")
    contacts = frozenset(one for one in (lead.phone, number.phone_number if number else None) if one)
    return Telling(
        kind=kind,
        language=lead.language,
        style=enrolment.motivation_style,
        about=composing.about(connection, document, lead, kind, now, nudge_id),
        facts=tuple(facts),
        contacts=contacts,
    )
