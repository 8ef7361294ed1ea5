"""Templates at WhatsApp. What belongs here: having them reviewed, and keeping what became of them.

WhatsApp tells by webhook when it has decided; a reading of the whole list makes up for one that was lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import template_store as store
from pilar.messaging.defaults import EXAMPLES
from pilar.messaging.events import SubmitTemplates, TemplateChanged
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.deliveries import TemplateStatus
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

EFFECT = "whatsapp.submit_template"
_VARIABLE = re.compile(r"\{\{\d+\}\}")


def ask_to_submit(connection: Connection, clocks: Clocks, workspace_id: UUID, *, occasion: str, story: Cause) -> None:
    """Have a studio's drafts submitted; the same occasion asks once."""
    job = Job(payload=SubmitTemplates(), key=f"templates:{occasion}", workspace_id=workspace_id)
    enqueue(connection, clocks, [job], story)


def note_status(connection: Connection, clocks: Clocks, workspace_id: UUID, told: TemplateStatus, story: Cause) -> str:
    """Keep what WhatsApp decided about a template; return what became of it, in one word."""
    row = store.find_template(connection, workspace_id, told.name, told.language.partition("_")[0])
    if row is None:
        return "template_unknown"
    _keep(connection, clocks, row, told.event.lower(), told.reason, told.template_id, story)
    return "template"


class TemplateKeeper:
    """Submits templates and reads how they stand."""

    def __init__(
        self, database: Database, clocks: Clocks, graph: GraphClient, ledger: EffectLedger, box: SecretBox
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._ledger = ledger
        self._box = box

    def on_job(self, work: Work[SubmitTemplates]) -> dict[str, int]:
        """The job's handler."""
        if work.workspace_id is None:
            raise Permanent("Templates belong to a studio.")
        return self.submit(work.workspace_id, work.cause)

    def submit(self, workspace_id: UUID, story: Cause) -> dict[str, int]:
        """Submit what is still a draft, read how all of them stand, and return how many are in which state.

        Raises:
            Permanent: the studio has no WhatsApp account, or WhatsApp won't have a template.
            Transient: WhatsApp does not answer.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            drafts = store.templates_of(connection, workspace_id, state="draft")
            account = workspaces.get_integration(connection, workspace_id, "whatsapp")
        if account is None or account.external_id is None:
            raise Permanent("The studio has no WhatsApp account yet.")
        token = unseal(self._box, account)["access_token"]
        for draft in drafts:
            self._submit_one(token, account.external_id, draft, story)
        known = {
            (one.name, one.language.partition("_")[0]): one for one in self._graph.templates(token, account.external_id)
        }
        counts: Counter[str] = Counter()
        with self._database.transaction(Scope.fleet()) as connection:
            for row in store.templates_of(connection, workspace_id):
                there = known.get((row.name, row.language))
                if there is not None:
                    _keep(connection, self._clocks, row, there.status.lower(), there.reason, there.id, story)
                counts[there.status.lower() if there else row.state] += 1
        return dict(counts)

    def _submit_one(self, token: str, account_id: str, draft: Row[Any], story: Cause) -> None:
        def call() -> Mapping[str, Any]:
            made = self._graph.submit_template(
                token,
                account_id,
                name=draft.name,
                language=draft.language,
                category=draft.category,
                body=draft.body,
                examples=EXAMPLES[: len(set(_VARIABLE.findall(draft.body)))],
            )
            return {"id": made.id, "status": made.status}

        self._ledger.perform(
            Effect(
                kind=EFFECT,
                key=f"{account_id}:{draft.name}:{draft.language}",
                call=call,
                find=lambda: find_template(self._graph, token, account_id, draft.name, draft.language),
                workspace_id=draft.workspace_id,
                correlation_id=story.correlation_id,
            )
        )


def find_template(
    graph: GraphClient, token: str, account_id: str, name: str, language: str
) -> Mapping[str, Any] | None:
    """A template as it was submitted to an account; None where it is not there."""
    same = (one for one in graph.templates(token, account_id) if (one.name, one.language) == (name, language))
    return next(({"id": one.id, "status": one.status} for one in same), None)


def _keep(
    connection: Connection,
    clocks: Clocks,
    row: Row[Any],
    state: str,
    reason: str | None,
    provider_id: str,
    story: Cause,
) -> None:
    if (row.state, row.provider_id) == (state, provider_id):
        return
    values = {"state": state, "reason": reason, "provider_id": provider_id}
    store.change_template(connection, row.workspace_id, row.id, values)
    if row.state != state:
        event = Event(
            payload=TemplateChanged(template_id=row.id, state=state),
            key=f"{row.id}:{state}:{clocks.business.now().isoformat()}",
            aggregate=("message_template", str(row.id)),
            workspace_id=row.workspace_id,
        )
        emit(connection, clocks, [event], story)
