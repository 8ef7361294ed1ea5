"""Turns: messages of a lead that a model answers together. What belongs here: opening one, and how each one ends.

What does not: asking the model (`model_answers.py`). A turn ends once, under the lead's lock, in the transaction that
says what there is to say: the model's answer, the words of a hand-over, or nothing where a person answers by now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents import phrases, store, turn_store
from pilar.agents.asking import asker_of, studio_of, worded
from pilar.agents.events import AnswerTurn
from pilar.backplane.facts import Cause, Concurrency, Job, Lane, enqueue
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import conversations
from pilar.messaging import store as messaging
from pilar.messaging.facts import opted_out_scope
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import AgentConfiguration

ORIGIN = "model:"
"""What the origin of a model's answer begins with; the turn's id follows."""
FALLBACK = "rule:fallback"
"""The origin of what is said where no rule matches, or no model answers."""

AWAY = "away"
OVER_BUDGET = "over_budget"
NOT_CONFIGURED = "not_configured"
DECLINED = "declined"
UNUSABLE = "unusable"
ASKED_FOR_PERSON = "asked_for_person"
LOST = "lost"

_REASONS = {
    AWAY: "The model did not answer.",
    OVER_BUDGET: "The studio's budget for the model is used up.",
    NOT_CONFIGURED: "The model that the agent names can't be asked.",
    DECLINED: "The model would not answer.",
    UNUSABLE: "What the model wrote may not be sent.",
    ASKED_FOR_PERSON: "The model asked for a person.",
    LOST: "What the model answered got lost.",
}


def agent_of(connection: Connection, workspace_id: UUID) -> AgentConfiguration | None:
    """The studio's agent, if it has configured one."""
    return workspaces.load_configuration(connection, workspace_id)[1].agent


def join(connection: Connection, clocks: Clocks, message: Row[Any], agent: AgentConfiguration, story: Cause) -> UUID:
    """Have a model answer a message, with what the lead writes in the moments after it; return the turn.

    Args:
        connection: a transaction that holds the lead.
        clocks: both clocks.
        message: the lead's.
        agent: the studio's.
        story: the story it belongs to.
    """
    now = clocks.business.now()
    turn_id, due_at = new_id(), now + timedelta(seconds=agent.collect_seconds)
    values = {
        "workspace_id": message.workspace_id,
        "id": turn_id,
        "lead_id": message.lead_id,
        "message_id": message.id,
        "state": turn_store.COLLECTING,
        "input_tokens": 0,
        "output_tokens": 0,
        "opened_at": now,
        "due_at": due_at,
    }
    if turn_store.open_turn(connection, values):
        ask(connection, clocks, message.workspace_id, message.lead_id, turn_id, story, occasion="due", due_at=due_at)
    else:
        turn_id = turn_store.collecting_turn(connection, message.workspace_id, message.lead_id)
        turn_store.change_turn(connection, message.workspace_id, turn_id, {"message_id": message.id})
    store.add_firing(
        connection,
        {
            "workspace_id": message.workspace_id,
            "message_id": message.id,
            "turn_id": turn_id,
            "lead_id": message.lead_id,
            "fired_at": now,
            "latency_ms": _took(clocks, message.received_at),
        },
    )
    return turn_id


def ask(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    turn_id: UUID,
    story: Cause,
    *,
    occasion: str,
    due_at: datetime | None = None,
) -> None:
    """Have a turn answered, from a moment of business time on; the same occasion asks once."""
    job = Job(
        payload=AnswerTurn(turn_id=turn_id),
        key=f"{turn_id}:{occasion}",
        workspace_id=workspace_id,
        lane=Lane.REPLY,
        due_at=due_at,
        business_time=due_at is not None,
        # Turns of a lead are answered one after the other: the second knows what was said to the first.
        concurrency=Concurrency(f"lead:{lead_id}"),
    )
    enqueue(connection, clocks, [job], story)


def why_silent(connection: Connection, workspace_id: UUID, lead_id: UUID) -> str | None:
    """Why the bot says nothing to a lead; None: it may."""
    thread = messaging.find_conversation(connection, workspace_id, lead_id)
    if thread is not None and thread.mode == "person":
        return "a person answers"
    if opted_out_scope(messaging.consents(connection, workspace_id, lead_id)) == "all":
        return "the lead opted out"
    return None


def drop(connection: Connection, clocks: Clocks, turn: Row[Any], reason: str) -> None:
    """End a turn without a word."""
    _end(connection, clocks, turn, {"state": "dropped", "reason": reason})


def say(
    connection: Connection, clocks: Clocks, turn: Row[Any], text: str, told: dict[str, Any], story: Cause
) -> UUID | None:
    """End a turn with what the model answered; `told` is who that was and what it took."""
    answer = NewMessage(
        lead_id=turn.lead_id,
        category="service",
        origin=f"{ORIGIN}{turn.id}",
        cause=f"turn:{turn.id}",
        text=text,
        reply_to=turn.message_id,
    )
    said = queue_message(connection, clocks, turn.workspace_id, answer, story)
    _end(connection, clocks, turn, {**told, "state": "answered", "answer_id": said})
    return said


def give_up(
    connection: Connection,
    clocks: Clocks,
    turn: Row[Any],
    reason: str,
    story: Cause,
    *,
    details: str = "",
    told: dict[str, Any] | None = None,
) -> None:
    """End a turn that the model did not answer, by the studio's policy for that.

    Args:
        connection: a transaction that holds the lead and the turn.
        clocks: both clocks.
        turn: the turn's row; one that has ended stays as it is.
        reason: one of the reasons above.
        story: the story it belongs to.
        details: what the model said about it, for the staff.
        told: which model it was and what it took.
    """
    if turn.state not in turn_store.OPEN:
        return
    if silent := why_silent(connection, turn.workspace_id, turn.lead_id):
        drop(connection, clocks, turn, silent)
        return
    agent = agent_of(connection, turn.workspace_id)
    said = None
    if reason == ASKED_FOR_PERSON or agent is None or agent.when_away == "hand_over":
        why = f"{_REASONS[reason]} {details}".strip()
        conversations.hand_over(connection, clocks, turn.workspace_id, turn.lead_id, why, story, told=turn.message_id)
        state = "handed_over"
    else:
        said = fall_back(connection, clocks, turn.workspace_id, turn.lead_id, turn.message_id, story)
        state = "dropped"
    _end(connection, clocks, turn, {**(told or {}), "state": state, "reason": reason, "answer_id": said})


def fall_back(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, message_id: UUID, story: Cause
) -> UUID | None:
    """Say that somebody will look at it, once a day however much the lead writes, and leave it to be seen."""
    lead = messaging.get_lead(connection, workspace_id, lead_id)
    text = worded(connection, studio_of(connection, workspace_id), asker_of(lead), phrases.FALLBACK)
    answer = NewMessage(
        lead_id=lead_id,
        category="service",
        origin=FALLBACK,
        cause=f"fallback:{lead_id}:{clocks.business.now():%Y-%m-%d}",
        text=text,
        reply_to=message_id,
    )
    said = queue_message(connection, clocks, workspace_id, answer, story)
    leave_unread(connection, workspace_id, lead_id)
    return said


def leave_unread(connection: Connection, workspace_id: UUID, lead_id: UUID) -> None:
    """Have the staff see that there is something for them."""
    thread = messaging.find_conversation(connection, workspace_id, lead_id)
    if thread is not None and thread.unread == 0:
        messaging.change_conversation(connection, workspace_id, lead_id, {"unread": 1})


def _end(connection: Connection, clocks: Clocks, turn: Row[Any], values: dict[str, Any]) -> None:
    turn_store.change_turn(connection, turn.workspace_id, turn.id, {**values, "ended_at": clocks.business.now()})
    newest = messaging.get_message(connection, turn.workspace_id, turn.message_id)
    took = _took(clocks, newest.received_at)
    turn_store.note_answer(connection, turn.workspace_id, turn.message_id, values.get("answer_id"), took)


def _took(clocks: Clocks, received_at: datetime | None) -> int:
    """Real milliseconds since a message was at our door."""
    now = clocks.real.now()
    return max(now - (received_at or now), timedelta(0)) // timedelta(milliseconds=1)
