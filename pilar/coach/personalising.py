"""Having a model write a nudge, with one question at most. What belongs here: the attempt, and how it ended.

What does not: what the model is told and may answer (`nudge_prompt.py`), and the words that need none (`composing.py`).

The question is an effect: that it was put is committed with the nudge (`asked_at`) and the tokens set aside before it
is, and the message is made in the transaction that records the answer. Whoever is killed in between has asked and
said nothing: whoever comes after them sees that it was asked, asks no more, and the standard text goes. So a nudge
costs one question at most and is one message, wherever the kill falls. The ledger and the logs hold no words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from pilar.agents.asking_once import ask_once, reason_of, set_aside
from pilar.agents.turns import AWAY, LOST, NOT_CONFIGURED, OVER_BUDGET, UNUSABLE
from pilar.backplane import budgets
from pilar.backplane.budgets import Reservation
from pilar.backplane.effects import Closed
from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Work
from pilar.backplane.reconciling import Policy, Reconcilers
from pilar.clocks import Clocks
from pilar.coach import composing, nudge_prompt, store
from pilar.coach.events import PersonaliseNudge
from pilar.coach.fatigue import PAUSED
from pilar.coach.nudge_prompt import Telling
from pilar.coach.standing import ENDED, why_not
from pilar.coach.telling import telling_of
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent, Transient, UnusableAnswer
from pilar.messaging import refusal_store
from pilar.messaging import store as messaging
from pilar.messaging.facts import opted_out_scope, window_closes_at
from pilar.messaging.zones import is_quiet, plausible_zones
from pilar.providers.llm.client import Models
from pilar.workspaces.configuration import AgentConfiguration, StudioConfiguration
from pilar.workspaces.store import load_configuration

EFFECT = "model.nudge"

NOT_IN_PLAN = "plan"
CLOSED = "window_closed"
UNSENT = "would_not_go"

REASONS = {
    NOT_IN_PLAN: "The studio's plan has no texts by a model, or the studio has turned them off.",
    NOT_CONFIGURED: "The model that the agent names can't be asked.",
    CLOSED: "The 24-hour window is closed: a template goes.",
    UNSENT: "The message would not go now, so that no model was asked.",
    OVER_BUDGET: "The studio's budget for the model is used up.",
    AWAY: "The model did not answer.",
    UNUSABLE: "What the model wrote may not be sent.",
    LOST: "What the model answered got lost, and it is asked once only.",
}
"""Why no model wrote a nudge though the studio wants that."""

_CHARACTERS_PER_TOKEN = 3


def why_no_model(connection: Connection, now: datetime, document: StudioConfiguration, lead: Row[Any]) -> str | None:
    """Why no model is asked to write to a lead, as a code; None where one is.

    Asked before anything is spent: for what a template says, or what would not go, no model is needed.

    Args:
        connection: a transaction that sees the studio.
        now: business time.
        document: the studio's.
        lead: the lead's row.
    """
    if not document.feature("personal_texts"):
        return NOT_IN_PLAN
    if document.agent is None:
        return NOT_CONFIGURED
    thread = messaging.find_conversation(connection, lead.workspace_id, lead.id)
    closes = window_closes_at(thread)
    if thread is None or closes is None or closes <= now:
        return CLOSED
    consents = messaging.consents(connection, lead.workspace_id, lead.id)
    agreed = opted_out_scope(consents) is None and consents.get("marketing") is True
    zones = plausible_zones(lead.time_zone, lead.phone, document.studio.time_zone)
    stopped = messaging.controls_over(connection, lead.workspace_id, "whatsapp")
    unclear = refusal_store.is_open(connection, lead.workspace_id, lead.id)
    if thread.mode == "person" or not agreed or unclear or stopped or is_quiet(now, zones):
        return UNSENT
    return None


def estimate(agent: AgentConfiguration, telling: Telling) -> int:
    """Tokens that a nudge takes at most as a rule."""
    question = nudge_prompt.question(agent, telling)
    written = len(question.system) + sum(len(getattr(one, "text", "")) for one in question.messages)
    return written // _CHARACTERS_PER_TOKEN + question.max_tokens


@dataclass(frozen=True)
class _Task:
    """A nudge that is to be written."""

    nudge: Row[Any]
    agent: AgentConfiguration
    telling: Telling


class Personaliser:
    """Has models write nudges."""

    def __init__(self, database: Database, clocks: Clocks, models: Models) -> None:
        self._database = database
        self._clocks = clocks
        self._models = models

    def register(self, reconcilers: Reconcilers) -> None:
        """Say how a question in doubt is settled: it is let go, since the nudge itself remembers that it was put."""
        reconcilers.on_kind(EFFECT, None, Policy.ONCE_MORE, passing=True)

    def on_job(self, work: Work[PersonaliseNudge]) -> dict[str, Any]:
        """Have a nudge written and put it into the outbox, with the standard text where no model did; once."""
        task = self._take(work)
        if isinstance(task, str):
            return {"state": task}
        attempt = _Attempt(self._clocks, self._models, task, work.cause)
        try:
            ask_once(
                self._database, self._clocks, task.agent, attempt,
                kind=EFFECT, key=str(task.nudge.id), workspace_id=task.nudge.workspace_id,
                correlation_id=work.correlation_id,
            )  # fmt: skip
        except (Transient, Permanent) as error:
            tokens = int(str(error.details.get("tokens", 0))) if isinstance(error, UnusableAnswer) else 0
            return self._without(task, reason_of(error), tokens, work.cause)
        return {"state": "done"}

    def _take(self, work: Work[PersonaliseNudge]) -> _Task | str:
        """What the model is told of a nudge that is still to be written; a word where it is not asked."""
        with self._database.transaction(Scope.fleet()) as connection:
            held = _hold(connection, work)
            if isinstance(held, str):
                return held
            nudge, lead = held
            enrolment = store.find_enrolment(connection, nudge.workspace_id, lead.id, hold=True)
            _, document = load_configuration(connection, nudge.workspace_id)
            now = self._clocks.business.now()
            code = why_not(connection, now, nudge, enrolment, document)
            if code is not None or enrolment is None:
                store.change_nudge(connection, nudge.workspace_id, nudge.id, {"skipped": code or ENDED})
                return code or ENDED
            wanted = document.coaching.written_by == "model"
            reason = LOST if nudge.asked_at is not None else why_no_model(connection, now, document, lead)
            if not wanted or reason is not None or document.agent is None:
                _put_out(connection, self._clocks, nudge, lead, None, {"not_by_model": reason}, work.cause)
                return "standard"
            telling = telling_of(connection, document, lead, nudge.type, enrolment, now, nudge.id)
            return _Task(nudge, document.agent, telling)

    def _without(self, task: _Task, reason: str, tokens: int, story: Cause) -> dict[str, Any]:
        """Send the standard text, where the nudge is still to be written."""
        with self._database.transaction(Scope.fleet()) as connection:
            lead = messaging.lock_lead(connection, task.nudge.workspace_id, task.nudge.lead_id)
            nudge = store.find_nudge(connection, task.nudge.workspace_id, task.nudge.id, hold=True)
            if nudge is None or nudge.message_id is not None or nudge.skipped is not None:
                return {"state": "again"}
            told = {"not_by_model": reason, "model": task.agent.model, "tokens": tokens or None}
            _put_out(connection, self._clocks, nudge, lead, None, told, story)
        return {"state": "standard", "reason": reason}


class _Attempt:
    """The one attempt at having a model write a nudge; the effect ledger calls its three parts."""

    def __init__(self, clocks: Clocks, models: Models, task: _Task, story: Cause) -> None:
        self._clocks = clocks
        self._models = models
        self._task = task
        self._story = story
        self._reservation: Reservation | None = None
        self._text: str | None = None
        self._told: dict[str, Any] = {}
        self._tokens = 0

    def begin(self, connection: Connection) -> None:
        """Keep that the model is asked, and set its tokens aside; raise `OverBudget` where they are not there."""
        task = self._task
        nudge = store.find_nudge(connection, task.nudge.workspace_id, task.nudge.id, hold=True)
        if nudge is None or nudge.asked_at is not None:
            raise Permanent("The nudge was withdrawn, or a model was asked already.")
        self._reservation = set_aside(
            connection,
            self._clocks,
            nudge.workspace_id,
            task.agent,
            estimate(task.agent, task.telling),
        )
        values = {"asked_at": self._clocks.business.now(), "model": task.agent.model}
        store.change_nudge(connection, nudge.workspace_id, nudge.id, values)

    def call(self) -> Mapping[str, Any]:
        """Ask, and look at what comes back; what may not be said is not asked for again."""
        task = self._task
        model = self._models.of(task.agent.provider, task.agent.model)
        try:
            answer = model.ask(nudge_prompt.question(task.agent, task.telling))
        except UnusableAnswer as error:
            self._tokens = int(str(error.details.get("tokens", 0)))
            raise
        self._tokens = answer.usage.tokens
        self._told = {"model": answer.model, "tokens": self._tokens}
        found = nudge_prompt.found_wrong(answer, task.telling)
        if found:
            self._told["not_by_model"] = ",".join((UNUSABLE, *(one.code for one in found)))
        else:
            self._text = answer.text.strip()
        # The words go into the outbox, where they can be erased, and not into the ledger.
        return {"model": answer.model, "tokens": self._tokens}

    def close(self, connection: Connection, closed: Closed) -> None:
        """Settle the budget; where the model answered, put the message out with it."""
        if self._reservation is not None:
            reservation, self._reservation = self._reservation, None
            budgets.close(connection, reservation, self._tokens)
        if closed.state != "confirmed":
            return
        nudge = self._task.nudge
        lead = messaging.lock_lead(connection, nudge.workspace_id, nudge.lead_id)
        current = store.find_nudge(connection, nudge.workspace_id, nudge.id, hold=True)
        if current is None or current.message_id is not None or current.skipped is not None:
            return  # it was withdrawn, or somebody took this attempt for lost
        _put_out(connection, self._clocks, current, lead, self._text, self._told, self._story)


def _hold(connection: Connection, work: Work[PersonaliseNudge]) -> tuple[Row[Any], Row[Any]] | str:
    """The nudge and its lead, held; a word where there is nothing to do."""
    if work.workspace_id is None:
        raise Permanent("A nudge belongs to a studio.")
    known = store.find_nudge(connection, work.workspace_id, work.content.nudge_id)
    if known is None:
        return "withdrawn"
    lead = messaging.lock_lead(connection, work.workspace_id, known.lead_id)
    nudge = store.find_nudge(connection, work.workspace_id, known.id, hold=True)
    if nudge is None:
        return "withdrawn"
    if nudge.message_id is not None or nudge.skipped is not None:
        return "again"
    return nudge, lead


def _put_out(
    connection: Connection,
    clocks: Clocks,
    nudge: Row[Any],
    lead: Row[Any],
    text: str | None,
    told: Mapping[str, Any],
    story: Cause,
) -> None:
    """Put a nudge's message out with a model's text, or with the standard one.

    Skip it where its lead has ended coaching or is left alone since.
    """
    enrolment = store.find_enrolment(connection, nudge.workspace_id, lead.id, hold=True)
    if enrolment is None or enrolment.ended_at is not None or enrolment.paused_at is not None:
        ended = enrolment is None or enrolment.ended_at is not None
        store.change_nudge(connection, nudge.workspace_id, nudge.id, {**told, "skipped": ENDED if ended else PAUSED})
        return
    _, document = load_configuration(connection, nudge.workspace_id)
    now = clocks.business.now()
    facts = composing.about(connection, document, lead, nudge.type, now, nudge.id)
    known = composing.usable_templates(connection, nudge.workspace_id)
    draft = composing.compose(document, nudge.type, lead.language, enrolment.motivation_style, facts, known)
    if text is not None:
        draft = replace(draft, text=text, written_by="model")
    cause = f"{composing.CAUSE}{nudge.id}"
    draft = composing.with_more(connection, clocks, document, lead, nudge.type, cause, draft)
    composing.put_out(connection, clocks, nudge, draft, story, told)
