"""How a lead's coaching stands. What belongs here: putting together what other files know, for the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.clocks import Clocks
from pilar.coach import engagement_store, store, training_store
from pilar.coach.fatigue import in_words
from pilar.coach.goals import Goal, goals_of
from pilar.coach.planning import zone_of
from pilar.messaging.facts import window_closes_at
from pilar.messaging.store import find_conversation, get_lead
from pilar.workspaces.store import get_workspace


@dataclass(frozen=True)
class LeadState:
    """How a lead's coaching stands; times are business time.

    Attributes:
        lead_id: whose; of an id that was put into another, who stayed.
        enrolment: how they want it, None where they never asked for coaching.
        time_zone: where they are thought to be.
        goals: all of them, those that were reached or given up too.
        last_training_at: None where none is known.
        last_nudge_at: when the newest nudge was handed over, None where none was.
        last_response_at: when they last wrote since their first nudge, None where they have not.
        last_inbound_at: when they last wrote at all.
        window_closes_at: until when free text is allowed, None where it is not.
        nudges_sent: how many the provider has taken.
        response_rate: share of nudges that were answered; None: not calculated yet.
        goal_completion_rate: share of the goals that were not given up which are reached; None: there are none.
        engagement_score: 0 to 100; None: not calculated yet.
        unanswered: nudges in a row since they last wrote, as last counted.
        paces: what was decided about how often they are written to, with the reason, the newest first.
    """

    lead_id: UUID
    enrolment: Row[Any] | None
    time_zone: str
    goals: list[Goal]
    last_training_at: datetime | None
    last_nudge_at: datetime | None
    last_response_at: datetime | None
    last_inbound_at: datetime | None
    window_closes_at: datetime | None
    nudges_sent: int
    response_rate: float | None
    goal_completion_rate: float | None
    engagement_score: int | None
    unanswered: int
    paces: list[Pace]

    @property
    def frequency(self) -> str | None:
        """How often they are written to: as they chose, or less; None where they never asked for coaching."""
        return None if self.enrolment is None else self.enrolment.slowed_to or self.enrolment.frequency


@dataclass(frozen=True)
class Pace:
    """A decision about how often a lead is written to; `decided_at` is business time."""

    decided_at: datetime
    decision: str
    frequency: str
    reason: str


SHOWN_PACES = 5


def state_of(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID) -> LeadState:
    """How a lead's coaching stands.

    Raises:
        NotFound: the studio has no such lead.
    """
    lead = get_lead(connection, workspace_id, lead_id)
    lead_id = lead.id  # who stayed, where it was put into another
    studio = get_workspace(connection, workspace_id)
    state = training_store.find_state(connection, workspace_id, lead_id)
    engagement = engagement_store.engagement_of(connection, workspace_id, lead_id)
    conversation = find_conversation(connection, workspace_id, lead_id)
    sent = store.nudges_sent(connection, workspace_id, lead_id)
    goals = goals_of(connection, workspace_id, lead_id)
    closes = window_closes_at(conversation)
    inbound = conversation.last_inbound_at if conversation else None
    states = [goal.row.state for goal in goals if goal.row.state != "dropped"]
    rate = engagement.response_rate if engagement else None
    paces = [
        Pace(row.decided_at, row.decision, row.frequency, in_words(row.decision, row.frequency, row.unanswered))
        for row in engagement_store.paces_of(connection, workspace_id, lead_id, SHOWN_PACES)
    ]
    return LeadState(
        lead_id=lead_id,
        enrolment=store.find_enrolment(connection, workspace_id, lead_id),
        time_zone=zone_of(lead.time_zone, lead.phone, studio.time_zone),
        goals=goals,
        last_training_at=state.last_training_at if state else None,
        last_nudge_at=sent.last_at,
        last_response_at=inbound if inbound and sent.first_at and inbound >= sent.first_at else None,
        last_inbound_at=inbound,
        window_closes_at=closes if closes and closes > clocks.business.now() else None,
        nudges_sent=sent.count,
        response_rate=None if rate is None else float(rate),
        goal_completion_rate=states.count("reached") / len(states) if states else None,
        engagement_score=engagement.score if engagement else None,
        unanswered=engagement.unanswered if engagement else 0,
        paces=paces,
    )
