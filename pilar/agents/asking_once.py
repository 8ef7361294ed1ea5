"""Putting a question to a studio's model as an effect. What belongs here: the patience, and how an attempt may end.

What does not: what is asked, and what becomes of the answer: that is the attempt's, which is recorded before the model
is asked and acts in the transaction that records that there is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents import turns
from pilar.backplane import budgets
from pilar.backplane.budgets import TOKENS, Reservation
from pilar.backplane.effects import Closed, Effect, EffectLedger
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database
from pilar.errors import Busy, CredentialsRefused, NotConfigured, OverBudget, Permanent, Transient, UnusableAnswer
from pilar.workspaces.configuration import AgentConfiguration

MOST_TRIES = 3
"""How often a model that is away is asked: nobody waits longer than a few seconds for an answer by phone."""


class Attempt(Protocol):
    """The three parts of an attempt, which the effect ledger calls."""

    def begin(self, connection: Connection) -> None:
        """Set aside what the question may take, where the attempt is recorded."""

    def call(self) -> Mapping[str, Any]:
        """Ask."""

    def close(self, connection: Connection, closed: Closed) -> None:
        """Settle the budget and act on the answer, where its end is recorded."""


def ask_once(
    database: Database,
    clocks: Clocks,
    agent: AgentConfiguration,
    attempt: Attempt,
    *,
    kind: str,
    key: str,
    workspace_id: UUID,
    correlation_id: UUID,
) -> None:
    """Ask a model; one whose answer got lost is asked once more at most.

    An attempt is under way for as long as the studio lets its model take, and not for as long as any provider.

    Args:
        database: where effects are recorded.
        clocks: both clocks.
        agent: whose model, and how long it may take.
        attempt: what is done.
        kind: the effect's.
        key: the effect's: what the question is about.
        workspace_id: the studio's.
        correlation_id: of the story.

    Raises:
        Transient: the model is away for now, or the budget is used up.
        Permanent: no model can be asked, or its answer is of no use.
    """
    ledger = EffectLedger(database, clocks, timeout=timedelta(seconds=2 * agent.max_response_seconds))
    ledger.perform(
        Effect(
            kind=kind,
            key=key,
            call=attempt.call,
            risks=1,
            on_attempt=attempt.begin,
            on_close=attempt.close,
            request={"provider": agent.provider, "model": agent.model},
            workspace_id=workspace_id,
            correlation_id=correlation_id,
        )
    )


def set_aside(
    connection: Connection, clocks: Clocks, workspace_id: UUID, agent: AgentConfiguration, tokens: int
) -> Reservation:
    """Set tokens aside for longer than an attempt can take; raise `OverBudget` where they are not there."""
    patience = timedelta(seconds=4 * agent.max_response_seconds)
    return budgets.reserve(connection, clocks, workspace_id, TOKENS, tokens, expires_in=patience)


def left_because(error: Transient | Permanent, work: Work[Any]) -> str:
    """Why a question is left to others, by an error of `ask_once`; raises it again where another try is worth it."""
    is_over = isinstance(error, OverBudget | UnusableAnswer)
    tries = work.max_attempts if isinstance(error, Busy) else MOST_TRIES
    if isinstance(error, Transient) and not is_over and work.attempts < tries:
        raise error
    return reason_of(error)


def reason_of(error: Exception) -> str:
    """What an error that kept a model from answering is called."""
    if isinstance(error, OverBudget):
        return turns.OVER_BUDGET
    if isinstance(error, UnusableAnswer):
        return turns.UNUSABLE
    return turns.NOT_CONFIGURED if isinstance(error, NotConfigured | CredentialsRefused) else turns.AWAY
