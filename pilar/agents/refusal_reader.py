"""Having a model read what may be a refusal, at most once. What belongs here: the attempt, and how it ended.

What does not: what the model is asked (`refusal_prompt.py`), and what follows from it (`messaging/refusals.py`).

The question is an effect, put outside any transaction, with its tokens set aside before; the transaction that records
the answer acts on it. Whoever is killed in between has told nothing: it is put once more, and then a person is asked.
Until anybody has told, nothing marketing goes to the lead, so that no failure here lets anything through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents import refusal_prompt, turns
from pilar.agents.asking_once import ask_once, left_because, set_aside
from pilar.agents.events import ReadRefusal
from pilar.agents.refusal_prompt import FOUND, Reading
from pilar.backplane import budgets, effects
from pilar.backplane.budgets import Reservation
from pilar.backplane.effects import Closed, EffectSettled
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.handlers import Work
from pilar.backplane.reconciling import Policy, Reconcilers
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent, Transient, UnusableAnswer
from pilar.messaging import refusal_store, refusals
from pilar.messaging import store as messaging
from pilar.messaging.events import RefusalUnclear
from pilar.messaging.refusals import Told
from pilar.messaging.rooms import People
from pilar.messaging.unclear import ASKED
from pilar.providers.llm.asking import Question, User
from pilar.providers.llm.client import Models
from pilar.workspaces.configuration import AgentConfiguration

EFFECT = "model.refusal"

NOT_ALLOWED = "not_allowed"
CANT_TELL = "cannot_tell"
"""The model's own answer."""

_CHARACTERS_PER_TOKEN = 3


@dataclass(frozen=True)
class _Task:
    """A message that is to be read."""

    message: Row[Any]
    agent: AgentConfiguration
    question: Question


class RefusalReader:
    """Has models read what may be a refusal."""

    def __init__(self, database: Database, clocks: Clocks, models: Models, people: People) -> None:
        """Take the models, and who else calls off what was to be sent to somebody who refuses."""
        self._database = database
        self._clocks = clocks
        self._models = models
        self._people = people

    def register(self, reconcilers: Reconcilers) -> None:
        """Say how a question in doubt is settled: no model tells of an answer again, and a second question is safe."""
        reconcilers.on_kind(EFFECT, None, Policy.ONCE_MORE, passing=True)

    def on_unclear(self, connection: Connection, work: Work[RefusalUnclear]) -> dict[str, Any]:
        """Have the studio's model read a message, where it answers leads too; else have a person tell."""
        workspace_id, message_id = work.workspace_id, work.content.message_id
        if workspace_id is None:
            raise Permanent("A lead's message belongs to a studio.")
        agent = turns.agent_of(connection, workspace_id)
        if agent is None or agent.answers != "model":
            refusals.leave_to_person(connection, workspace_id, message_id, NOT_ALLOWED)
            return {"told_by": "person"}
        self._ask(connection, workspace_id, message_id, work.cause, occasion="unclear")
        return {"told_by": "model"}

    def on_job(self, work: Work[ReadRefusal]) -> dict[str, Any]:
        """Have a message read, and act on it; return what became of it.

        Raises:
            Transient: the model is away for now, and may be asked again.
        """
        task = self._take(work)
        if isinstance(task, str):
            return {"state": task}
        attempt = _Attempt(self._clocks, self._models, task, work.cause, self._people)
        try:
            ask_once(
                self._database, self._clocks, task.agent, attempt,
                kind=EFFECT, key=str(task.message.id), workspace_id=task.message.workspace_id,
                correlation_id=work.correlation_id,
            )  # fmt: skip
        except (Transient, Permanent) as error:
            return self._leave(task, left_because(error, work))
        # Somebody may have told the ledger of an answer that we have not got; where we have it, it is settled.
        return self._leave(task, turns.LOST)

    def on_settled(self, connection: Connection, work: Work[EffectSettled]) -> dict[str, Any]:
        """Go on with a message whose reading was in doubt."""
        told = work.content
        if told.kind != EFFECT or told.state == "unknown" or work.workspace_id is None:
            return {}
        message_id = UUID(effects.get_effect(connection, told.effect_id).key)
        self._ask(connection, work.workspace_id, message_id, work.cause, occasion=f"settled:{work.id}")
        return {"asked": True}

    def _ask(
        self, connection: Connection, workspace_id: UUID, message_id: UUID, story: Cause, *, occasion: str
    ) -> None:
        job = Job(payload=ReadRefusal(message_id=message_id), key=f"{message_id}:{occasion}", workspace_id=workspace_id)
        enqueue(connection, self._clocks, [job], story)

    def _take(self, work: Work[ReadRefusal]) -> _Task | str:
        """What the model is asked; a word where it is not."""
        if work.workspace_id is None:
            raise Permanent("A lead's message belongs to a studio.")
        with self._database.transaction(Scope.fleet()) as connection:
            asked = refusal_store.find(connection, work.workspace_id, work.content.message_id)
            if asked is None or asked.state != ASKED:
                return "gone" if asked is None else str(asked.state)
            agent = turns.agent_of(connection, work.workspace_id)
            if agent is None or agent.answers != "model":  # switched off meanwhile
                refusals.leave_to_person(connection, work.workspace_id, asked.message_id, NOT_ALLOWED)
                return NOT_ALLOWED
            message = messaging.get_message(connection, work.workspace_id, asked.message_id)
            before = refusal_store.words_before(connection, work.workspace_id, message)
            question = refusal_prompt.question(message.text or "", before, agent.max_response_seconds)
            return _Task(message, agent, question)

    def _leave(self, task: _Task, why: str) -> dict[str, Any]:
        """Have a person tell, where nobody has told yet."""
        with self._database.transaction(Scope.fleet()) as connection:
            row = refusal_store.find(connection, task.message.workspace_id, task.message.id)
            if row is not None and row.state == ASKED:
                asked = {"provider": task.agent.provider, "model": task.agent.model}
                refusals.leave_to_person(connection, task.message.workspace_id, task.message.id, why, asked)
                return {"state": "person", "reason": why}
        return {"state": row.state if row is not None else "gone"}


class _Attempt:
    """One attempt at having a model read a message; the effect ledger calls its three parts."""

    def __init__(self, clocks: Clocks, models: Models, task: _Task, story: Cause, people: People) -> None:
        self._clocks = clocks
        self._models = models
        self._task = task
        self._story = story
        self._people = people
        self._reservation: Reservation | None = None
        self._reading: Reading | None = None
        self._model = task.agent.model
        self._tokens = 0

    def begin(self, connection: Connection) -> None:
        """Set aside what the question may take; raise `OverBudget` where that is not there."""
        asked = self._task.question
        written = len(asked.system) + sum(len(one.text) for one in asked.messages if isinstance(one, User))
        self._reservation = set_aside(
            connection,
            self._clocks,
            self._task.message.workspace_id,
            self._task.agent,
            # Twice: an answer that is no document is asked for once more.
            2 * (written // _CHARACTERS_PER_TOKEN + asked.max_tokens),
        )

    def call(self) -> Mapping[str, Any]:
        """Ask, and have the answer checked."""
        agent = self._task.agent
        try:
            answer = self._models.of(agent.provider, agent.model).ask(self._task.question, Reading)
        except UnusableAnswer as error:
            self._tokens = int(str(error.details.get("tokens", 0)))
            raise
        self._model, self._tokens, self._reading = answer.model, answer.usage.tokens, answer.output
        finding = self._reading.finding if self._reading is not None else None
        return {"model": answer.model, "tokens": self._tokens, "finding": finding}

    def close(self, connection: Connection, closed: Closed) -> None:
        """Settle the budget; where the model answered, act on it."""
        if self._reservation is not None:
            reservation, self._reservation = self._reservation, None
            budgets.close(connection, reservation, self._tokens)
        if closed.state != "confirmed":
            return
        message, agent = self._task.message, self._task.agent
        reading = self._reading
        told = {"provider": agent.provider, "model": self._model}
        found = FOUND.get(reading.finding) if reading is not None else None
        if reading is None or found is None:
            if reading is not None:
                told |= {"answer": reading.finding, "language": reading.language}
            why = CANT_TELL if reading is not None else turns.DECLINED
            refusals.leave_to_person(connection, message.workspace_id, message.id, why, dict(told))
            return
        heard = Told(
            found=found, source=refusals.MODEL, answer=reading.finding, language=reading.language, **told
        )  # fmt: skip
        # Whoever wrote it may have been erased since: then there is nothing to act on.
        if refusal_store.find(connection, message.workspace_id, message.id) is not None:
            refusals.settle(
                connection, self._clocks, message.workspace_id, message.id, heard, self._story, self._people
            )
