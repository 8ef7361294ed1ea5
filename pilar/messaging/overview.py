"""Conversations and messages as pages show them. What belongs here: reading, and no rule beyond what words a row gets.

Everything is read as it stands at that moment, in the studio's own scope: people answer here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.errors import NotFound
from pilar.messaging import (
    media_store,
    note_store,
    page_store,
    refusal_store,
    states,
    store,
    template_store,
    window_store,
)
from pilar.messaging.facts import opted_out_scope, window_closes_at
from pilar.messaging.number_test import STAFF
from pilar.messaging.template_choices import TemplateChoice, choices, filled
from pilar.messaging.verdict import objection_to_answer
from pilar.messaging.windows import SOON

Mode = Literal["bot", "person"]
Place = tuple[bool, datetime, UUID]
"""Where a thread stands in the list: whether it waits for a person, when its last message was, whose it is."""


@dataclass(frozen=True)
class Conversation:
    """A thread as the list shows it; times are business time.

    Attributes:
        lead_id: whose it is.
        name: what to call them.
        phone: E.164, if it is known.
        is_staff: it is the owner's, who gets test messages.
        mode: who answers: bot or person.
        mode_reason: why they do.
        unread: the lead's messages since somebody last answered.
        assigned_to: the person who sees to it, if one does.
        waits: a person has to answer.
        is_unclear: a person has to tell whether what they wrote refuses to be written to.
        last_words: of the newest message; None: it has none.
        last_kind: what the newest message is, where it has no words.
        last_is_ours: we wrote it.
        last_state: where it stands.
        last_message_at: when it was written.
        window_closes_at: until when free text is allowed; None: it is not.
    """

    lead_id: UUID
    name: str
    phone: str | None
    is_staff: bool
    mode: str
    mode_reason: str
    unread: int
    assigned_to: UUID | None
    waits: bool
    is_unclear: bool
    last_words: str | None
    last_kind: str | None
    last_is_ours: bool
    last_state: str | None
    last_message_at: datetime
    window_closes_at: datetime | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return self.waits, self.last_message_at, self.lead_id


@dataclass(frozen=True)
class ThreadMessage:
    """A message in its thread.

    Attributes:
        id: ours.
        is_ours: we wrote it.
        origin: who wrote, as the message's row has it.
        kind: what it is, where it has no words.
        words: its text, or its template's with the variables filled in.
        template: the template's name, where it is or will be one.
        state: where it stands.
        written_at: business time.
        statuses: what the provider told, with its times, the oldest first.
        why: sentences on why it was not sent; none where it was, or still may be.
        details: what a lead's message holds beside words: choice, file, place, reaction, contacts.
        file: how its file stands (kept, waiting, too_large, gone, refused); None: it has none.
        file_size: bytes, where they are known.
        edited_at: when its writer changed it.
        deleted_at: when its writer took it back.
    """

    id: UUID
    is_ours: bool
    origin: str
    kind: str
    channel: str
    words: str | None
    template: str | None
    state: str
    written_at: datetime
    statuses: tuple[tuple[str, datetime], ...]
    why: tuple[str, ...]
    details: Mapping[str, Any]
    file: str | None
    file_size: int | None
    edited_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True)
class MaybeRefusal:
    """How it stands with a lead's message that may be a refusal; its columns are described with the table."""

    message_id: UUID
    state: str
    why_person: str | None
    found: str | None
    told_by: str | None
    model: str | None
    answer: str | None
    settled_at: datetime | None


@dataclass(frozen=True)
class Thread:
    """A conversation with a lead; times are business time.

    Attributes:
        lead_id: with whom.
        name: what to call them.
        phone: E.164, if it is known.
        email: if it is known.
        language: ISO 639-1.
        country: ISO 3166 alpha-2, of the number.
        is_staff: it is the owner's, who gets test messages.
        mode: who answers: bot or person.
        mode_since: since when.
        mode_reason: why.
        assigned_to: the person who sees to it, if one does.
        opted_out: the widest scope that they withdrew.
        opted_in: they agreed to marketing.
        window_closes_at: until when free text is allowed; None: it is not.
        objection: why nobody can answer them in their own words now; None: one can.
        messages: the oldest first.
        refusals: those of them that may be refusals, or were, in words that no rule knows.
        older_than: what `thread` takes to show the ones before; None: there are none.
    """

    lead_id: UUID
    name: str
    phone: str | None
    email: str | None
    language: str
    country: str | None
    is_staff: bool
    mode: str
    mode_since: datetime
    mode_reason: str
    assigned_to: UUID | None
    opted_out: str | None
    opted_in: bool
    window_closes_at: datetime | None
    objection: str | None
    messages: tuple[ThreadMessage, ...]
    refusals: tuple[MaybeRefusal, ...]
    older_than: UUID | None


@dataclass(frozen=True)
class Note:
    """What somebody of the staff noted; `author` is the actor, as in the audit log."""

    id: UUID
    author: str
    text: str
    written_at: datetime


@dataclass(frozen=True)
class DayOfMessages:
    """A day of a studio (UTC, business time) as it was last counted; nothing was counted: zeros."""

    day: date
    messages_in: int = 0
    messages_out: int = 0
    replies: int = 0
    refused: int = 0
    failed: int = 0
    opted_out: int = 0
    reply_p50_ms: int | None = None
    refreshed_at: datetime | None = None


def list_conversations(
    connection: Connection,
    workspace_id: UUID,
    now: datetime,
    *,
    mode: Mode | None,
    after: Place | None,
    limit: int,
    assigned_to: UUID | None = None,
    is_unassigned: bool = False,
    is_closing: bool = False,
    is_unclear: bool = False,
) -> list[Conversation]:
    """A studio's threads: those that wait for a person first, then the newest.

    Args:
        connection: a transaction that sees the studio.
        workspace_id: the studio's.
        now: business time.
        mode: whom the bot or a person answers; None: both.
        after: the place of the last thread of the page before.
        limit: how many at most.
        assigned_to: only those that this person sees to.
        is_unassigned: only those that nobody sees to.
        is_closing: only those whose lead waits while the 24-hour window closes soon.
        is_unclear: only those whose lead wrote what a person has to tell of whether it refuses.
    """
    closing = window_store.is_closing(now, SOON) if is_closing else None
    unclear = refusal_store.waits_for_person()
    rows = page_store.list_conversations(
        connection, workspace_id, mode=mode, after=after, limit=limit,
        assigned_to=assigned_to, is_unassigned=is_unassigned, closing=closing, unclear=unclear, is_unclear=is_unclear,
    )  # fmt: skip
    return [
        Conversation(
            lead_id=row.lead_id,
            name=_name(row),
            phone=row.phone,
            is_staff=row.lifecycle == STAFF,
            mode=row.mode,
            mode_reason=row.mode_reason,
            unread=row.unread,
            assigned_to=row.assigned_to,
            waits=row.waits,
            is_unclear=row.is_unclear,
            last_words=row.last_text,
            last_kind=row.last_template or row.last_kind,
            last_is_ours=row.last_direction == "out",
            last_state=row.last_state,
            last_message_at=row.last_message_at,
            window_closes_at=_open_until(row, now),
        )
        for row in rows
    ]


def count_closing(connection: Connection, workspace_id: UUID, now: datetime) -> int:
    """How many leads wait while their 24-hour window closes soon."""
    return window_store.count_closing(connection, workspace_id, now, SOON)


def count_unclear(connection: Connection, workspace_id: UUID) -> int:
    """How many leads have written what a person has to tell of whether it refuses."""
    return refusal_store.count_waiting(connection, workspace_id)


def count_conversations(connection: Connection, workspace_id: UUID) -> dict[str, int]:
    """How many threads there are: `bot`, `person`, and `waits`, those of the latter that nobody has answered yet."""
    return page_store.count_conversations(connection, workspace_id)


def count_assigned(connection: Connection, workspace_id: UUID, person_id: UUID | None) -> dict[str, int]:
    """How many threads that person sees to (`mine`), and how many a person is to answer and nobody sees to."""
    return page_store.count_assigned(connection, workspace_id, person_id)


def notes(connection: Connection, workspace_id: UUID, lead_id: UUID, *, limit: int = 50) -> list[Note]:
    """What the staff noted about a lead, the newest first; raise `NotFound` where this scope sees no such lead."""
    lead = store.get_lead(connection, workspace_id, lead_id)
    rows = note_store.notes_of(connection, workspace_id, lead.id, limit)
    return [Note(row.id, row.written_by, row.text, row.written_at) for row in rows]


def template_choices(connection: Connection, workspace_id: UUID, lead_id: UUID) -> list[TemplateChoice]:
    """The templates that staff may write to a lead with, filled in."""
    return choices(connection, workspace_id, store.get_lead(connection, workspace_id, lead_id))


def thread(
    connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime, *, older_than: UUID | None, limit: int
) -> Thread:
    """A conversation with its newest messages.

    Args:
        connection: a transaction that sees the studio.
        workspace_id: the studio's.
        lead_id: with whom.
        now: business time.
        older_than: only what was written before this message.
        limit: how many messages at most.

    Raises:
        NotFound: this scope sees no such lead, or nothing was ever written.
    """
    lead = store.get_lead(connection, workspace_id, lead_id)
    lead_id = lead.id
    row = store.find_conversation(connection, workspace_id, lead_id)
    if row is None:
        raise NotFound("There is no conversation with this lead yet.")
    consents = store.consents(connection, workspace_id, lead_id)
    found = page_store.messages_of(connection, workspace_id, lead_id, before=older_than, limit=limit + 1)
    shown = found[-limit:]
    opted_out = opted_out_scope(consents)
    return Thread(
        lead_id=lead_id,
        name=_name(lead),
        phone=lead.phone,
        email=lead.email,
        language=lead.language,
        country=lead.country,
        is_staff=lead.lifecycle == STAFF,
        mode=row.mode,
        mode_since=row.mode_since,
        mode_reason=row.mode_reason,
        assigned_to=row.assigned_to,
        opted_out=opted_out,
        opted_in=consents.get("marketing") is True,
        window_closes_at=_open_until(row, now),
        objection=objection_to_answer(opted_out, window_closes_at(row), now),
        messages=_messages(connection, workspace_id, lead.language, shown),
        refusals=_refusals(connection, workspace_id, [one.id for one in shown]),
        older_than=shown[0].id if len(found) > limit else None,
    )


def _refusals(connection: Connection, workspace_id: UUID, messages: Sequence[UUID]) -> tuple[MaybeRefusal, ...]:
    names = tuple(MaybeRefusal.__dataclass_fields__)
    found = refusal_store.of_messages(connection, workspace_id, messages)
    return tuple(MaybeRefusal(**{name: getattr(row, name) for name in names}) for row in found)


def last_days(connection: Connection, workspace_id: UUID, today: date, *, days: int) -> list[DayOfMessages]:
    """A studio's numbers of the last days, today's included, the oldest first; each day has an entry."""
    first = today - timedelta(days=days - 1)
    counted = {row.day: row for row in page_store.days_of(connection, workspace_id, first)}
    names = tuple(DayOfMessages.__dataclass_fields__)
    wanted = (first + timedelta(days=number) for number in range(days))
    return [
        DayOfMessages(**{name: getattr(counted[day], name) for name in names}) if day in counted else DayOfMessages(day)
        for day in wanted
    ]


def _messages(
    connection: Connection, workspace_id: UUID, language: str, rows: Sequence[Row[Any]]
) -> tuple[ThreadMessage, ...]:
    statuses: dict[UUID, list[tuple[str, datetime]]] = {}
    for told in page_store.statuses_of(connection, workspace_id, [row.id for row in rows]):
        statuses.setdefault(told.message_id, []).append((told.status, told.at))
    files = media_store.states_of(connection, workspace_id, [row.id for row in rows])
    bodies: dict[tuple[str, str], str] = {}
    if any(row.template_name for row in rows):
        bodies = {(one.name, one.language): one.body for one in template_store.templates_of(connection, workspace_id)}
    return tuple(
        ThreadMessage(
            id=row.id,
            is_ours=row.direction == "out",
            origin=row.origin,
            kind=row.kind,
            channel=row.channel,
            words=_words(row, language, bodies),
            template=row.template_name if row.kind == "template" else None,
            state=row.state,
            written_at=row.occurred_at,
            statuses=tuple(statuses.get(row.id, ())),
            why=_why(row),
            details=row.details or {},
            file=files[row.id].state if row.id in files else None,
            file_size=files[row.id].size if row.id in files else None,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
        )
        for row in rows
    )


def _words(row: Row[Any], language: str, bodies: Mapping[tuple[str, str], str]) -> str | None:
    if row.kind != "template" and (row.text is not None or row.template_name is None):
        text: str | None = row.text
        return text
    spoken = (row.template_language, language, "en")
    body = next((bodies[row.template_name, one] for one in spoken if (row.template_name, one) in bodies), None)
    return filled(body, row.template_parameters or ()) if body is not None else None


def _why(row: Row[Any]) -> tuple[str, ...]:
    """Why a message of ours was not sent, in the words of what kept it back."""
    if row.state in (states.REFUSED, states.HELD) and row.verdict is not None:
        return tuple(reason["sentence"] for reason in row.verdict["decision"]["reasons"])
    if row.state == states.DRY_RUN:
        return ("A dry run was in force: it was decided that this may go, and it was not sent.",)
    if row.state == states.UNKNOWN:
        return ("The provider did not say whether it took the message. It is asked, or tells by itself.",)
    if row.state in (states.CANCELLED, states.FAILED) and row.error:
        return (f"{row.error} (code {row.error_code})" if row.error_code else row.error,)
    return ()


def _name(lead: Row[Any]) -> str:
    name: str = lead.name or lead.phone or "Somebody without a name"
    return name


def _open_until(conversation: Row[Any], now: datetime) -> datetime | None:
    closes = window_closes_at(conversation)
    return closes if closes is not None and closes > now else None
