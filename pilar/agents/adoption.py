"""What an experiment on a rule has decided takes effect. What belongs here: making the adopted variant the rule.

A rule that a studio has changed since keeps its own words where it has no such variant any more.
"""

from __future__ import annotations

from sqlalchemy import Connection

from pilar.agents import store
from pilar.backplane import audit
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.experiments.events import ExperimentDecided

_RULE = "rule:"


class Adopter:
    """Makes adopted variants the rule."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_decided(self, connection: Connection, work: Work[ExperimentDecided]) -> dict[str, int | str]:
        """Have the rule do what the adopted variant does, in the studio or in all of them."""
        decided = work.content
        if decided.adopted is None:
            return {"skipped": "what was done before stays"}
        if not decided.subject.startswith(_RULE):
            return {"skipped": "it is about no rule"}
        name = decided.subject.removeprefix(_RULE)
        changed = store.adopt_variant(connection, work.workspace_id, name, decided.adopted, self._clocks.business.now())
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action="agents.variant_adopted",
            subject=f"experiment:{decided.experiment_id}",
            now=self._clocks.real.now(),
            workspace_id=work.workspace_id,
            correlation_id=work.correlation_id,
            details={"rule": name, "variant": decided.adopted, "studios": changed},
        )
        return {"studios": changed}
