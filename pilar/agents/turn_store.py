"""The SQL of turns and of what a model may know. What belongs here: reading and writing rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.agents.tables import model_turn, rule_firing
from pilar.bookings.tables import booking, event_type
from pilar.messaging import states
from pilar.messaging.tables import message

COLLECTING = "collecting"
ASKING = "asking"
OPEN = (COLLECTING, ASKING)

_NEVER_SAID = (states.REFUSED, states.CANCELLED, states.FAILED, states.HELD, states.DRY_RUN)
_ORDER = (func.date_trunc("second", message.c.occurred_at), message.c.id)


def open_turn(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Open a turn, unless the lead has one that still collects; return whether it is new."""
    statement = insert(model_turn).values(**values)
    collecting = model_turn.c.state == COLLECTING
    statement = statement.on_conflict_do_nothing(index_elements=["workspace_id", "lead_id"], index_where=collecting)
    return connection.execute(statement).rowcount == 1


def collecting_turn(connection: Connection, workspace_id: UUID, lead_id: UUID) -> UUID:
    """The lead's turn that still collects."""
    query = select(model_turn.c.id).filter_by(workspace_id=workspace_id, lead_id=lead_id, state=COLLECTING)
    found: UUID = connection.execute(query).scalar_one()
    return found


def find_turn(connection: Connection, turn_id: UUID) -> Row[Any] | None:
    """A turn, if this scope sees it."""
    return connection.execute(select(model_turn).filter_by(id=turn_id)).one_or_none()


def lock_turn(connection: Connection, workspace_id: UUID, turn_id: UUID) -> Row[Any]:
    """A turn, held until the transaction ends."""
    query = select(model_turn).filter_by(workspace_id=workspace_id, id=turn_id).with_for_update()
    return connection.execute(query).one()


def change_turn(connection: Connection, workspace_id: UUID, turn_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a turn's row."""
    connection.execute(update(model_turn).filter_by(workspace_id=workspace_id, id=turn_id).values(dict(values)))


def messages_of_turn(connection: Connection, workspace_id: UUID, turn_id: UUID) -> list[Row[Any]]:
    """What the lead wrote in a turn, the oldest first; what was taken back is not among it."""
    same = and_(rule_firing.c.workspace_id == message.c.workspace_id, rule_firing.c.message_id == message.c.id)
    query = select(message.c.id, message.c.text, message.c.received_at).join(rule_firing, same)
    query = query.where(rule_firing.c.workspace_id == workspace_id, rule_firing.c.turn_id == turn_id)
    return list(connection.execute(query.where(message.c.deleted_at.is_(None)).order_by(*_ORDER)))


def note_answer(
    connection: Connection, workspace_id: UUID, message_id: UUID, answer_id: UUID | None, latency_ms: int
) -> None:
    """Have the firing of a turn's newest message name its answer."""
    statement = update(rule_firing).filter_by(workspace_id=workspace_id, message_id=message_id)
    connection.execute(statement.values(answer_id=answer_id, latency_ms=latency_ms))


def said_before(connection: Connection, workspace_id: UUID, lead_id: UUID, turn_id: UUID, limit: int) -> list[Row[Any]]:
    """The newest words in a conversation besides those of a turn, the oldest of them first.

    What was never sent is left out, and so is what was taken back.
    """
    same = and_(rule_firing.c.workspace_id == message.c.workspace_id, rule_firing.c.message_id == message.c.id)
    query = (
        select(message.c.direction, message.c.text)
        .outerjoin(rule_firing, same)
        .where(
            message.c.workspace_id == workspace_id,
            message.c.lead_id == lead_id,
            message.c.text.is_not(None),
            message.c.deleted_at.is_(None),
            message.c.state.not_in(_NEVER_SAID),
            rule_firing.c.turn_id.is_distinct_from(turn_id),
        )
        .order_by(*(part.desc() for part in _ORDER))
        .limit(limit)
    )
    return list(reversed(connection.execute(query).all()))


def bookings_of(connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime, limit: int) -> list[Row[Any]]:
    """What a lead has booked from a moment of business time on: what for, and when it starts."""
    same = and_(booking.c.workspace_id == event_type.c.workspace_id, booking.c.event_type_id == event_type.c.id)
    query = select(event_type.c.name, booking.c.starts_at).join(event_type, same)
    query = query.where(
        booking.c.workspace_id == workspace_id,
        booking.c.lead_id == lead_id,
        booking.c.state == "booked",
        booking.c.starts_at >= now,
    )
    return list(connection.execute(query.order_by(booking.c.starts_at).limit(limit)))
