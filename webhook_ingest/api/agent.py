"""The agent's rules, for programs. What belongs here: the shape of the answers; the rules are the agent's room's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from pilar.agents.evaluation import evaluate
from pilar.agents.overview import list_rules
from pilar.database.engine import Scope
from webhook_ingest.deps import System


class PerformanceItem(BaseModel):
    """What came of a rule in one variant; empty: without an experiment. Rates are of the matches, from 0 to 1."""

    variant: str
    matches: int
    answered: int
    refused: int
    failed: int
    successes: int
    success_rate: float | None
    avg_latency_ms: float | None
    last_fired_at: datetime | None
    refreshed_at: datetime


class RuleItem(BaseModel):
    """A rule with what came of it."""

    id: UUID
    name: str
    goal: str
    priority: int
    version: int
    active: bool
    performance: list[PerformanceItem]


class RuleList(BaseModel):
    """A studio's rules in the order in which they are tried."""

    items: list[RuleItem]


class TrialText(BaseModel):
    """What a lead might write; without a lead: somebody who has not written before."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(min_length=1, max_length=4_096)]
    lead_id: UUID | None = None


class EvaluationResult(BaseModel):
    """What would be answered; `wish` is what no rule answers: no more messages, messages again, or a person."""

    wish: str | None
    rule: str | None
    rule_id: UUID | None
    variant: str | None
    actions: list[dict[str, Any]]
    answer: str | None


def rule_analytics(app: System, workspace_id: UUID) -> RuleList:
    """A studio's rules with what came of them when that was last measured."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = list_rules(connection, workspace_id)
    return RuleList(items=[RuleItem.model_validate(one, from_attributes=True) for one in found])


def evaluate_rules(app: System, workspace_id: UUID, trial: TrialText) -> EvaluationResult:
    """See which rule a text would meet and what would be answered; nothing is done."""
    # The founder's experiments are seen by the fleet alone: who may ask about the studio was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        found = evaluate(connection, app.clocks, workspace_id, trial.text, trial.lead_id)
    return EvaluationResult.model_validate(found, from_attributes=True)
