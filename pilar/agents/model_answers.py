"""Having a model answer a turn, at most once. What belongs here: the attempt, and how it ended.

What does not: what the model is told (`briefing.py`), whether its words may be said (`answer_check.py`), and how a turn
ends (`turns.py`).

The question is put outside any transaction, as an effect: its attempt is recorded, with the tokens set aside, before
the model is asked; and the answer goes into the outbox in the transaction that records that there is one. Whoever is
killed in between has said nothing: the question may be put once more, and then a person answers. An answer that comes
when a person has taken over, or the lead has opted out, is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents import context, model_tools, turn_store, turns
from pilar.agents.answer_check import Allowed, Objection, objections
from pilar.agents.asking import Studio, asker_of, studio_of
from pilar.agents.asking_once import ask_once, left_because, set_aside
from pilar.agents.briefing import Known, conversation, system_prompt, what_is_wrong
from pilar.agents.events import AnswerTurn
from pilar.backplane import budgets, effects
from pilar.backplane.budgets import API_CALLS, Reservation
from pilar.backplane.effects import Closed, EffectSettled
from pilar.backplane.handlers import Work
from pilar.backplane.reconciling import Policy, Reconcilers
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent, Transient, UnusableAnswer
from pilar.messaging import store as messaging
from pilar.providers.llm.asking import Answer, Assistant, Finish, Question, ToolResult
from pilar.providers.llm.client import Model, Models
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import AgentConfiguration

EFFECT = "model.answer"

MOST_ROUNDS = 4
"""Questions in one turn: tools and one repair."""
_CHARACTERS_PER_TOKEN = 3
_TOOLS_TOKENS = 400
"""For the description of the tools."""


@dataclass(frozen=True)
class _Task:
    """A turn that is to be answered, with all that is needed for it."""

    turn: Row[Any]
    agent: AgentConfiguration
    studio: Studio
    known: Known
    allowed: Allowed


class ModelAnswerer:
    """Has models answer turns."""

    def __init__(self, database: Database, clocks: Clocks, models: Models, ports: Sequence[context.Port] = ()) -> None:
        """Take the models, and who else tells of a lead."""
        self._database = database
        self._clocks = clocks
        self._models = models
        self._ports = ports

    def register(self, reconcilers: Reconcilers) -> None:
        """Say how a question in doubt is settled: no model tells of an answer again, and a second question is safe."""
        reconcilers.on_kind(EFFECT, None, Policy.ONCE_MORE, passing=True)

    def on_job(self, work: Work[AnswerTurn]) -> dict[str, Any]:
        """Answer a turn; return what became of it.

        Raises:
            Transient: the model is away for now, and may be asked again.
        """
        task = self._take(work)
        if isinstance(task, str):
            return {"state": task}
        attempt = _Attempt(self._database, self._clocks, self._models, task, work)
        try:
            ask_once(
                self._database, self._clocks, task.agent, attempt,
                kind=EFFECT, key=str(task.turn.id), workspace_id=task.turn.workspace_id,
                correlation_id=work.correlation_id,
            )  # fmt: skip
        except (Transient, Permanent) as error:
            return self._give_up(task, left_because(error, work), work)
        # Somebody may have told the ledger of an answer that we have not got.
        return self._give_up(task, turns.LOST, work)

    def on_settled(self, connection: Connection, work: Work[EffectSettled]) -> dict[str, Any]:
        """Go on with a turn whose question was in doubt."""
        told = work.content
        if told.kind != EFFECT or told.state == "unknown":
            return {}
        turn = turn_store.find_turn(connection, UUID(effects.get_effect(connection, told.effect_id).key))
        if turn is None or turn.state not in turn_store.OPEN:
            return {"state": turn.state if turn else "gone"}
        occasion = f"settled:{work.id}"
        turns.ask(connection, self._clocks, turn.workspace_id, turn.lead_id, turn.id, work.cause, occasion=occasion)
        return {"asked": True}

    def _take(self, work: Work[AnswerTurn]) -> _Task | str:
        """Close the turn to further messages, and gather what the model is told; a word where it is not asked."""
        with self._database.transaction(Scope.fleet()) as connection:
            found = turn_store.find_turn(connection, work.content.turn_id)
            if found is None:
                return "gone"
            workspace_id = found.workspace_id
            lead = messaging.lock_lead(connection, workspace_id, found.lead_id)
            turn = turn_store.lock_turn(connection, workspace_id, found.id)
            if turn.state not in turn_store.OPEN:
                return str(turn.state)
            agent = turns.agent_of(connection, workspace_id)
            if silent := turns.why_silent(connection, workspace_id, lead.id):
                turns.drop(connection, self._clocks, turn, silent)
                return "dropped"
            if agent is None or agent.answers != "model":  # switched off meanwhile
                turns.give_up(connection, self._clocks, turn, turns.NOT_CONFIGURED, work.cause)
                return "not_configured"
            turn_store.change_turn(connection, workspace_id, turn.id, {"state": turn_store.ASKING})
            studio, asker = studio_of(connection, workspace_id), asker_of(lead)
            now = self._clocks.business.now()
            known = context.gather(connection, studio, asker, turn.id, now, self._ports)
            if not known.asked:
                turns.drop(connection, self._clocks, turn, "the lead took it back")
                return "dropped"
            number = workspaces.get_integration(connection, workspace_id, "whatsapp")
            phones = [phone for phone in (lead.phone, number.phone_number if number else None) if phone]
            return _Task(turn, agent, studio, known, context.allowed_for(agent, known, asker, phones))

    def _give_up(self, task: _Task, reason: str, work: Work[AnswerTurn]) -> dict[str, Any]:
        """End the turn without the model, where it is still open."""
        with self._database.transaction(Scope.fleet()) as connection:
            messaging.lock_lead(connection, task.turn.workspace_id, task.turn.lead_id)
            turn = turn_store.lock_turn(connection, task.turn.workspace_id, task.turn.id)
            turns.give_up(connection, self._clocks, turn, reason, work.cause)
            ended = turn_store.lock_turn(connection, task.turn.workspace_id, task.turn.id)
        return {"state": ended.state, "reason": ended.reason}


@dataclass(frozen=True)
class _Said:
    """What came of asking: words that may be said, or why a person has to answer."""

    text: str | None = None
    reason: str = ""
    details: str = ""


class _Attempt:
    """One attempt at having a model answer a turn; the effect ledger calls its three parts."""

    def __init__(self, database: Database, clocks: Clocks, models: Models, task: _Task, work: Work[AnswerTurn]) -> None:
        self._database = database
        self._clocks = clocks
        self._models = models
        self._task = task
        self._work = work
        self._reservation: Reservation | None = None
        self._said = _Said()
        self._model = task.agent.model
        self._input = 0
        self._output = 0
        self._unusable = 0

    def begin(self, connection: Connection) -> None:
        """Set aside what the question may take; raise `OverBudget` where that is not there."""
        self._reservation = set_aside(
            connection,
            self._clocks,
            self._task.turn.workspace_id,
            self._task.agent,
            self._estimate(),
        )

    def call(self) -> Mapping[str, Any]:
        """Ask, use tools, and have an answer that may not be said written once more."""
        self._said = self._converse()
        # The words themselves go into the outbox, where they can be erased, and not into the ledger.
        return {"model": self._model, "input_tokens": self._input, "output_tokens": self._output}

    def close(self, connection: Connection, closed: Closed) -> None:
        """Settle the budget; where the model answered, end the turn with it."""
        if self._reservation is not None:
            reservation, self._reservation = self._reservation, None
            budgets.close(connection, reservation, self._input + self._output + self._unusable)
        if closed.state != "confirmed":
            return
        task, said = self._task, self._said
        messaging.lock_lead(connection, task.turn.workspace_id, task.turn.lead_id)
        turn = turn_store.lock_turn(connection, task.turn.workspace_id, task.turn.id)
        if turn.state not in turn_store.OPEN:
            return
        told = {
            "provider": task.agent.provider,
            "model": self._model,
            "input_tokens": self._input,
            "output_tokens": self._output,
        }
        silent = turns.why_silent(connection, turn.workspace_id, turn.lead_id)
        if silent:
            turn_store.change_turn(connection, turn.workspace_id, turn.id, told)
            turns.drop(connection, self._clocks, turn, silent)
        elif said.text:
            turns.say(connection, self._clocks, turn, said.text, told, self._work.cause)
        else:
            turns.give_up(
                connection, self._clocks, turn, said.reason, self._work.cause, details=said.details, told=told
            )

    def _converse(self) -> _Said:
        task, agent = self._task, self._task.agent
        model = self._models.of(agent.provider, agent.model)
        until = time.monotonic() + agent.max_response_seconds
        question = Question(
            messages=conversation(task.known),
            system=system_prompt(agent, task.known),
            tools=model_tools.TOOLS,
            max_tokens=agent.max_tokens,
            temperature=agent.temperature,
        )
        repaired = False
        for number in range(MOST_ROUNDS):
            answer = self._ask(model, question, until, is_first=number == 0)
            if answer.finish is Finish.REFUSED:
                return _Said(reason=turns.DECLINED)
            if answer.calls:
                wanted = next((one for one in answer.calls if one.name == model_tools.HAND_OVER.name), None)
                if wanted is not None:
                    return _Said(reason=turns.ASKED_FOR_PERSON, details=str(wanted.arguments["reason"])[:200])
                question = question.and_then(answer.said(), *self._results(answer))
                continue
            found = objections(answer.text, task.allowed)
            if answer.finish is Finish.CUT_OFF:
                found = (*found, Objection("cut_off", "It was cut off; write a shorter one."))
            if not found:
                return _Said(answer.text.strip())
            if repaired:
                return _Said(reason=turns.UNUSABLE, details=", ".join(one.code for one in found))
            repaired = True
            question = question.and_then(Assistant(answer.text or "(nothing)"), what_is_wrong(found))
        return _Said(reason=turns.UNUSABLE, details="too_many_questions")

    def _ask(self, model: Model, question: Question, until: float, *, is_first: bool) -> Answer[Any]:
        left = until - time.monotonic()
        if left <= 0:
            raise Transient(f"{model.name} took longer than {self._task.agent.max_response_seconds:g} seconds.")
        if not is_first:  # the ledger has taken the first call from the budget
            with self._database.transaction(Scope.fleet()) as connection:
                budgets.consume(connection, self._clocks, self._task.turn.workspace_id, API_CALLS, 1)
        timed = Question(
            messages=question.messages,
            system=question.system,
            tools=question.tools,
            max_tokens=question.max_tokens,
            temperature=question.temperature,
            timeout_seconds=left,
        )
        try:
            answer = model.ask(timed)
        except UnusableAnswer as error:
            self._unusable += int(str(error.details.get("tokens", 0)))
            raise
        self._model = answer.model
        self._input += answer.usage.input_tokens
        self._output += answer.usage.output_tokens
        return answer

    def _results(self, answer: Answer[Any]) -> list[ToolResult]:
        task = self._task
        with self._database.transaction(Scope.workspace(task.turn.workspace_id)) as connection:
            return [
                ToolResult(
                    one.id,
                    model_tools.free_slots(
                        connection,
                        task.studio,
                        int(one.arguments["days"]),
                        task.known.language,
                        self._clocks.business.now(),
                    ),
                )
                for one in answer.calls
            ]

    def _estimate(self) -> int:
        """Tokens that a question and its answer take at most as a rule, and the same for a tool or a repair."""
        known = self._task.known
        written = len(system_prompt(self._task.agent, known))
        written += sum(len(one.text) for one in (*known.history,) if not isinstance(one, ToolResult))
        written += sum(len(one) for one in known.asked)
        return 2 * (written // _CHARACTERS_PER_TOKEN + _TOOLS_TOKENS + self._task.agent.max_tokens)
