"""Answering a lead's message. What belongs here: doing what the chosen rule says, and keeping that it was done.

All of it is one transaction under the lead's lock: the answer stands in the outbox, the booking in the calendar and
the firing in its table, or none of them. Whether the answer may go is decided when it is handed over
(`messaging/verdict.py`). Who has a person to talk to, or asked for no more messages, is not answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents import functions, store, turns
from pilar.agents.asking import Asker, Studio, asker_of, studio_of, worded
from pilar.agents.deciding import Decision, decide, unit_of
from pilar.agents.functions import Occasion, Outcome
from pilar.agents.hearing import Hearer, Hearing
from pilar.agents.rules import Action, CallFunction, Escalate, SendTemplate, SendText, TagLead
from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.experiments import experiments
from pilar.messaging import conversations
from pilar.messaging import store as messaging
from pilar.messaging.events import MessageReceived
from pilar.messaging.names import first_name
from pilar.messaging.outbox import Button, NewMessage, queue_message


@dataclass(frozen=True)
class _Asked:
    """A message that is being answered."""

    studio: Studio
    asker: Asker
    lead: Row[Any]
    message: Row[Any]
    story: Cause
    now: datetime


class Answerer:
    """Answers messages by rules."""

    def __init__(self, clocks: Clocks, hearers: Sequence[Hearer] = ()) -> None:
        """Take who hears a message before the rules do, in turn."""
        self._clocks = clocks
        self._hearers = hearers

    def on_message(self, connection: Connection, work: Work[MessageReceived]) -> dict[str, Any]:
        """Answer a message, once; return which rule did, or why nothing was said."""
        if work.workspace_id is None:
            return {"silent": "the message belongs to no studio"}
        return self.answer(connection, work.workspace_id, work.content, work.cause)

    def answer(self, connection: Connection, workspace_id: UUID, told: MessageReceived, story: Cause) -> dict[str, Any]:
        """The same for a message of a studio's, whoever asks for an answer.

        Args:
            connection: a transaction in the fleet's scope; the lead's row gets held.
            workspace_id: the studio's.
            told: which message, and whose.
            story: the story it belongs to.
        """
        lead = messaging.lock_lead(connection, workspace_id, told.lead_id)
        if silent := _why_silent(connection, workspace_id, told.message_id, lead.id):
            return {"silent": silent}
        message = messaging.get_message(connection, workspace_id, told.message_id)
        studio, asker, now = studio_of(connection, workspace_id), asker_of(lead), self._clocks.business.now()
        asked = _Asked(studio, asker, lead, message, story, now)
        choice = (message.details or {}).get("choice")
        if heard := self._heard(connection, asked, choice):
            return heard
        decision = decide(connection, studio, asker, message.text or "", now, kind=message.kind, choice=choice)
        if decision.rule is None:
            if not message.text:
                return {"silent": "it has no words, and no rule is about its kind"}
            agent = turns.agent_of(connection, workspace_id)
            if agent is not None and agent.answers == "model":
                return {"rule": None, "turn": str(turns.join(connection, self._clocks, message, agent, story))}
        variant, experiment, rule = None, decision.experiment, decision.rule
        if experiment is not None:
            unit = unit_of(experiment, studio, lead.id)
            variant = experiments.assign(connection, self._clocks, workspace_id, experiment, unit)
        if rule is None:
            answer = turns.fall_back(connection, self._clocks, workspace_id, lead.id, message.id, story)
        else:
            origin = f"rule:{rule.id}"
            answer = self._act(connection, asked, decision.actions(variant), origin, rule.subject)
        self._keep(connection, asked, decision, variant, answer)
        return {
            "rule": rule.name if rule else None,
            "variant": variant,
            "answer": str(answer) if answer else None,
        }

    def _heard(self, connection: Connection, asked: _Asked, choice: str | None) -> dict[str, Any] | None:
        """Whether a message answers what was asked of its lead; if so, it is answered by who asked."""
        told = Hearing(
            workspace_id=asked.studio.workspace_id,
            lead_id=asked.lead.id,
            message_id=asked.message.id,
            text=asked.message.text or "",
            choice=choice,
            language=asked.lead.language,
            story=asked.story,
        )
        for hearer in self._hearers:
            heard = hearer(connection, self._clocks, told)
            if heard is not None:
                outcome = Outcome(heard.texts, heard.values, heard.needs_person, heard.buttons)
                answer = self._say(connection, asked, heard.origin, outcome)
                self._keep(connection, asked, Decision(), None, answer)
                return {"rule": None, "heard": heard.origin, "answer": str(answer) if answer else None}
        return None

    def _act(
        self, connection: Connection, asked: _Asked, actions: Iterable[Action], origin: str, source: str
    ) -> UUID | None:
        """Do what a rule says; return the message that answers, if one does."""
        answer = None
        for action in actions:
            if isinstance(action, TagLead):
                self._tag(connection, asked, action.tag)
            elif isinstance(action, Escalate):
                conversations.hand_over(
                    connection,
                    self._clocks,
                    asked.studio.workspace_id,
                    asked.lead.id,
                    action.reason,
                    asked.story,
                    told=asked.message.id,
                )
            elif isinstance(action, SendTemplate):
                answer = self._send(connection, asked, origin, template=action.name)
            elif isinstance(action, SendText):
                answer = self._say(connection, asked, origin, Outcome(action.texts))
            else:
                answer = self._call(connection, asked, origin, action, source)
        return answer

    def _tag(self, connection: Connection, asked: _Asked, tag: str) -> None:
        workspace_id, lead_id = asked.studio.workspace_id, asked.lead.id
        tags = messaging.get_lead(connection, workspace_id, lead_id).tags
        if tag not in tags:
            messaging.change_lead(connection, workspace_id, lead_id, {"tags": [*tags, tag]})

    def _call(
        self, connection: Connection, asked: _Asked, origin: str, action: CallFunction, source: str
    ) -> UUID | None:
        workspace_id = asked.studio.workspace_id
        # Read again: an action before this one may have changed the lead.
        lead = messaging.get_lead(connection, workspace_id, asked.lead.id)
        at = Occasion(workspace_id, lead, asked.message.id, source, asked.story)
        return self._say(connection, asked, origin, functions.perform(connection, self._clocks, action, at))

    def _say(self, connection: Connection, asked: _Asked, origin: str, outcome: Outcome) -> UUID | None:
        text = worded(connection, asked.studio, asked.asker, outcome.said, outcome.values)
        answer = self._send(connection, asked, origin, text=text, buttons=outcome.buttons)
        if outcome.needs_person:
            turns.leave_unread(connection, asked.studio.workspace_id, asked.lead.id)
        return answer

    def _send(
        self,
        connection: Connection,
        asked: _Asked,
        origin: str,
        *,
        text: str | None = None,
        template: str | None = None,
        buttons: tuple[Button, ...] = (),
    ) -> UUID | None:
        name = first_name(asked.lead.name) or asked.studio.name
        answer = NewMessage(
            lead_id=asked.lead.id,
            category="service",
            origin=origin,
            cause=f"answer:{asked.message.id}",
            text=text,
            template=template,
            parameters=(name, asked.studio.name) if template else (),
            reply_to=asked.message.id,
            buttons=buttons,
        )
        return queue_message(connection, self._clocks, asked.studio.workspace_id, answer, asked.story)

    def _keep(
        self, connection: Connection, asked: _Asked, decision: Decision, variant: str | None, answer: UUID | None
    ) -> None:
        rule, experiment = decision.rule, decision.experiment
        took = self._clocks.real.now() - (asked.message.received_at or self._clocks.real.now())
        store.add_firing(
            connection,
            {
                "workspace_id": asked.studio.workspace_id,
                "message_id": asked.message.id,
                "rule_id": rule.id if rule else None,
                "rule_version": rule.version if rule else None,
                "experiment_id": experiment.id if experiment else None,
                "variant": variant,
                "lead_id": asked.lead.id,
                "answer_id": answer,
                "fired_at": asked.now,
                "latency_ms": max(took, timedelta(0)) // timedelta(milliseconds=1),
            },
        )


def _why_silent(connection: Connection, workspace_id: UUID, message_id: UUID, lead_id: UUID) -> str | None:
    if store.was_answered(connection, workspace_id, message_id):
        return "answered before"
    return turns.why_silent(connection, workspace_id, lead_id)
