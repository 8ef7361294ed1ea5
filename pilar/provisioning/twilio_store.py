"""The SQL of what studios have at Twilio. What belongs here: placements under our accounts, and those set aside."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from pilar.provisioning.twilio_tables import twilio_parent, twilio_placement
from pilar.workspaces.tables import integration

_UNDER = "channel_look l left join twilio_placement p using (workspace_id)"
_SUFFERS = "l.trouble = :trouble and coalesce(p.parent_sid, :first) = :parent"


def lock_placing(connection: Connection) -> None:
    """Have everybody else who places a studio wait until this transaction is over."""
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('twilio:placing', 0))"))


def lock_parent(connection: Connection, parent_sid: str) -> None:
    """Have everybody else who finds something about one of our accounts wait until this transaction is over."""
    key = {"key": f"twilio:parent:{parent_sid}"}
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)


def suffering(connection: Connection, parent_sid: str, first: str, trouble: str) -> list[str]:
    """The names of the studios under a parent at which a trouble was found, in order.

    Args:
        connection: a transaction in the fleet's scope.
        parent_sid: the parent.
        first: the parent of studios from before places were kept.
        trouble: as `channel_look` has it.
    """
    values = {"parent": parent_sid, "first": first, "trouble": trouble}
    names = f"select w.name from {_UNDER} join workspace w using (workspace_id) where {_SUFFERS}"
    names += " and w.state in ('active', 'suspended') order by 1"
    return list(connection.execute(text(names), values).scalars())


def look_now(connection: Connection, parent_sid: str, first: str, trouble: str, now: datetime) -> None:
    """Have those studios looked at by the next sweep; `now` is real time."""
    values = {"parent": parent_sid, "first": first, "trouble": trouble, "now": now}
    due = f"select workspace_id from {_UNDER} where {_SUFFERS}"
    connection.execute(text(f"update channel_look set look_at = :now where workspace_id in ({due})"), values)


def placement_of(connection: Connection, workspace_id: UUID) -> str | None:
    """The parent that a studio was given."""
    query = select(twilio_placement.c.parent_sid).filter_by(workspace_id=workspace_id)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def add_placement(connection: Connection, workspace_id: UUID, parent_sid: str, now: datetime) -> None:
    """Give a studio a parent; `now` is real time."""
    values = {"workspace_id": workspace_id, "parent_sid": parent_sid, "placed_at": now}
    connection.execute(insert(twilio_placement).values(values))


def remove_placement(connection: Connection, workspace_id: UUID, parent_sid: str) -> None:
    """Take a studio's place under a parent away, if it has it."""
    connection.execute(delete(twilio_placement).filter_by(workspace_id=workspace_id, parent_sid=parent_sid))


def set_aside(connection: Connection, parent_sid: str, reason: str, now: datetime) -> None:
    """Note that a parent takes no new studio; `now` is real time."""
    changed = {"set_aside_at": now, "reason": reason}
    statement = insert(twilio_parent).values(parent_sid=parent_sid, **changed)
    connection.execute(statement.on_conflict_do_update(index_elements=["parent_sid"], set_=changed))


def aside_since(connection: Connection, moment: datetime) -> set[str]:
    """Parents that were set aside since a moment of real time."""
    query = select(twilio_parent.c.parent_sid).where(twilio_parent.c.set_aside_at > moment)
    return set(connection.execute(query).scalars())


def has_account(connection: Connection, workspace_id: UUID) -> bool:
    """Whether a studio has an account at Twilio."""
    query = select(integration.c.workspace_id).filter_by(workspace_id=workspace_id, provider="twilio")
    return connection.execute(query.where(integration.c.external_id.is_not(None))).first() is not None


def keys_made(connection: Connection, workspace_id: UUID) -> int:
    """How many API keys were made for a studio's account, dead ones too."""
    query = text(
        "select count(*) from effect"
        " where workspace_id = :studio and kind = 'twilio.create_key' and state = 'confirmed'"
    )
    return int(connection.execute(query, {"studio": workspace_id}).scalar_one())


def placed(connection: Connection) -> dict[str | None, int]:
    """How many studios have a place by parent; None: those from before places were kept. Closed accounts count not."""
    account = and_(integration.c.workspace_id == twilio_placement.c.workspace_id, integration.c.provider == "twilio")
    parent = twilio_placement.c.parent_sid
    given = (
        select(parent, func.count())
        .select_from(twilio_placement.outerjoin(integration, account))
        .where(func.coalesce(integration.c.state, "pending") != "closed")
        .group_by(parent)
    )
    found: dict[str | None, int] = {row[0]: row[1] for row in connection.execute(given)}
    older = (
        select(func.count())
        .select_from(integration.outerjoin(twilio_placement, account))
        .where(integration.c.provider == "twilio", integration.c.state != "closed")
        .where(integration.c.external_id.is_not(None), parent.is_(None))
    )
    found[None] = int(connection.execute(older).scalar_one())
    return found
