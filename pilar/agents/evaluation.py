"""Trying a text out on a studio's rules. What belongs here: what would be answered; nothing is done or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents import functions, phrases, turns
from pilar.agents.asking import Asker, asker_of, studio_of, worded
from pilar.agents.deciding import decide, unit_of
from pilar.agents.matching import LeadFacts
from pilar.agents.rules import CallFunction, SendText
from pilar.clocks import Clocks
from pilar.experiments.assignment import assigned
from pilar.messaging import store as messaging
from pilar.messaging.wording import wish_of


@dataclass(frozen=True)
class Evaluation:
    """What would happen.

    Attributes:
        wish: what the message asks for beyond the conversation, which no rule answers; None for the ordinary message.
        rule: the rule's name; None where none matches, or none is asked.
        rule_id: its id.
        variant: what an experiment that is running would make of it for this lead.
        actions: what would be done.
        answer: what would be said, in words; None where that is nothing, a template, the words of a hand-over, or
            what a model would say.
    """

    wish: str | None
    rule: str | None
    rule_id: UUID | None
    variant: str | None
    actions: tuple[dict[str, Any], ...]
    answer: str | None


def evaluate(
    connection: Connection, clocks: Clocks, workspace_id: UUID, text: str, lead_id: UUID | None = None
) -> Evaluation:
    """See what a text would be answered with.

    Args:
        connection: a transaction; only in the fleet's scope it knows of the founder's experiments.
        clocks: both clocks.
        workspace_id: whose rules.
        text: what a lead might write.
        lead_id: the lead; None: somebody who has not written before, and speaks the studio's language.

    Raises:
        NotFound: there is no such studio or lead.
    """
    studio, now = studio_of(connection, workspace_id), clocks.business.now()
    if lead_id is None:
        asker = Asker(None, None, LeadFacts(studio.language, source="whatsapp"))
    else:
        asker = asker_of(messaging.get_lead(connection, workspace_id, lead_id))
    if wish := wish_of(text):
        return Evaluation(wish.value, None, None, None, (), None)
    decision = decide(connection, studio, asker, text, now)
    rule, experiment, variant = decision.rule, decision.experiment, None
    if rule is None:
        agent = turns.agent_of(connection, workspace_id)
        by_model = agent is not None and agent.answers == "model"
        words = None if by_model else worded(connection, studio, asker, phrases.FALLBACK)
        return Evaluation(None, None, None, None, (), words)
    if experiment is not None and asker.id is not None:
        variant = assigned(experiment.variants, experiment.salt, unit_of(experiment, studio, asker.id))
    actions, answer = decision.actions(variant), None
    for action in actions:
        if isinstance(action, SendText):
            answer = worded(connection, studio, asker, action.texts)
        elif isinstance(action, CallFunction):
            foreseen = functions.foresee(connection, now, action, workspace_id, asker.id, asker.facts.properties)
            answer = worded(connection, studio, asker, foreseen.said, foreseen.values)
    told = tuple(action.model_dump(mode="json") for action in actions)
    return Evaluation(None, rule.name, rule.id, variant, told, answer)
