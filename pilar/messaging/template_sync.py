"""Templates as WhatsApp lists them. What belongs here: adopting those made there, marking those gone, their quality.

What does not: having ours reviewed and keeping what was decided (`templates.py`). A template that was made at WhatsApp,
by its own pages or another program, is shown and may be written with; its text is WhatsApp's and not changed here, and
it is no part of the studio's configuration. One that is listed no more keeps its row: messages refer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import template_store as store
from pilar.messaging.events import SubmitTemplates
from pilar.messaging.news import newest
from pilar.messaging.purposes import VARIABLE, variables_of, without_country
from pilar.messaging.template_rules import VALUES
from pilar.providers.whatsapp.template_shapes import WhatsAppTemplate
from pilar.workspaces import store as workspaces

DRAFT, GONE = "draft", "deleted"
WHY_GONE = "WhatsApp does not list it any more: it was deleted there."
SPREAD = timedelta(hours=1)
"""Over which the readings of all studios are spread: WhatsApp counts an app's requests by the hour."""
Known = Mapping[tuple[str, str], WhatsAppTemplate]


def by_name(listed: Sequence[WhatsAppTemplate]) -> Known:
    """Templates by name and language: as WhatsApp writes it and, where nothing else is so called, without country."""
    whole = {(one.name, one.language): one for one in listed}
    return {(one.name, without_country(one.language)): one for one in listed} | whole


def take_in(
    connection: Connection, workspace_id: UUID, listed: Sequence[WhatsAppTemplate], now: datetime
) -> list[Row[Any]]:
    """Adopt what is not here, keep quality and when each was seen; return the rows of those that are gone.

    Args:
        connection: a transaction in the fleet's scope.
        workspace_id: the studio.
        listed: all that WhatsApp lists.
        now: business time when WhatsApp was asked; what is known since is newer than the list.
    """
    rows = {(row.name, row.language): row for row in store.templates_of(connection, workspace_id)}
    seen = set()
    for one in listed:
        key = (one.name, one.language)
        row = rows.get(key) or rows.get((one.name, without_country(one.language)))
        if row is None:
            _adopt(connection, workspace_id, one, now)
            continue
        seen.add(row.id)
        changes = {"quality": _quality(one), "seen_at": now, "gone_at": None}
        if row.adopted:
            changes |= _text(one)
        store.change_template(connection, workspace_id, row.id, changes)
    gone = [
        row
        for row in rows.values()
        if row.id not in seen
        and row.state not in (DRAFT, GONE)
        and (newest(row.heard_at, row.read_at, row.seen_at) or now) <= now
    ]
    for row in gone:
        store.change_template(connection, workspace_id, row.id, {"gone_at": now})
    return gone


def unusable_because(one: WhatsAppTemplate) -> str | None:
    """Why a template that was made at WhatsApp can't be sent from here; None where it can. Pure."""
    if one.body is None:
        return "WhatsApp does not tell its text."
    if one.more:
        parts = " and ".join(sorted({part.lower() for part in one.more}))
        return f"Its {parts} would have to be filled in, and only the text's variables are."
    numbers = variables_of(one.body)
    if one.body.count("{{") > len(VARIABLE.findall(one.body)):
        return (
            "Its variables have names; only {{1}}, the lead's first name, and {{2}}, the studio's name, are filled in."
        )
    if numbers - {str(number) for number in range(1, len(VALUES) + 1)}:
        return "It has more variables than {{1}}, the lead's first name, and {{2}}, the studio's name."
    return None


def ask_for_all(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Have the templates of those studios that are on WhatsApp read, once a day; return how many were asked for.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: whose.
    """
    now = clocks.real.now()
    connected = workspaces.connected_to(connection, studios, "whatsapp")
    jobs = [
        Job(
            payload=SubmitTemplates(),
            key=f"templates:sync:{now:%Y-%m-%d}",
            workspace_id=studio,
            lane=Lane.BULK,
            due_at=now + SPREAD * (studio.int % 997) / 997,
        )
        for studio in connected
    ]
    enqueue(connection, clocks, jobs, Cause.new())
    return len(jobs)


def _adopt(connection: Connection, workspace_id: UUID, one: WhatsAppTemplate, now: datetime) -> None:
    values = {
        "workspace_id": workspace_id,
        "id": new_id(),
        "name": one.name,
        "language": one.language,
        "state": one.status.lower(),
        "provider_id": one.id,
        "reason": one.reason,
        "created_at": now,
        "adopted": True,
        "quality": _quality(one),
        "seen_at": now,
    }
    store.adopt(connection, values | _text(one))


def _text(one: WhatsAppTemplate) -> dict[str, Any]:
    return {"body": one.body or "", "category": one.category.lower(), "unusable": unusable_because(one)}


def _quality(one: WhatsAppTemplate) -> str | None:
    return one.quality.lower() if one.quality else None
