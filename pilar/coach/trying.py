"""Trying a nudge out. What belongs here: what would be said to somebody now, whether it would go, and why not.

It is made for real, in a transaction that is taken back: the same words, the same template, the same verdict with
every limit and budget, and nothing of it stays. A lead may be made up. A model is asked only where that is wanted; then
its tokens are counted as ever, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents.asking_once import reason_of
from pilar.backplane import budgets
from pilar.backplane.budgets import API_CALLS, TOKENS
from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Snooze
from pilar.clocks import Clocks
from pilar.coach import composing, nudge_prompt, plan_store, store
from pilar.coach.composing import Draft
from pilar.coach.fatigue import PAUSED
from pilar.coach.nudge_prompt import Telling
from pilar.coach.personalising import estimate, why_no_model
from pilar.coach.planning import schedules_of
from pilar.coach.standing import ENDED, NOTHING, SKIPPED, TURNED_OFF
from pilar.coach.telling import telling_of
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent, Transient, UnusableAnswer
from pilar.ids import new_id
from pilar.messaging import facts_store
from pilar.messaging import store as messaging
from pilar.messaging.attempts import Attempt, Decided, Outgoing, Rerouted
from pilar.messaging.decisions import Reason, Verdict
from pilar.messaging.outbox import queue_message
from pilar.messaging.rooms import People
from pilar.providers.llm.client import Models
from pilar.workspaces.configuration import AgentConfiguration, StudioConfiguration
from pilar.workspaces.store import load_configuration


@dataclass(frozen=True)
class Sample:
    """Somebody made up, who is coached and has agreed to be written to.

    Attributes:
        name: None: not known.
        language: ISO 639-1; None: the studio's.
        country: two letters; None: the studio's.
        time_zone: IANA name of where they are; None: the studio's.
        style: of motivation; None: the studio's.
        window_open: they have written within 24 hours.
    """

    country: str | None = None
    time_zone: str | None = None
    name: str | None = None
    language: str | None = None
    style: str | None = None
    window_open: bool = True


@dataclass(frozen=True)
class Tried:
    """What would become of a nudge now.

    Attributes:
        skipped: why no message would be made at all, as codes with a sentence each; empty: it would.
        draft: what it would say.
        language: the lead's.
        would_ask_model: a model would write it.
        not_by_model: why none would, as a code; None: one would, or the studio does not want that.
        verdict: whether and how it would go, with every reason.
        tokens: that asking the model has taken; None: it was not asked.
    """

    skipped: dict[str, str]
    draft: Draft
    language: str
    would_ask_model: bool
    not_by_model: str | None
    verdict: Verdict
    tokens: int | None = None


@dataclass(frozen=True)
class _Asking:
    agent: AgentConfiguration
    telling: Telling


class Rehearsal:
    """Tries nudges out."""

    def __init__(self, database: Database, clocks: Clocks, models: Models, people: People) -> None:
        self._database = database
        self._clocks = clocks
        self._models = models
        self._people = people

    def of(self, workspace_id: UUID, kind: str, who: UUID | Sample, *, ask_model: bool = False) -> Tried:
        """What would become of a nudge to a lead, or to somebody made up, at this moment.

        Args:
            workspace_id: the studio's.
            kind: of nudge.
            who: the lead's id, or who is made up.
            ask_model: have the model write it, where it would be asked; that costs its tokens.

        Raises:
            NotFound: the studio has no such lead, or no configuration.
        """
        with self._database.transaction(Scope.fleet()) as connection, connection.begin_nested() as all_of_it:
            tried, asking = self._try(connection, workspace_id, kind, who)
            all_of_it.rollback()
        if not ask_model or asking is None or not tried.would_ask_model:
            return tried
        return self._with_model(workspace_id, tried, asking)

    def _try(
        self, connection: Connection, workspace_id: UUID, kind: str, who: UUID | Sample
    ) -> tuple[Tried, _Asking | None]:
        _, document = load_configuration(connection, workspace_id)
        now = self._clocks.business.now()
        lead_id = self._made_up(connection, workspace_id, document, who, now) if isinstance(who, Sample) else who
        lead = messaging.lock_lead(connection, workspace_id, lead_id)
        enrolment = store.find_enrolment(connection, workspace_id, lead.id)
        skipped = _skipped(connection, document, lead, kind, enrolment, now)
        style = enrolment.motivation_style if enrolment else document.coaching.preferences.motivation_style
        facts = composing.about(connection, document, lead, kind, now)
        known = composing.usable_templates(connection, workspace_id)
        draft = composing.compose(document, kind, lead.language, style, facts, known)
        wants = document.coaching.written_by == "model"
        reason = why_no_model(connection, now, document, lead) if wants else None
        asking = None
        if wants and reason is None and document.agent is not None and enrolment is not None:
            asking = _Asking(document.agent, telling_of(connection, document, lead, kind, enrolment, now))
        cause = f"try:{new_id()}"
        draft = composing.with_more(connection, self._clocks, document, lead, kind, cause, draft)
        verdict = self._verdict(connection, workspace_id, kind, lead.id, cause, draft)
        return Tried(skipped, draft, lead.language, asking is not None, reason, verdict), asking

    def _verdict(
        self, connection: Connection, workspace_id: UUID, kind: str, lead_id: UUID, cause: str, draft: Draft
    ) -> Verdict:
        """What the last verdict would be, by the very attempt that would be made."""
        message = composing.as_message(lead_id, kind, cause, draft)
        stored = queue_message(connection, self._clocks, workspace_id, message, Cause.new())
        if stored is None:  # pragma: no cover - its cause is new
            raise RuntimeError("a cause that is new was known")
        row = facts_store.lock(connection, workspace_id, stored)
        try:
            Attempt(self._clocks, row, _nobody, self._people).begin(connection)
        except Decided as decided:
            return decided.verdict
        except Rerouted as rerouted:
            return Verdict(action="send", form="text", channel=rerouted.channel)
        except Snooze:
            behind = Reason(code="behind", sentence="An earlier message to this lead is on its way and goes first.")
            return Verdict(action="hold", reasons=(behind,))
        decided_now = messaging.get_message(connection, workspace_id, stored)
        return Verdict.model_validate(decided_now.verdict["decision"])

    def _made_up(
        self, connection: Connection, workspace_id: UUID, document: StudioConfiguration, who: Sample, now: datetime
    ) -> UUID:
        values = {
            "name": who.name,
            "language": who.language or document.studio.language,
            "country": who.country or document.studio.country,
            "time_zone": who.time_zone or document.studio.time_zone,
            "lifecycle": "lead",
            "source": "try",
            "created_at": now,
        }
        lead_id = messaging.ensure_lead(connection, workspace_id, f"try:{new_id()}", values)
        messaging.ensure_conversation(connection, workspace_id, lead_id, now)
        if who.window_open:
            messaging.change_conversation(connection, workspace_id, lead_id, {"last_inbound_at": now})
        consent = {"scope": "marketing", "granted": True, "source": "import", "proof": "made up", "recorded_at": now}
        messaging.add_consent(connection, workspace_id, lead_id, consent)
        preferences = document.coaching.preferences
        enrolment = {"frequency": "daily", "motivation_style": who.style or preferences.motivation_style}
        store.enrol(connection, workspace_id, lead_id, now, enrolment)
        return lead_id

    def _with_model(self, workspace_id: UUID, tried: Tried, asking: _Asking) -> Tried:
        """The same in the words of the model, or why it has none; its tokens are set aside and counted."""
        agent = asking.agent
        tokens = 0
        try:
            with self._database.transaction(Scope.fleet()) as connection:
                budgets.consume(connection, self._clocks, workspace_id, API_CALLS, 1)
                reservation = budgets.reserve(
                    connection,
                    self._clocks,
                    workspace_id,
                    TOKENS,
                    estimate(agent, asking.telling),
                    # Whoever is killed meanwhile leaves it behind, and it is given back by itself.
                    expires_in=timedelta(seconds=4 * agent.max_response_seconds),
                )
        except Transient as error:
            return replace(tried, not_by_model=reason_of(error), tokens=0)
        try:
            answer = self._models.of(agent.provider, agent.model).ask(nudge_prompt.question(agent, asking.telling))
            tokens = answer.usage.tokens
        except (Transient, Permanent) as error:
            if isinstance(error, UnusableAnswer):
                tokens = int(str(error.details.get("tokens", 0)))
            return replace(tried, not_by_model=reason_of(error), tokens=tokens)
        finally:
            with self._database.transaction(Scope.fleet()) as connection:
                budgets.close(connection, reservation, tokens)
        found = nudge_prompt.found_wrong(answer, asking.telling)
        if found:
            codes = ",".join(("unusable", *(one.code for one in found)))
            return replace(tried, not_by_model=codes, tokens=tokens)
        draft = replace(tried.draft, text=answer.text.strip(), written_by="model")
        return replace(tried, draft=draft, tokens=tokens)


def _skipped(
    connection: Connection,
    document: StudioConfiguration,
    lead: Row[Any],
    kind: str,
    enrolment: Row[Any] | None,
    now: datetime,
) -> dict[str, str]:
    """Everything for which no message would be made; a nudge that is asked for is never late."""
    has = plan_store.has_something(connection, lead.workspace_id, lead.id, kind, now, None)
    found: Sequence[tuple[bool, str]] = (
        (enrolment is None or enrolment.ended_at is not None, ENDED),
        (kind not in dict(schedules_of(document)), TURNED_OFF),
        (enrolment is not None and enrolment.paused_at is not None, PAUSED),
        (not has, NOTHING),
    )
    return {code: SKIPPED[code] for holds, code in found if holds}


def _nobody(_row: Row[Any], _out: Outgoing) -> str:
    raise RuntimeError("what is tried out is handed to nobody")
