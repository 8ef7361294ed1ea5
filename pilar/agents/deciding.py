"""What is to be done about a message. What belongs here: the rule, and the variant of it that an experiment asks for.

Nothing is changed: trying a text out and answering one decide alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents import store
from pilar.agents.asking import Asker, Studio
from pilar.agents.matching import choose, situation
from pilar.agents.rules import Action, Rule
from pilar.experiments import experiments
from pilar.experiments.store import Experiment
from pilar.workspaces import features


@dataclass(frozen=True)
class Decision:
    """The rule that answers, and the experiment that varies it; both None where no rule matches."""

    rule: Rule | None = None
    experiment: Experiment | None = None

    def actions(self, variant: str | None) -> Sequence[Action]:
        """What the rule does, in a variant of the experiment or without one."""
        if self.rule is None:
            return ()
        return self.rule.variants[variant] if variant is not None else self.rule.actions


def decide(
    connection: Connection,
    studio: Studio,
    asker: Asker,
    text: str,
    now: datetime,
    *,
    kind: str = "text",
    choice: str | None = None,
) -> Decision:
    """The rule that answers a text, and the experiment that varies it.

    Args:
        connection: a transaction; only the fleet's scope sees the founder's experiments.
        studio: where it was written.
        asker: who wrote it.
        text: what was written.
        now: business time.
        kind: WhatsApp's word for what kind of message it is.
        choice: the payload or id of the button or row that was chosen.
    """
    rules = store.active_rules(connection, studio.workspace_id)
    rule = choose(rules, situation(text, asker.facts, now.astimezone(studio.zone), kind=kind, choice=choice))
    return Decision(rule, _experiment_on(connection, studio.workspace_id, rule) if rule else None)


def _experiment_on(connection: Connection, workspace_id: UUID, rule: Rule) -> Experiment | None:
    """The experiment that a studio's rule takes part in: it must have each of the variants."""
    if not rule.variants or not features.allows(connection, workspace_id, "experiments"):
        return None
    running = experiments.running_for(connection, workspace_id, rule.subject)
    if running is None or running.unit == "visitor":
        return None
    return running if all(variant.key in rule.variants for variant in running.variants) else None


def unit_of(experiment: Experiment, studio: Studio, lead_id: UUID) -> str:
    """What is assigned to a variant: the lead, or the whole studio."""
    return str(lead_id if experiment.unit == "lead" else studio.workspace_id)
