"""Whether the models that agents name answer. What belongs here: asking them, cheaply, and keeping what was seen.

What does not: how a studio's agent fares (`checks.py` looks at its rules and its messages), and models that there is no
key for: those are not asked, and the check is about the rules alone.

A studio that asks for the check pays for it out of its own budgets; where they are used up nothing is asked. A check of
the whole fleet asks the models that most studios name. What was asked within a minute is not asked again, whoever asks.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from pilar.backplane import budgets
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import OverBudget, PilarError
from pilar.health.checks import ModelSeen, run_checks
from pilar.health.events import AiProviderCheck
from pilar.health.model_store import named_models
from pilar.providers.llm.asking import ProviderName, Question, User
from pilar.providers.llm.client import Models

NEWS_FOR = timedelta(minutes=1)
MOST_MODELS = 8
"""As many as a check of the whole fleet asks."""

PROBE = Question(
    messages=(User('Reply with "ok".'),),
    # A model that thinks before it speaks needs some room for that; being cut off is an answer as well.
    max_tokens=64,
    timeout_seconds=10.0,
)
SET_ASIDE_TOKENS = 200
"""For one probe: more than it takes, so that no budget is overspent by it."""


@dataclass(frozen=True)
class _Look:
    seen: ModelSeen
    at: datetime


class ModelChecker:
    """Asks models when a check is asked for. Safe to share between threads."""

    def __init__(self, database: Database, clocks: Clocks, models: Models) -> None:
        self._database = database
        self._clocks = clocks
        self._models = models
        self._lock = threading.Lock()
        self._looks: dict[tuple[str, str], _Look] = {}

    def on_asked(self, work: Work[AiProviderCheck]) -> dict[str, int]:
        """Ask the models that the event is about, and look at the studios; return how many are in which state."""
        studios = None if work.workspace_id is None else [work.workspace_id]
        providers = self._models.configured()
        named: list[tuple[str, str]] = []
        if providers:
            with self._database.transaction(Scope.fleet()) as connection:
                named = named_models(connection, studios, providers, most=MOST_MODELS)
        seen = [look for provider, model in named if (look := self._look(provider, model, work.workspace_id))]
        with self._database.transaction(Scope.fleet()) as connection:
            return run_checks(connection, self._clocks, studios, work.content.components, seen)

    def _look(self, provider: str, model: str, payer: UUID | None) -> ModelSeen | None:
        """What is known of a model, from asking it unless it was asked a moment ago; None where no budget allows it."""
        now = self._clocks.real.now()
        with self._lock:
            last = self._looks.get((provider, model))
        if last is not None and now - last.at < NEWS_FOR:
            return last.seen
        try:
            seen = self._ask(provider, model) if payer is None else self._ask_for(payer, provider, model)
        except OverBudget:
            return None
        with self._lock:
            # What is no news any more is forgotten, so that names that come and go don't pile up.
            self._looks = {key: look for key, look in self._looks.items() if now - look.at < NEWS_FOR}
            self._looks[provider, model] = _Look(seen, now)
        return seen

    def _ask_for(self, payer: UUID, provider: str, model: str) -> ModelSeen:
        """Ask on a studio's account; what is set aside and never settled, since we were killed, expires."""
        until = timedelta(seconds=2 * (PROBE.timeout_seconds or 0))
        with self._database.transaction(Scope.fleet()) as connection:
            set_aside = [
                budgets.reserve(connection, self._clocks, payer, resource, amount, expires_in=until)
                for resource, amount in ((budgets.API_CALLS, 1), (budgets.TOKENS, SET_ASIDE_TOKENS))
            ]
        seen = self._ask(provider, model)
        with self._database.transaction(Scope.fleet()) as connection:
            calls, tokens = set_aside
            budgets.close(connection, calls, 1)
            budgets.close(connection, tokens, seen.tokens)
        return seen

    def _ask(self, provider: str, model: str) -> ModelSeen:
        seen = ModelSeen(provider, model, issue=None, milliseconds=0, tokens=0)
        started = time.monotonic()
        try:
            answer = self._models.of(cast("ProviderName", provider), model).ask(PROBE)
        except PilarError as error:
            return replace(seen, issue=error.message, milliseconds=_since(started))
        return replace(seen, milliseconds=_since(started), tokens=answer.usage.tokens)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
