"""Support that is asked for by event: an answer once, a person, the founder's attention."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from pilar.agents.events import AutoReplyRequest, EscalationNeeded, SupportIncident
from pilar.backplane.facts import Cause, Event, Payload, emit
from pilar.backplane.work import list_events
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging import conversations
from tests.agents.looking import assert_promises_hold
from tests.fixtures.opened import Studio


def _ask(studio: Studio, payload: Payload, workspace_id: UUID | None = None) -> Any:
    """Ask, have what follows happen, and return the result or the error."""
    event = Event(
        payload=payload,
        key=str(new_id()),
        aggregate=("workspace", str(studio.id)),
        workspace_id=workspace_id or studio.id,
    )
    studio.run(lambda connection, clocks: emit(connection, clocks, [event], Cause.new()))
    with studio.system.database.transaction(Scope.fleet()) as connection:
        state = next(one for one in list_events(connection) if one.idempotency_key == event.key)
    return state.handlers[0].result or state.error


def test_a_message_is_answered_on_request_once_and_nobody_elses_is(studio: Studio) -> None:
    studio.writes("Hallo")
    lead = studio.lead()
    studio.run(conversations.take_over, studio.id, lead, "owner:test")
    studio.writes("Wat kost een abonnement?")
    (message,) = studio.system.column("select id from message where text = 'Wat kost een abonnement?'")
    assert _ask(studio, AutoReplyRequest(message_id=message)) == {"silent": "a person answers"}
    studio.run(conversations.hand_back, studio.id, lead, "owner:test")
    assert _ask(studio, AutoReplyRequest(message_id=message))["rule"] == "prices"
    assert _ask(studio, AutoReplyRequest(message_id=message)) == {"silent": "answered before"}
    (answer,) = studio.system.column(f"select id from message where reply_to = '{message}'")
    assert _ask(studio, AutoReplyRequest(message_id=answer)) == {"silent": "the lead did not write this"}
    assert_promises_hold(studio.system)
    assert _ask(studio, AutoReplyRequest(message_id=message), new_id()) == "There is no such message."


def test_a_person_takes_over_on_request(studio: Studio) -> None:
    studio.writes("Hallo")
    lead = studio.lead()
    assert _ask(studio, EscalationNeeded(lead_id=lead, reason="A complaint.")) == {"handed_over": True}
    assert studio.system.rows(f"select mode, mode_reason from conversation where lead_id = '{lead}'") == [
        ("person", "A complaint.")
    ]
    assert _ask(studio, EscalationNeeded(lead_id=lead, reason="Again.")) == {"handed_over": False}


def test_the_founder_hears_of_trouble_once_however_often_it_is_told(studio: Studio) -> None:
    trouble = SupportIncident(key="door", title="The door does not open", severity="high")
    for _ in range(2):
        assert _ask(studio, trouble) == {"asked_for": f"support:{studio.id}:door"}
    assert studio.system.rows("select workspace_id, title, severity, occurrences from incident") == [
        (studio.id, "The door does not open", "high", 2)
    ]


def test_nobody_at_a_studio_wakes_the_founder_at_night() -> None:
    with pytest.raises(ValidationError):
        SupportIncident.model_validate({"key": "x", "title": "x", "severity": "critical"})
