"""A studio's leads, for programs. What belongs here: the shape of what comes and goes; the rules are messaging's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging import erasing, leads, merging, notes, people_store, store
from pilar.messaging.leads import Changes
from webhook_ingest import cursors
from webhook_ingest.deps import Asked, System

_MOMENTS = 100
_PAIRS = 50


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LeadItem(BaseModel):
    """A lead. Whose id was merged into another's answers with that one."""

    id: UUID
    name: str | None
    phone: str | None
    email: str | None
    language: str
    country: str | None
    time_zone: str | None
    tags: list[str]
    properties: dict[str, Any]
    lifecycle: str
    source: str
    created_at: datetime


class LeadFound(LeadItem):
    """A lead with what they allowed: by scope, true where they agreed and false where they withdrew.

    `email_refused` says why no mail reaches their address any more; null: as far as we know it does.
    """

    email_refused: str | None
    consent: dict[str, bool]
    erasure_asked_at: datetime | None
    erased_at: datetime | None


class Leads(BaseModel):
    """Leads, the newest first."""

    items: list[LeadItem]
    next_cursor: str | None


class LeadChanges(_Strict):
    """What is to be changed; what is left out stays. A property that is null is taken away."""

    name: str | None = None
    phone: Annotated[str | None, Field(max_length=40)] = None
    email: Annotated[str | None, Field(max_length=254, description="empty: none is known")] = None
    language: Annotated[str | None, Field(max_length=10)] = None
    time_zone: Annotated[str | None, Field(max_length=64)] = None
    tags: list[str] | None = None
    properties: dict[str, str | int | float | bool | None] = {}
    lifecycle: str | None = None


class NewLead(LeadChanges):
    """A lead whom staff brings; the proofs say what shows that they agreed to marketing, and to e-mail."""

    phone: Annotated[str, Field(max_length=40)]
    consent_proof: Annotated[str, Field(max_length=500)] = ""
    email_consent_proof: Annotated[str, Field(max_length=500)] = ""


class ConsentChange(_Strict):
    """What a lead told the staff."""

    scope: Literal["marketing", "email", "all", "founder"]
    granted: bool
    proof: Annotated[str, Field(max_length=500)]


class NewNote(_Strict):
    """What staff has to say."""

    text: str


class Merge(_Strict):
    """Who is the same person: that lead's id answers with this one's from then on."""

    lead_id: UUID
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class MomentItem(BaseModel):
    """Something that happened; business time."""

    at: datetime
    kind: str
    says: str
    detail: str


class Timeline(BaseModel):
    """What happened with a lead, the newest first."""

    items: list[MomentItem]


class Pair(BaseModel):
    """Two who may be one person."""

    first_id: UUID
    second_id: UUID
    name: str | None
    reason: str


class Pairs(BaseModel):
    """Who may be one person."""

    items: list[Pair]


class Done(BaseModel):
    """Whose it was, and whether anything is new."""

    lead_id: UUID
    is_new: bool


def list_leads(
    app: System,
    workspace_id: UUID,
    search: Annotated[str, Query(max_length=100)] = "",
    tag: Annotated[str, Query(max_length=60)] = "",
    lifecycle: Annotated[str, Query(max_length=20)] = "",
    cursor: cursors.Cursor = None,
    limit: cursors.Limit = 50,
) -> Leads:
    """A studio's leads, the newest first."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        rows = leads.list_leads(
            connection,
            workspace_id,
            search=search,
            tag=tag,
            lifecycle=lifecycle,
            before=cursors.after_id(cursor),
            limit=limit + 1,
        )
    more = cursors.encode(rows[limit - 1].id) if len(rows) > limit else None
    items = [LeadItem.model_validate(row, from_attributes=True) for row in rows[:limit]]
    return Leads(items=items, next_cursor=more)


def new_lead(app: System, caller: Asked, workspace_id: UUID, wanted: NewLead) -> LeadItem:
    """Bring a lead by their number; who is there already is filled in."""
    values = wanted.model_dump(exclude={"consent_proof", "email_consent_proof"})
    with app.database.transaction(Scope.fleet()) as connection:
        row = leads.add(
            connection,
            app.clocks,
            app.people,
            workspace_id,
            Changes(**values),
            actor=caller.principal.actor,
            consent_proof=wanted.consent_proof,
            email_consent_proof=wanted.email_consent_proof,
        )
    return LeadItem.model_validate(row, from_attributes=True)


def get_lead(app: System, workspace_id: UUID, lead_id: UUID) -> LeadFound:
    """A lead; an id that was merged answers with who stayed."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        row = store.get_lead(connection, workspace_id, lead_id)
        consents = store.consents(connection, workspace_id, row.id)
        erasure = people_store.find_erasure(connection, workspace_id, row.id)
    return LeadFound(
        **LeadItem.model_validate(row, from_attributes=True).model_dump(),
        email_refused=row.email_refused,
        consent=consents,
        erasure_asked_at=erasure.asked_at if erasure else None,
        erased_at=erasure.erased_at if erasure else None,
    )


def change_lead(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, wanted: LeadChanges) -> LeadItem:
    """Change what is known of a lead."""
    changes = Changes(**wanted.model_dump())
    with app.database.transaction(Scope.fleet()) as connection:
        row = leads.change(
            connection, app.clocks, app.people, workspace_id, lead_id, changes, actor=caller.principal.actor
        )
    return LeadItem.model_validate(row, from_attributes=True)


def lead_timeline(app: System, workspace_id: UUID, lead_id: UUID, limit: cursors.Limit = _MOMENTS) -> Timeline:
    """What happened with a lead."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        row = store.get_lead(connection, workspace_id, lead_id)
        found = leads.timeline(connection, app.clocks, app.people, workspace_id, row.id, limit)
    return Timeline(items=[MomentItem.model_validate(one, from_attributes=True) for one in found])


def change_consent(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, told: ConsentChange) -> Done:
    """Keep what a lead told the staff about being written to."""
    with app.database.transaction(Scope.fleet()) as connection:
        is_new = leads.allow(
            connection,
            app.clocks,
            app.people,
            workspace_id,
            lead_id,
            told.scope,
            told.granted,
            told.proof,
            actor=caller.principal.actor,
        )
    return Done(lead_id=lead_id, is_new=is_new)


def new_lead_note(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, wanted: NewNote) -> Done:
    """Keep a note about a lead."""
    with app.database.transaction(Scope.fleet()) as connection:
        is_new = notes.add(
            connection,
            app.clocks,
            workspace_id,
            lead_id,
            wanted.text,
            actor=caller.principal.actor,
            form_id=str(new_id()),
        )
    return Done(lead_id=lead_id, is_new=is_new)


def merge_lead(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, wanted: Merge) -> Done:
    """Put another lead into this one."""
    with app.database.transaction(Scope.fleet()) as connection:
        is_new = merging.merge(
            connection,
            app.clocks,
            app.people,
            workspace_id,
            lead_id,
            wanted.lead_id,
            caller.principal.actor,
            wanted.reason,
            Cause.new(),
        )
    return Done(lead_id=lead_id, is_new=is_new)


def likely_pairs(app: System, workspace_id: UUID) -> Pairs:
    """Leads who may be one person, and why."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        rows = people_store.likely_pairs(connection, workspace_id, None, _PAIRS)
    return Pairs(items=[Pair.model_validate(row, from_attributes=True) for row in rows])


def export_lead(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> dict[str, Any]:
    """All that is kept about a lead."""
    with app.database.transaction(Scope.fleet()) as connection:
        return erasing.export(connection, app.clocks, app.people, workspace_id, lead_id, actor=caller.principal.actor)


def erase_lead(app: System, caller: Asked, response: Response, workspace_id: UUID, lead_id: UUID) -> Done:
    """Have a lead erased: it is done as a job. 202 where it is new, 200 where it was asked for before."""
    with app.database.transaction(Scope.fleet()) as connection:
        is_new = erasing.ask(connection, app.clocks, workspace_id, lead_id, actor=caller.principal.actor)
    response.status_code = 202 if is_new else 200
    return Done(lead_id=lead_id, is_new=is_new)
