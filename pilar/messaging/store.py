"""The SQL of leads, conversations and messages. What belongs here: reading and writing rows; the rules are elsewhere.

What only pages read is in `page_store.py`.

Whoever decides about a lead holds the lead's row (`lock_lead`): an opt-out and a hand-over to the provider can't pass
each other unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from pilar.errors import NotFound
from pilar.ids import id_after, new_id
from pilar.messaging import states
from pilar.messaging.people_tables import lead_alias
from pilar.messaging.tables import consent, conversation, lead, message, message_status, send_control

# Leads


def ensure_lead(connection: Connection, workspace_id: UUID, provider_user_id: str, values: Mapping[str, Any]) -> UUID:
    """The lead with that id at the provider, made if need be; what is known of them stays, what is not is filled in."""
    fresh = insert(lead).values(
        workspace_id=workspace_id, id=new_id(), provider_user_id=provider_user_id, tags=[], properties={}, **values
    )
    known = {name: func.coalesce(lead.c[name], fresh.excluded[name]) for name in ("name", "phone", "country")}
    found: UUID = connection.execute(
        fresh.on_conflict_do_update(index_elements=["workspace_id", "provider_user_id"], set_=known).returning(
            lead.c.id
        )
    ).scalar_one()
    return found


def get_lead(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any]:
    """A lead's row, by an id that was merged into another too; raise `NotFound` where this scope sees none."""
    query = select(lead).filter_by(workspace_id=workspace_id)
    found = connection.execute(query.filter_by(id=lead_id)).one_or_none()
    return found or _one(connection.execute(query.where(_stays(workspace_id, lead_id))).one_or_none(), "lead")


def find_lead_by_phone(connection: Connection, workspace_id: UUID, phone: str) -> Row[Any] | None:
    """The lead with that number in E.164, if there is one."""
    return connection.execute(select(lead).filter_by(workspace_id=workspace_id, phone=phone)).one_or_none()


def lock_lead(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any]:
    """A lead's row, held until the transaction ends; whose id was merged into another's gets that one's.

    What is written about them names the id of the row that is returned.
    """
    query = select(lead).filter_by(workspace_id=workspace_id).with_for_update()
    found = connection.execute(query.filter_by(id=lead_id)).one_or_none()
    return found or _one(connection.execute(query.where(_stays(workspace_id, lead_id))).one_or_none(), "lead")


def _stays(workspace_id: UUID, old_id: UUID) -> ColumnElement[bool]:
    who = select(lead_alias.c.lead_id).filter_by(workspace_id=workspace_id, old_id=old_id)
    return lead.c.id == who.scalar_subquery()


def lead_names(connection: Connection, workspace_id: UUID, leads: Sequence[UUID]) -> dict[UUID, str | None]:
    """What leads are called."""
    query = select(lead.c.id, lead.c.name).where(lead.c.workspace_id == workspace_id, lead.c.id.in_(leads))
    return {row.id: row.name for row in connection.execute(query)}


def change_lead(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a lead's row."""
    connection.execute(update(lead).filter_by(workspace_id=workspace_id, id=lead_id).values(dict(values)))


# Consent


def add_consent(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> bool:
    """Record what a lead allowed or forbade; the same proof counts once. Return whether it is new.

    The lead's row is held, so that the order of ids is the order in which it was said.
    """
    newest = select(consent.c.id).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    last = connection.execute(newest.order_by(consent.c.id.desc()).limit(1)).scalar_one_or_none()
    statement = insert(consent).values(workspace_id=workspace_id, id=id_after(last), lead_id=lead_id, **values)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def consents(connection: Connection, workspace_id: UUID, lead_id: UUID) -> dict[str, bool]:
    """What counts now, by scope."""
    rows = connection.execute(
        select(consent.c.scope, consent.c.granted)
        .filter_by(workspace_id=workspace_id, lead_id=lead_id)
        .ext(distinct_on(consent.c.scope))
        .order_by(consent.c.scope, consent.c.id.desc())
    )
    return {row.scope: row.granted for row in rows}


# Conversations


def note_inbound(
    connection: Connection,
    workspace_id: UUID,
    lead_id: UUID,
    *,
    written_at: datetime,
    now: datetime,
    is_unread: bool = True,
) -> Row[Any]:
    """A lead wrote: open the window (never backwards) and count it as unread, if it is; return the conversation."""
    fresh = insert(conversation).values(
        workspace_id=workspace_id,
        lead_id=lead_id,
        mode="bot",
        mode_since=now,
        mode_reason="The lead wrote first.",
        last_inbound_at=written_at,
        last_message_at=now,
        unread=int(is_unread),
    )
    statement = fresh.on_conflict_do_update(
        index_elements=["workspace_id", "lead_id"],
        set_={
            "last_inbound_at": func.greatest(conversation.c.last_inbound_at, fresh.excluded.last_inbound_at),
            "last_message_at": func.greatest(conversation.c.last_message_at, fresh.excluded.last_message_at),
            "unread": conversation.c.unread + fresh.excluded.unread,
        },
    ).returning(conversation)
    return connection.execute(statement).one()


def note_unread(connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime) -> None:
    """A lead wrote by a channel that opens no window: one more waits to be read."""
    values = {"unread": conversation.c.unread + 1, "last_message_at": now}
    change_conversation(connection, workspace_id, lead_id, values)


def ensure_conversation(connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime) -> None:
    """A thread for a lead whom the studio writes to first."""
    fresh = insert(conversation).values(
        workspace_id=workspace_id,
        lead_id=lead_id,
        mode="bot",
        mode_since=now,
        mode_reason="The studio writes first.",
        last_message_at=now,
        unread=0,
    )
    connection.execute(fresh.on_conflict_do_nothing())


def find_conversation(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """A lead's thread, if there is one."""
    query = select(conversation).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query).one_or_none()


def change_conversation(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a thread's row."""
    connection.execute(update(conversation).filter_by(workspace_id=workspace_id, lead_id=lead_id).values(dict(values)))


# Messages


def add_message(connection: Connection, values: Mapping[str, Any]) -> UUID | None:
    """Store a message; its id, or None where the same cause made one before."""
    statement = insert(message).values(**values)
    statement = statement.on_conflict_do_nothing(index_elements=["workspace_id", "cause"])
    stored: UUID | None = connection.execute(statement.returning(message.c.id)).scalar_one_or_none()
    return stored


def find_message(connection: Connection, message_id: UUID, workspace_id: UUID | None = None) -> Row[Any] | None:
    """A message by our id, if this scope sees it; quicker where its studio is known."""
    query = select(message).filter_by(id=message_id)
    if workspace_id is not None:
        query = query.filter_by(workspace_id=workspace_id)
    return connection.execute(query).one_or_none()


def get_message(connection: Connection, workspace_id: UUID, message_id: UUID) -> Row[Any]:
    """A studio's message; raise `NotFound` where this scope sees none."""
    query = select(message).filter_by(workspace_id=workspace_id, id=message_id)
    return _one(connection.execute(query).one_or_none(), "message")


def lock_message(connection: Connection, workspace_id: UUID, message_id: UUID) -> Row[Any]:
    """A studio's message, held until the transaction ends."""
    query = select(message).filter_by(workspace_id=workspace_id, id=message_id).with_for_update()
    return _one(connection.execute(query).one_or_none(), "message")


def find_by_provider_id(connection: Connection, workspace_id: UUID, provider_message_id: str) -> Row[Any] | None:
    """A studio's message by WhatsApp's id."""
    query = select(message).filter_by(workspace_id=workspace_id, provider_message_id=provider_message_id)
    return connection.execute(query.limit(1)).one_or_none()


def change_message(connection: Connection, workspace_id: UUID, message_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a message's row."""
    connection.execute(update(message).filter_by(workspace_id=workspace_id, id=message_id).values(dict(values)))


def cancel_unsent(connection: Connection, workspace_id: UUID, lead_id: UUID, *, scope: str, reason: str) -> int:
    """Withdraw what is not handed over yet and a scope of consent is about; return how many messages that were."""
    statement = update(message).filter_by(workspace_id=workspace_id, lead_id=lead_id, direction="out")
    statement = statement.where(message.c.state.in_(states.UNSENT))
    if scope == "marketing":
        statement = statement.where(message.c.category == "marketing")
    elif scope == "email":
        # What is to be sent by WhatsApp and turns out to go by e-mail instead is decided on then.
        statement = statement.where(message.c.channel == "email")
    return connection.execute(statement.values(state=states.CANCELLED, error=reason)).rowcount


def add_status(connection: Connection, workspace_id: UUID, message_id: UUID, values: Mapping[str, Any]) -> bool:
    """Keep a status; return whether it is new."""
    statement = insert(message_status).values(workspace_id=workspace_id, message_id=message_id, **values)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def sent_since(connection: Connection, workspace_id: UUID, since: datetime) -> int:
    """How many messages a studio has handed over since a moment of business time."""
    query = select(func.count()).select_from(message).filter_by(workspace_id=workspace_id, direction="out")
    return int(connection.execute(query.where(message.c.attempted_at >= since)).scalar_one())


def held_messages(connection: Connection, workspace_id: UUID | None, after: UUID | None, limit: int) -> list[Row[Any]]:
    """What is kept back, in a studio or everywhere, in the order it was written; locked."""
    query = select(message.c.workspace_id, message.c.id).where(message.c.state == states.HELD)
    if workspace_id is not None:
        query = query.where(message.c.workspace_id == workspace_id)
    if after is not None:
        query = query.where(message.c.id > after)
    return list(connection.execute(query.order_by(message.c.id).limit(limit).with_for_update(skip_locked=True)))


def held_for_template(connection: Connection, workspace_id: UUID, name: str) -> list[Row[Any]]:
    """What is kept back because a template of that name is paused; locked."""
    why = message.c.verdict["decision"]["reasons"][0]["code"].astext
    query = select(message.c.workspace_id, message.c.id).filter_by(
        workspace_id=workspace_id, state=states.HELD, template_name=name
    )
    return list(connection.execute(query.where(why == "template_paused").order_by(message.c.id).with_for_update()))


# Controls


def controls_over(connection: Connection, workspace_id: UUID, channel: str) -> list[Row[Any]]:
    """What is in force for a studio's channel: its own and the fleet's. Needs the fleet's scope."""
    query = select(send_control).where(
        send_control.c.ended_at.is_(None),
        or_(send_control.c.workspace_id.is_(None), send_control.c.workspace_id == workspace_id),
        or_(send_control.c.channel.is_(None), send_control.c.channel == channel),
    )
    return list(connection.execute(query))


def controls_in_force(connection: Connection, workspace_id: UUID | None) -> list[Row[Any]]:
    """What is in force for a studio as a whole or, with None, for the fleet as a whole; the newest first."""
    where = send_control.c.workspace_id == workspace_id if workspace_id else send_control.c.workspace_id.is_(None)
    query = select(send_control).where(send_control.c.ended_at.is_(None), where)
    return list(connection.execute(query.order_by(send_control.c.began_at.desc())))


def begin_control(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Put a control in force; return whether it was not yet."""
    statement = insert(send_control).values(id=new_id(), **values)
    in_force = send_control.c.ended_at.is_(None)
    statement = statement.on_conflict_do_nothing(index_elements=["key"], index_where=in_force)
    return connection.execute(statement).rowcount == 1


def end_control(connection: Connection, key: str, *, by: str, now: datetime) -> UUID | None:
    """End a control; its id, or None where none was in force."""
    statement = update(send_control).filter_by(key=key, ended_at=None).values(ended_at=now, ended_by=by)
    ended: UUID | None = connection.execute(statement.returning(send_control.c.id)).scalar_one_or_none()
    return ended


def _one(row: Row[Any] | None, what: str) -> Row[Any]:
    if row is None:
        raise NotFound(f"There is no such {what}.")
    return row
