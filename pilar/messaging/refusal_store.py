"""The SQL of messages that may be refusals. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging import states
from pilar.messaging.refusal_tables import refusal_question
from pilar.messaging.tables import conversation, message

_OPEN = refusal_question.c.settled_at.is_(None)


def add(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep a question; return whether it is new."""
    return connection.execute(insert(refusal_question).values(**values).on_conflict_do_nothing()).rowcount == 1


def find(connection: Connection, workspace_id: UUID, message_id: UUID) -> Row[Any] | None:
    """The question about a message, if there is one."""
    query = select(refusal_question).filter_by(workspace_id=workspace_id, message_id=message_id)
    return connection.execute(query).one_or_none()


def change_open(connection: Connection, workspace_id: UUID, message_id: UUID, values: Mapping[str, Any]) -> bool:
    """Change a question that nobody has settled; return whether it was one."""
    statement = update(refusal_question).filter_by(workspace_id=workspace_id, message_id=message_id).where(_OPEN)
    return connection.execute(statement.values(dict(values))).rowcount == 1


def settle_others(
    connection: Connection, workspace_id: UUID, lead_id: UUID, besides: UUID | None, values: Mapping[str, Any]
) -> int:
    """Settle all that is open about a lead's messages, but for one of them; return how many that were."""
    statement = update(refusal_question).filter_by(workspace_id=workspace_id, lead_id=lead_id).where(_OPEN)
    if besides is not None:
        statement = statement.where(refusal_question.c.message_id != besides)
    return connection.execute(statement.values(dict(values))).rowcount


def is_open(connection: Connection, workspace_id: UUID, lead_id: UUID) -> bool:
    """Whether something that a lead wrote may be a refusal, and nobody has told yet."""
    query = select(exists().where(_of(workspace_id, lead_id), _OPEN))
    return bool(connection.execute(query).scalar_one())


def held_for_it(connection: Connection, workspace_id: UUID, lead_id: UUID) -> list[UUID]:
    """The messages to a lead that are kept back for what is unclear, in the order they were written; locked."""
    reasons = message.c.verdict["decision"]["reasons"]
    query = select(message.c.id).filter_by(workspace_id=workspace_id, lead_id=lead_id, state=states.HELD)
    query = query.where(reasons.contains([{"code": "refusal_unclear"}])).order_by(message.c.id).with_for_update()
    return list(connection.execute(query).scalars())


def of_messages(connection: Connection, workspace_id: UUID, message_ids: Sequence[UUID]) -> list[Row[Any]]:
    """The questions about these messages."""
    query = select(refusal_question).filter_by(workspace_id=workspace_id)
    return list(connection.execute(query.where(refusal_question.c.message_id.in_(message_ids))))


def waits_for_person() -> ColumnElement[bool]:
    """The condition on a conversation that a person has to tell whether its lead refuses."""
    return exists().where(
        refusal_question.c.workspace_id == conversation.c.workspace_id,
        refusal_question.c.lead_id == conversation.c.lead_id,
        refusal_question.c.state == "person",
        _OPEN,
    )


def count_waiting(connection: Connection, workspace_id: UUID) -> int:
    """How many leads of a studio have written what a person has to tell of."""
    query = select(func.count(refusal_question.c.lead_id.distinct())).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query.filter_by(state="person").where(_OPEN)).scalar_one())


def words_before(connection: Connection, workspace_id: UUID, asked: Row[Any]) -> str | None:
    """What we last said to a lead before they wrote a message; None: nothing in free text."""
    query = select(message.c.text).filter_by(workspace_id=workspace_id, lead_id=asked.lead_id, direction="out")
    query = query.where(message.c.text.is_not(None), message.c.id < asked.id, message.c.state.not_in(states.UNSENT))
    said: str | None = connection.execute(query.order_by(message.c.id.desc()).limit(1)).scalar_one_or_none()
    return said


def _of(workspace_id: UUID, lead_id: UUID) -> ColumnElement[bool]:
    return (refusal_question.c.workspace_id == workspace_id) & (refusal_question.c.lead_id == lead_id)
