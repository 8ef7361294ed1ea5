"""Templates at WhatsApp. What belongs here: having them reviewed, and keeping what became of them.

WhatsApp tells by webhook when it has decided, in any order and with the moment of its decision; a reading of the whole
list makes up for one that was lost, and settles what the moments leave open (`news.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
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
from pilar.ids import new_id
from pilar.messaging import template_store as store
from pilar.messaging import template_sync
from pilar.messaging.defaults import EXAMPLES
from pilar.messaging.events import ReleaseHeld, SubmitTemplates, TemplateChanged
from pilar.messaging.news import age_of, newest
from pilar.messaging.purposes import PAUSED, UNDECIDED, variables_of
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.deliveries import TemplateStatus
from pilar.providers.whatsapp.template_shapes import WhatsAppTemplate
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

EFFECT = "whatsapp.submit_template"
REFUSED = "REJECTED"
"""Meta's word for a template that it won't have."""
STATES = {"REINSTATED": "approved"}
"""Events whose name is not that of the state they lead to."""
HINTS = ("FLAGGED",)
"""Events that change no state by themselves."""
PAUSES = {"FIRST_PAUSE": timedelta(hours=3), "SECOND_PAUSE": timedelta(hours=6)}
"""How long a template rests for its quality; after the second pause it is disabled (WhatsApp's template pacing)."""
LONGEST_PAUSE = timedelta(hours=6)
AFTERWARDS = timedelta(minutes=10)
"""How long after a pause's end the webhook that tells it is waited for."""
OVERDUE = timedelta(hours=1)
"""When to look again at a pause that lasts longer than it should."""


def ask_to_submit(connection: Connection, clocks: Clocks, workspace_id: UUID, *, occasion: str, story: Cause) -> None:
    """Have a studio's drafts submitted and its templates read; the same occasion asks once, and so do many at once."""
    job = Job(
        payload=SubmitTemplates(), key=f"templates:{occasion}", workspace_id=workspace_id, unique_key="templates:now"
    )
    enqueue(connection, clocks, [job], story)


def note_status(
    connection: Connection, clocks: Clocks, workspace_id: UUID, told: TemplateStatus, story: Cause, *, occasion: str
) -> str:
    """Keep what WhatsApp decided about a template, if it is the newest; return what became of it, in one word.

    Args:
        connection: the transaction of the delivery.
        clocks: both clocks.
        workspace_id: the studio.
        told: what it decided.
        story: what follows refers to.
        occasion: the delivery's name: where it can't be told what is newer, WhatsApp is asked once for each.
    """
    row = store.find_spoken(connection, workspace_id, told.name, told.language, hold=True)
    if row is None:
        return "template_unknown"
    # What is under review is decided next, whenever it was read.
    age = age_of(told.at, row.told_at, None if row.state in UNDECIDED else row.read_at)
    if age == "older":
        return "template_older"
    state = STATES.get(told.event, told.event.lower())
    if age == "unclear" and (state, told.template_id) == (row.state, row.provider_id):
        _refine(connection, clocks, row, told, story)
        return "template"
    if age == "unclear" or told.event in HINTS:
        ask_to_submit(connection, clocks, workspace_id, occasion=f"{occasion}:{row.id}", story=story)
        return "templates_asked_for"
    now = clocks.business.now()
    until = _end_of_pause(told, told.at or now) if state == PAUSED else None
    values = {
        "state": state,
        "reason": told.reason,
        "provider_id": told.template_id,
        "told_at": told.at,
        "heard_at": now,
        "paused_until": until,
    }
    _keep(connection, clocks, row, values, story)
    return "template"


def _refine(connection: Connection, clocks: Clocks, row: Row[Any], told: TemplateStatus, story: Cause) -> None:
    """Take a pause's end from news that agree with what was read: a reading doesn't say which pause it is."""
    if row.state == PAUSED and told.at is not None and told.title in PAUSES:
        until = _end_of_pause(told, told.at)
        _keep(connection, clocks, row, {"state": PAUSED, "told_at": told.at, "paused_until": until}, story)


def _end_of_pause(told: TemplateStatus, begun: datetime) -> datetime:
    return begun + PAUSES.get(told.title or "", LONGEST_PAUSE)


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
        handed_in = {(one.id, one.body) for one in drafts}
        begun = self._clocks.business.now()
        listed = self._graph.templates(token, account.external_id)
        known = template_sync.by_name(listed)
        counts: Counter[str] = Counter()
        with self._database.transaction(Scope.fleet()) as connection:
            as_before: list[UUID] = []
            for row in store.templates_of(connection, workspace_id, hold=True):
                there = known.get((row.name, row.language))
                # One that was mended since is handed in next: what was said of its old text does not count.
                is_handed_in = row.state != "draft" or (row.id, row.body) in handed_in
                values = _as_read(row, there, begun) if there is not None and is_handed_in else None
                if values is not None and all(getattr(row, name) == value for name, value in values.items()):
                    as_before.append(row.id)
                elif values is not None:
                    _keep(connection, self._clocks, row, {**values, "read_at": begun}, story)
                counts[there.status.lower() if there else row.state] += 1
            store.note_read(connection, workspace_id, as_before, begun)
            for row in template_sync.take_in(connection, workspace_id, listed, begun):
                values = {"state": template_sync.GONE, "reason": template_sync.WHY_GONE, "read_at": begun}
                _keep(connection, self._clocks, row, values | {"paused_until": None}, story)
        return dict(counts)

    def _submit_one(self, token: str, account_id: str, draft: Row[Any], story: Cause) -> None:
        key, examples = f"{account_id}:{draft.name}:{draft.language}", EXAMPLES[: len(variables_of(draft.body))]

        def submit() -> Mapping[str, Any]:
            made = self._graph.submit_template(
                token,
                account_id,
                name=draft.name,
                language=draft.language,
                category=draft.category,
                body=draft.body,
                examples=examples,
                buttons=draft.buttons or (),
            )
            return {"id": made.id, "status": made.status}

        def edit() -> Mapping[str, Any]:
            self._graph.edit_template(
                token, draft.provider_id, body=draft.body, examples=examples, buttons=draft.buttons or ()
            )
            return {"id": draft.provider_id, "status": "PENDING"}

        def find() -> Mapping[str, Any] | None:
            there = find_template(self._graph, token, account_id, draft.name, draft.language)
            # A mended one that is still rejected was not handed in.
            return None if there and is_mended and there["status"] == REFUSED else there

        # One that has an id was reviewed before: its other text is another effect.
        is_mended = draft.provider_id is not None
        self._ledger.perform(
            Effect(
                kind=EFFECT,
                key=f"{key}:{sha256(draft.body.encode()).hexdigest()[:16]}" if is_mended else key,
                call=edit if is_mended else submit,
                find=find,
                workspace_id=draft.workspace_id,
                correlation_id=story.correlation_id,
            )
        )


def _as_read(row: Row[Any], there: WhatsAppTemplate, begun: datetime) -> dict[str, Any] | None:
    """What a template's row holds after it was read so; None where something newer is known since we asked."""
    since = newest(row.heard_at, row.read_at)
    if since is not None and since > begun:
        return None
    state, until = there.status.lower(), None
    if state == PAUSED:
        until = row.paused_until or begun + PAUSES["FIRST_PAUSE"]
        until = until if until > begun else begun + OVERDUE
    return {"state": state, "reason": there.reason, "provider_id": there.id, "paused_until": until}


def find_template(
    graph: GraphClient, token: str, account_id: str, name: str, language: str
) -> Mapping[str, Any] | None:
    """A template as it was submitted to an account; None where it is not there."""
    same = (one for one in graph.templates(token, account_id) if (one.name, one.language) == (name, language))
    return next(({"id": one.id, "status": one.status} for one in same), None)


def _keep(connection: Connection, clocks: Clocks, row: Row[Any], values: Mapping[str, Any], story: Cause) -> None:
    store.change_template(connection, row.workspace_id, row.id, values)
    state, until = values["state"], values["paused_until"]
    if until is not None and until != row.paused_until:
        # Should the news of the pause's end get lost, WhatsApp is asked.
        look = Job(
            payload=SubmitTemplates(),
            key=f"templates:pause:{row.id}:{until.isoformat()}",
            workspace_id=row.workspace_id,
            due_at=until + AFTERWARDS,
            business_time=True,
        )
        enqueue(connection, clocks, [look], story)
    if row.state == state:
        return
    if row.state == PAUSED:
        held = Job(
            payload=ReleaseHeld(workspace_id=row.workspace_id, control_id=new_id()), key=f"resumed:{row.id}:{new_id()}"
        )
        enqueue(connection, clocks, [held], story)
    event = Event(
        payload=TemplateChanged(template_id=row.id, state=state),
        key=f"{row.id}:{state}:{clocks.business.now().isoformat()}",
        aggregate=("message_template", str(row.id)),
        workspace_id=row.workspace_id,
    )
    emit(connection, clocks, [event], story)
