"""The session-window monitor. What belongs here: telling of windows that close on a lead who waits, and the last text.

A lead who writes opens a window of 24 hours in which free text may go; when it closes on a lead whom nobody has
answered, only a template, which costs and needs consent, can reach them. So staff are shown those that close soon, and
where the studio wants it, a last free text goes. Each window is told of once as closing and once as closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Event, Lane, emit
from pilar.clocks import Clocks
from pilar.messaging import store, window_store
from pilar.messaging.events import SessionWindowClosed, SessionWindowClosing
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.fleet import load_configurations

SOON = timedelta(hours=2)
"""How long before it closes a window is told of."""
LONGEST = timedelta(hours=12)
"""How long before it closes a last text may go, at most (`LastText`)."""
MISSED = timedelta(hours=24)
"""How long after it closed a window is still noticed, should nobody have looked meanwhile."""
LAST_TEXT = "window:last_text"
"""The origin of a last text."""


@dataclass(frozen=True)
class Watched:
    """What a look did: windows told of as closing, told of as closed, and last texts that were queued."""

    closing: int
    closed: int
    texts: int


def watch(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> Watched:
    """Look at the windows of these studios.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: whose.

    Raises:
        ValidationError: a studio's configuration can't be read; nothing is done for any of them.
    """
    now, story = clocks.business.now(), Cause.new()
    window_store.notice_windows(connection, studios, now, ahead=LONGEST, missed=MISSED)
    ended = window_store.end_windows(connection, studios, now)
    closing = window_store.tell_closing(connection, studios, now, SOON)
    closed = [row for row in ended if row.ended == "closed"]
    events = [_event(SessionWindowClosing, row) for row in closing] + [
        _event(SessionWindowClosed, row) for row in closed
    ]
    emit(connection, clocks, events, story)
    wanting = window_store.wanting_text(connection, studios, now)
    documents = load_configurations(connection, {row.workspace_id for row in wanting})
    texts = sum(_last_text(connection, clocks, row, documents, story) for row in wanting)
    return Watched(len(closing), len(closed), texts)


def _event(payload: type[SessionWindowClosing | SessionWindowClosed], row: Row[Any]) -> Event:
    return Event(
        payload=payload(lead_id=row.lead_id, closes_at=row.closes_at),
        key=f"{row.lead_id}:{row.opened_at.isoformat()}",
        aggregate=("lead", str(row.lead_id)),
        workspace_id=row.workspace_id,
    )


def _last_text(
    connection: Connection, clocks: Clocks, row: Row[Any], documents: Mapping[UUID, StudioConfiguration], story: Cause
) -> int:
    document = documents.get(row.workspace_id)
    rule = document.operator.policies.whatsapp.last_text if document else None
    if document is None or rule is None:
        return 0
    words = rule.texts.get(row.language) or rule.texts.get(document.studio.language)
    if words is None or row.closes_at - clocks.business.now() > timedelta(minutes=rule.minutes_before):
        return 0
    # Whoever decides about a lead holds the lead: since it was looked for, they may have been answered.
    lead = store.lock_lead(connection, row.workspace_id, row.lead_id)
    thread = store.find_conversation(connection, row.workspace_id, lead.id)
    if lead.id != row.lead_id or thread is None or thread.mode != "bot" or thread.unread == 0:
        return 0
    message = NewMessage(
        lead_id=lead.id,
        category="service",
        origin=LAST_TEXT,
        cause=f"window:{row.lead_id}:{row.opened_at.isoformat()}",
        text=words,
        lane=Lane.DEFAULT,
    )
    stored = queue_message(connection, clocks, row.workspace_id, message, story)
    if stored is None:
        return 0
    window_store.keep_text(connection, row, stored)
    return 1
