"""The SQL of channels that heal themselves. What belongs here: looks, repairs and replacements, reading and writing.

What does not: when a channel is looked at, repaired or replaced (`channel_look.py`, `drift.py`, `replacing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.ids import new_id
from pilar.provisioning.healing_tables import channel_look, channel_repair, number_replacement

KEPT = timedelta(days=30)
"""How long repairs are remembered; the audit log holds them for longer."""

# Looks

_SCHEDULE = """
insert into channel_look (workspace_id, look_at)
select i.workspace_id, :now + (mod(abs(hashtextextended(i.workspace_id::text, 0)), 1000) / 1000.0) * :every
from integration i join workspace w using (workspace_id)
where i.provider = 'whatsapp' and i.state = 'connected' and w.state in ('active', 'suspended')
  and not exists (select from channel_look l where l.workspace_id = i.workspace_id)
limit :size
on conflict do nothing
"""

_TAKE = """
update channel_look l set look_at = :now + cast(:every as interval)
where l.workspace_id in (
  select c.workspace_id from channel_look c join workspace w using (workspace_id)
  where c.look_at <= :now and w.state in ('active', 'suspended')
  order by c.look_at limit :size for update of c skip locked)
returning l.workspace_id
"""


def take_due(connection: Connection, now: datetime, every: Any, size: int) -> list[UUID]:
    """Studios whose channels are due for a look; taken by whoever comes first, and due again after `every`.

    Args:
        connection: a transaction in the fleet's scope.
        now: real time.
        every: how long after this look the next one is due.
        size: at most so many.
    """
    connection.execute(text(_SCHEDULE), {"now": now, "every": every, "size": size})
    return list(connection.execute(text(_TAKE), {"now": now, "every": every, "size": size}).scalars())


def look_of(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """When a studio's channels were looked at, and what ails them."""
    return connection.execute(select(channel_look).filter_by(workspace_id=workspace_id)).one_or_none()


def keep_look(connection: Connection, workspace_id: UUID, values: Mapping[str, Any], *, look_at: datetime) -> None:
    """Keep what a look found; `look_at` (real time) is when the next one is due where none is planned yet."""
    statement = insert(channel_look).values(workspace_id=workspace_id, look_at=look_at, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id"], set_=dict(values)))


# Repairs


def repairs_since(connection: Connection, workspace_id: UUID, channel: str, since: datetime) -> int:
    """How often a channel's webhooks were pointed to us since then (real time)."""
    query = select(func.count()).select_from(channel_repair).filter_by(workspace_id=workspace_id, channel=channel)
    return int(connection.execute(query.where(channel_repair.c.attempted_at > since)).scalar_one())


def add_repair(connection: Connection, workspace_id: UUID, channel: str, found: str, now: datetime) -> UUID:
    """Note an attempt to point a channel's webhooks to us, and forget those of long ago; its id."""
    identity = new_id()
    old = delete(channel_repair).filter_by(workspace_id=workspace_id, channel=channel)
    connection.execute(old.where(channel_repair.c.attempted_at < now - KEPT))
    values = {"workspace_id": workspace_id, "id": identity, "channel": channel, "found": found, "attempted_at": now}
    connection.execute(insert(channel_repair).values(**values))
    return identity


# Replacements


def begin_replacement(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Begin a replacement; False where one is under way, or one was begun on that day."""
    return connection.execute(insert(number_replacement).values(**values).on_conflict_do_nothing()).rowcount == 1


def under_way(connection: Connection, workspace_id: UUID, *, hold: bool = False) -> Row[Any] | None:
    """The replacement that a studio's number is under, if there is one."""
    query = select(number_replacement).filter_by(workspace_id=workspace_id, ended_at=None)
    return connection.execute(query.with_for_update() if hold else query).one_or_none()


def find_replacement(connection: Connection, workspace_id: UUID, replacement_id: UUID) -> Row[Any] | None:
    """A replacement by its id."""
    return connection.execute(
        select(number_replacement).filter_by(workspace_id=workspace_id, id=replacement_id)
    ).one_or_none()


def replacements_of(connection: Connection, workspace_id: UUID) -> Sequence[Row[Any]]:
    """A studio's replacements, the newest first."""
    query = select(number_replacement).filter_by(workspace_id=workspace_id)
    return connection.execute(query.order_by(number_replacement.c.begun_at.desc()).limit(20)).all()


def begun_on(connection: Connection, workspace_id: UUID, day: date) -> bool:
    """Whether a replacement was begun on a day (UTC, business time)."""
    query = select(number_replacement.c.id).filter_by(workspace_id=workspace_id, begun_on=day)
    return connection.execute(query).first() is not None


def change_replacement(
    connection: Connection, workspace_id: UUID, replacement_id: UUID, values: Mapping[str, Any]
) -> None:
    """Change a replacement's row."""
    statement = update(number_replacement).filter_by(workspace_id=workspace_id, id=replacement_id)
    connection.execute(statement.values(**values))


def told_of(connection: Connection, workspace_id: UUID, replacement_id: UUID) -> str | None:
    """A replacement in words for the studio's owner; None where there is none that has come to a new number."""
    row = find_replacement(connection, workspace_id, replacement_id)
    if row is None or row.new_number is None:
        return None
    return f"{row.why} The new number is {row.new_number}; it was {row.old_number}."


def is_bought_by_us(connection: Connection, workspace_id: UUID, number_sid: str) -> bool:
    """Whether a number was bought by us for a studio; one that the studio has brought is the studio's."""
    query = text(
        "select 1 from effect where workspace_id = :studio and kind = 'twilio.buy_number' and state = 'confirmed'"
        " and response ->> 'number_sid' = :sid limit 1"
    )
    return connection.execute(query, {"studio": workspace_id, "sid": number_sid}).first() is not None
