"""The shared inbox, for programs and apps. What belongs here: the shape of what comes and goes; messaging acts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.messaging import assigning, conversations, notes, overview, refusals
from pilar.messaging.outbox import LONGEST_TEXT
from webhook_ingest import cursors
from webhook_ingest.dashboards.conversations import Who, wanted
from webhook_ingest.deps import Asked, System

_MESSAGES = 100


class ConversationItem(BaseModel):
    """A thread of the list; times are business time, `window_closes_at` is null where only templates may go."""

    lead_id: UUID
    name: str
    phone: str | None
    mode: str
    mode_reason: str
    unread: int
    assigned_to: UUID | None
    waits: bool
    is_unclear: bool
    last_words: str | None
    last_kind: str | None
    last_is_ours: bool
    last_message_at: datetime
    window_closes_at: datetime | None


class ConversationList(BaseModel):
    """Threads, those that wait for a person first; `next_cursor` is null on the last page."""

    items: list[ConversationItem]
    next_cursor: str | None


class MessageItem(BaseModel):
    """A message; `details`: what it holds beside words, `file`: how its file stands, `why`: what kept ours back."""

    id: UUID
    is_ours: bool
    origin: str
    kind: str
    channel: str
    words: str | None
    template: str | None
    state: str
    written_at: datetime
    why: list[str]
    details: dict[str, Any]
    file: str | None
    edited_at: datetime | None
    deleted_at: datetime | None


class RefusalItem(BaseModel):
    """A message that may be a refusal: `state` is model or person (who is to tell) or settled.

    `found` is what it refuses (all, marketing or none), `told_by` who told, `answer` what the model answered.
    """

    message_id: UUID
    state: str
    why_person: str | None
    found: str | None
    told_by: str | None
    model: str | None
    answer: str | None
    settled_at: datetime | None


class NoteItem(BaseModel):
    """A note of the staff's; `author` is the actor, as in the audit log."""

    id: UUID
    author: str
    text: str
    written_at: datetime


class ConversationDetail(BaseModel):
    """A thread; `objection` says why nobody can answer in their own words now. Messages: the oldest first."""

    lead_id: UUID
    name: str
    phone: str | None
    language: str
    mode: str
    mode_since: datetime
    mode_reason: str
    assigned_to: UUID | None
    opted_out: str | None
    window_closes_at: datetime | None
    objection: str | None
    messages: list[MessageItem]
    refusals: list[RefusalItem]
    notes: list[NoteItem]
    older_than: UUID | None


class TemplateItem(BaseModel):
    """A template that may be written with; `preview` is what the lead would read."""

    name: str
    language: str
    category: str
    preview: str


class TemplateList(BaseModel):
    """The approved templates, filled in for a lead."""

    items: list[TemplateItem]


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewAnswer(_Wanted):
    """What to say."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class NewTemplateAnswer(_Wanted):
    """By which template to write."""

    name: Annotated[str, Field(min_length=1, max_length=100)]


class RefusalTold(_Wanted):
    """Whether a message refuses to be written to; who does wants no messages at all."""

    refuses: bool


class Assignee(_Wanted):
    """One of the studio's people; null: nobody."""

    person_id: UUID | None


class NewNote(_Wanted):
    """What the staff should know."""

    text: Annotated[str, Field(min_length=1, max_length=notes.LONGEST_NOTE)]


class Queued(BaseModel):
    """The message that was put into the outbox; whether it goes is decided when it is handed over."""

    message_id: UUID | None


class Changed(BaseModel):
    """Whether anything is otherwise now."""

    changed: bool


def list_conversations(
    app: System,
    caller: Asked,
    workspace_id: UUID,
    who: Who = "all",
    cursor: cursors.Cursor = None,
    limit: cursors.Limit = 50,
) -> ConversationList:
    """A studio's conversations: all, or those of a person, the bot, oneself, nobody, or with something left unclear."""
    me = caller.principal.person_id
    if who == "mine" and me is None:
        raise Invalid("Only a person has conversations of their own: sign in as one, or leave `who` out.")
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = overview.list_conversations(
            connection,
            workspace_id,
            app.clocks.business.now(),
            after=cursors.after_place(cursor),
            limit=limit + 1,
            **wanted(who, me),
        )
    items = [ConversationItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    more = cursors.place(*found[limit - 1].place) if len(found) > limit else None
    return ConversationList(items=items, next_cursor=more)


def get_conversation(
    app: System, workspace_id: UUID, lead_id: UUID, older_than: UUID | None = None
) -> ConversationDetail:
    """A conversation with its newest messages, or with those before one."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        now = app.clocks.business.now()
        shown = overview.thread(connection, workspace_id, lead_id, now, older_than=older_than, limit=_MESSAGES)
        noted = overview.notes(connection, workspace_id, lead_id)
    told: Mapping[str, Any] = {name: getattr(shown, name) for name in shown.__dataclass_fields__}
    return ConversationDetail.model_validate({**told, "notes": noted}, from_attributes=True)


def new_answer(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, answer: NewAnswer) -> Queued:
    """Answer a lead in one's own words."""
    with app.database.transaction(Scope.fleet()) as connection:
        queued = conversations.answer(
            connection, app.clocks, workspace_id, lead_id, answer.text, caller.principal.actor, form_id=str(new_id())
        )
    return Queued(message_id=queued)


def list_templates(app: System, workspace_id: UUID, lead_id: UUID) -> TemplateList:
    """The approved templates, filled in for a lead."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = overview.template_choices(connection, workspace_id, lead_id)
    return TemplateList(items=[TemplateItem.model_validate(one, from_attributes=True) for one in found])


def new_template_answer(
    app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, chosen: NewTemplateAnswer
) -> Queued:
    """Write to a lead by a template."""
    with app.database.transaction(Scope.fleet()) as connection:
        queued = conversations.answer_by_template(
            connection, app.clocks, workspace_id, lead_id, chosen.name, caller.principal.actor, form_id=str(new_id())
        )
    return Queued(message_id=queued)


def tell_refusal(
    app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, message_id: UUID, told: RefusalTold
) -> Changed:
    """Tell whether what a lead wrote refuses to be written to."""
    with app.database.transaction(Scope.fleet()) as connection:
        refusals.answer(
            connection, app.clocks, workspace_id, lead_id, message_id, caller.principal.actor, app.people,
            refuses=told.refuses,
        )  # fmt: skip
    return Changed(changed=True)


def take_over(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> Changed:
    """Have a person answer from now on."""
    with app.database.transaction(Scope.fleet()) as connection:
        done = conversations.take_over(connection, app.clocks, workspace_id, lead_id, caller.principal.actor)
    return Changed(changed=done)


def hand_back(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> Changed:
    """Have the bot answer from now on."""
    with app.database.transaction(Scope.fleet()) as connection:
        done = conversations.hand_back(connection, app.clocks, workspace_id, lead_id, caller.principal.actor)
    return Changed(changed=done)


def assign(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, assignee: Assignee) -> Changed:
    """Have somebody see to a conversation, or nobody."""
    actor = caller.principal.actor
    with app.database.transaction(Scope.fleet()) as connection:
        done = assigning.assign(connection, app.clocks, workspace_id, lead_id, assignee.person_id, actor)
    return Changed(changed=done)


def new_note(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, note: NewNote) -> Changed:
    """Keep a note for the staff."""
    with app.database.transaction(Scope.fleet()) as connection:
        done = notes.add(
            connection,
            app.clocks,
            workspace_id,
            lead_id,
            note.text,
            actor=caller.principal.actor,
            form_id=str(new_id()),
        )
    return Changed(changed=done)
