"""The SQL of how a studio gets its number. What belongs here: what it brings, purchases by day, codes asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.backplane.tables import effect
from pilar.provisioning import traces
from pilar.provisioning.channel_tables import code_request, number_purchase, own_channel
from pilar.provisioning.tables import verification_code
from pilar.workspaces.tables import integration

TYPED = "typed:"
"""What the ids of codes begin with that an owner has typed; others came by SMS."""


def own_of(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """What a studio brings along; None: nothing, a number is bought for it."""
    return connection.execute(select(own_channel).filter_by(workspace_id=workspace_id)).one_or_none()


def keep_own(connection: Connection, workspace_id: UUID, values: Mapping[str, Any], *, over: bool) -> None:
    """Keep what a studio brings along; what is kept already stays unless `over`."""
    statement = insert(own_channel).values(workspace_id=workspace_id, **values)
    if over:
        statement = statement.on_conflict_do_update(index_elements=["workspace_id"], set_=dict(values))
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)


def choose_number(connection: Connection, workspace_id: UUID, phone_number: str) -> None:
    """Keep which of its numbers a studio uses."""
    connection.execute(update(own_channel).filter_by(workspace_id=workspace_id).values(phone_number=phone_number))


def forget_own(connection: Connection, workspace_id: UUID) -> None:
    """A studio brings nothing along any more."""
    connection.execute(own_channel.delete().filter_by(workspace_id=workspace_id))


def used_by_another(connection: Connection, workspace_id: UUID, phone_number: str) -> bool:
    """Whether a number is another studio's, here; needs the fleet's scope."""
    others = (
        select(integration.c.workspace_id)
        .where(integration.c.phone_number == phone_number, integration.c.state != "closed")
        .where(integration.c.workspace_id != workspace_id)
    )
    return connection.execute(others.limit(1)).first() is not None


def purchases_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """The numbers that were bought for a studio, or are about to be, the newest last."""
    query = select(number_purchase).filter_by(workspace_id=workspace_id).order_by(number_purchase.c.day)
    return list(connection.execute(query).all())


def keep_purchase(connection: Connection, workspace_id: UUID, key: str, day: date, now: datetime) -> None:
    """Note on which day a purchase is attempted; `now` is business time."""
    changed = {"day": day, "intended_at": now}
    statement = insert(number_purchase).values(workspace_id=workspace_id, effect_key=key, **changed)
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "effect_key"], set_=changed))


def lose_purchase(connection: Connection, workspace_id: UUID, key: str, now: datetime) -> None:
    """Note that a number that was bought is gone; `now` is business time."""
    connection.execute(
        update(number_purchase).filter_by(workspace_id=workspace_id, effect_key=key, lost_at=None).values(lost_at=now)
    )


def lose_number(connection: Connection, workspace_id: UUID, number_sid: str, now: datetime) -> None:
    """The same for the purchase that a number came from."""
    bought = select(effect.c.key).filter_by(workspace_id=workspace_id, kind=traces.NUMBER)
    of_number = bought.where(effect.c.response["number_sid"].astext == number_sid)
    statement = update(number_purchase).filter_by(workspace_id=workspace_id, lost_at=None)
    connection.execute(statement.where(number_purchase.c.effect_key.in_(of_number)).values(lost_at=now))


def has_purchase(
    connection: Connection,
    workspace_id: UUID,
    kind: str,
    keys: list[str],
    *,
    states: Sequence[str] = ("attempted", "unknown", "confirmed"),
) -> bool:
    """Whether one of these effects has happened, or may have; `states` narrows that."""
    query = select(effect.c.id).filter_by(workspace_id=workspace_id, kind=kind).where(effect.c.key.in_(keys))
    held = query.where(effect.c.state.in_(states))
    return connection.execute(held.limit(1)).first() is not None


def add_code_request(connection: Connection, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """An owner asks for a code."""
    connection.execute(code_request.insert().values(workspace_id=workspace_id, **values))


def code_requests(connection: Connection, workspace_id: UUID, phone_number: str) -> list[Row[Any]]:
    """The codes that were asked for to a number, the newest last."""
    query = select(code_request).filter_by(workspace_id=workspace_id, phone_number=phone_number)
    return list(connection.execute(query.order_by(code_request.c.asked_at, code_request.c.id)).all())


def settle_code_request(connection: Connection, workspace_id: UUID, request_id: UUID, state: str) -> None:
    """Note what became of a code that was asked for."""
    connection.execute(update(code_request).filter_by(workspace_id=workspace_id, id=request_id).values(state=state))


def codes_typed(connection: Connection, workspace_id: UUID, since: datetime) -> int:
    """How many codes an owner has typed since a moment of real time."""
    typed = select(func.count()).select_from(verification_code).filter_by(workspace_id=workspace_id)
    typed = typed.where(verification_code.c.message_id.startswith(TYPED), verification_code.c.received_at > since)
    return int(connection.execute(typed).scalar_one())
