"""The SQL of what pages show of messaging. What belongs here: reading; what writes is in `store.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, true, tuple_

from pilar.messaging.tables import conversation, lead, message, message_status, messaging_day, send_control
from pilar.workspaces.tables import workspace

# WhatsApp tells whole seconds: within one, messages stand in the order in which we came to know them.
_ORDER = (func.date_trunc("second", message.c.occurred_at), message.c.id)
_NEWEST_FIRST = tuple(part.desc() for part in _ORDER)


def list_conversations(
    connection: Connection,
    workspace_id: UUID,
    *,
    mode: str | None,
    after: tuple[bool, datetime, UUID] | None,
    limit: int,
    assigned_to: UUID | None = None,
    is_unassigned: bool = False,
    closing: ColumnElement[bool] | None = None,
    unclear: ColumnElement[bool],
    is_unclear: bool = False,
) -> Sequence[Row[Any]]:
    """A studio's threads with their leads and last words: those that wait for a person first, then the newest.

    Args:
        connection: a transaction that sees the studio.
        workspace_id: the studio's.
        mode: bot or person; None: both.
        after: where the page before ended: whether that thread waited, when its last message was, whose it is.
        limit: how many at most.
        assigned_to: only those that this person sees to.
        is_unassigned: only those that nobody sees to.
        closing: only those of which this holds, as `window_store.is_closing` has it.
        unclear: whether a person has to tell what the lead meant, as `refusal_store.waits_for_person` has it.
        is_unclear: only those of which that holds.
    """
    # The page is cut before the last words are looked up: once per thread that is shown, not per thread there is.
    waits = and_(conversation.c.mode == "person", conversation.c.unread > 0)
    place = tuple_(waits, conversation.c.last_message_at, conversation.c.lead_id)
    cut = select(conversation, waits.label("waits"), unclear.label("is_unclear")).where(
        conversation.c.workspace_id == workspace_id
    )
    if mode is not None:
        cut = cut.where(conversation.c.mode == mode)
    if assigned_to is not None:
        cut = cut.where(conversation.c.assigned_to == assigned_to)
    if is_unassigned:
        cut = cut.where(conversation.c.assigned_to.is_(None))
    if closing is not None:
        cut = cut.where(closing)
    if is_unclear:
        cut = cut.where(unclear)
    if after is not None:
        cut = cut.where(place < tuple_(*after))
    order = (waits.desc(), conversation.c.last_message_at.desc(), conversation.c.lead_id.desc())
    page = cut.order_by(*order).limit(limit).subquery("page")
    last = (
        select(message.c.text, message.c.direction, message.c.kind, message.c.template_name, message.c.state)
        .where(message.c.workspace_id == page.c.workspace_id, message.c.lead_id == page.c.lead_id)
        .order_by(*_NEWEST_FIRST)
        .limit(1)
        .lateral("last")
    )
    query = (
        select(
            page,
            lead.c.name,
            lead.c.phone,
            lead.c.lifecycle,
            last.c.text.label("last_text"),
            last.c.direction.label("last_direction"),
            last.c.kind.label("last_kind"),
            last.c.template_name.label("last_template"),
            last.c.state.label("last_state"),
        )
        .join(lead, and_(lead.c.workspace_id == page.c.workspace_id, lead.c.id == page.c.lead_id))
        .join(last, true(), isouter=True)
        .order_by(page.c.waits.desc(), page.c.last_message_at.desc(), page.c.lead_id.desc())
    )
    return connection.execute(query).all()


def count_conversations(connection: Connection, workspace_id: UUID) -> dict[str, int]:
    """How many threads a studio has in each mode, and how many of them wait for a person."""
    waits = func.count().filter(conversation.c.unread > 0).label("waits")
    query = select(conversation.c.mode, func.count().label("threads"), waits).filter_by(workspace_id=workspace_id)
    counts = {"bot": 0, "person": 0, "waits": 0}
    for row in connection.execute(query.group_by(conversation.c.mode)):
        counts[row.mode] = row.threads
        if row.mode == "person":
            counts["waits"] = row.waits
    return counts


def count_assigned(connection: Connection, workspace_id: UUID, person_id: UUID | None) -> dict[str, int]:
    """How many threads a person sees to, and how many a person is to answer and nobody sees to."""
    mine = func.count().filter(conversation.c.assigned_to == person_id)
    nobodys = func.count().filter(conversation.c.assigned_to.is_(None), conversation.c.mode == "person")
    query = select(mine.label("mine"), nobodys.label("unassigned")).where(conversation.c.workspace_id == workspace_id)
    row = connection.execute(query).one()
    return {"mine": row.mine if person_id else 0, "unassigned": row.unassigned}


def messages_of(
    connection: Connection, workspace_id: UUID, lead_id: UUID, *, before: UUID | None, limit: int
) -> list[Row[Any]]:
    """A lead's newest messages, the oldest of them first; with `before`, the newest of those before that message."""
    query = select(message).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    if before is not None:
        first_shown = select(*_ORDER).filter_by(workspace_id=workspace_id, id=before)
        query = query.where(tuple_(*_ORDER) < first_shown.scalar_subquery())
    newest = connection.execute(query.order_by(*_NEWEST_FIRST).limit(limit)).all()
    return list(reversed(newest))


def messages_named(connection: Connection, names: Sequence[str], limit: int) -> list[Row[Any]]:
    """The messages with these ids at WhatsApp, of all studios, without their texts, the oldest first."""
    columns = (
        message.c.workspace_id, message.c.id, message.c.lead_id, message.c.direction, message.c.kind, message.c.state,
        message.c.origin, message.c.provider_message_id, message.c.occurred_at,
    )  # fmt: skip
    query = select(*columns).where(message.c.provider_message_id.in_(names))
    return list(connection.execute(query.order_by(message.c.occurred_at, message.c.id).limit(limit)))


def statuses_of(connection: Connection, workspace_id: UUID, message_ids: Sequence[UUID]) -> list[Row[Any]]:
    """What the provider told about messages, the oldest first."""
    query = select(message_status).filter_by(workspace_id=workspace_id)
    query = query.where(message_status.c.message_id.in_(message_ids))
    return list(connection.execute(query.order_by(message_status.c.at, message_status.c.status)))


def newest_message(connection: Connection, workspace_id: UUID, lead_id: UUID, origin: str) -> Row[Any] | None:
    """The newest message to a lead of one origin."""
    query = select(message).filter_by(workspace_id=workspace_id, lead_id=lead_id, origin=origin)
    return connection.execute(query.order_by(message.c.occurred_at.desc()).limit(1)).one_or_none()


def find_lead(connection: Connection, workspace_id: UUID, provider_user_id: str) -> UUID | None:
    """The lead with that id at WhatsApp, if the studio knows them."""
    query = select(lead.c.id).filter_by(workspace_id=workspace_id, provider_user_id=provider_user_id)
    found: UUID | None = connection.execute(query).scalar_one_or_none()
    return found


def days_of(connection: Connection, workspace_id: UUID, since: date) -> list[Row[Any]]:
    """A studio's rows of `analytics.messaging_day` from a day on, the oldest first."""
    query = select(messaging_day).filter_by(workspace_id=workspace_id).where(messaging_day.c.day >= since)
    return list(connection.execute(query.order_by(messaging_day.c.day)))


def controls_holding(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """What is in force for a studio, its own and the fleet's, the newest first. Needs the fleet's scope."""
    whose = or_(send_control.c.workspace_id.is_(None), send_control.c.workspace_id == workspace_id)
    query = select(send_control).where(send_control.c.ended_at.is_(None), whose)
    return list(connection.execute(query.order_by(send_control.c.began_at.desc())))


def controls_everywhere(connection: Connection, limit: int) -> list[Row[Any]]:
    """What is in force in single studios, with their names, the newest first. Needs the fleet's scope."""
    query = (
        select(send_control, workspace.c.name.label("studio_name"))
        .join(workspace, workspace.c.workspace_id == send_control.c.workspace_id)
        .where(send_control.c.ended_at.is_(None))
    )
    return list(connection.execute(query.order_by(send_control.c.began_at.desc()).limit(limit)))
