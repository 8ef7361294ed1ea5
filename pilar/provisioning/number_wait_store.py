"""The SQL of what the numbers of open studios wait for. What belongs here: reading, changing, and taking what is due.

What does not: when one begins and ends, and who is told (`number_waits.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.provisioning.healing_tables import number_wait

_DUE = """
select n.* from number_wait n join workspace w using (workspace_id)
where n.{moment} <= :now and n.state = 'waiting' and w.state in ('active', 'suspended')
order by n.{moment} limit :size for update of n skip locked
"""


def find(connection: Connection, workspace_id: UUID, matter: str, *, hold: bool = False) -> Row[Any] | None:
    """A studio's wait in a matter; `hold` keeps others from changing it until the end, where there is one."""
    query = select(number_wait).filter_by(workspace_id=workspace_id, matter=matter)
    return connection.execute(query.with_for_update() if hold else query).one_or_none()


def begin(connection: Connection, values: Mapping[str, Any]) -> None:
    """Have a wait begin, in place of the one in the same matter."""
    statement = insert(number_wait).values(**values)
    others = {name: value for name, value in values.items() if name not in ("workspace_id", "matter")}
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "matter"], set_=others))


def change(connection: Connection, workspace_id: UUID, matter: str, values: Mapping[str, Any]) -> None:
    """Change a wait's row."""
    connection.execute(update(number_wait).filter_by(workspace_id=workspace_id, matter=matter).values(dict(values)))


def end(connection: Connection, workspace_id: UUID, matter: str) -> bool:
    """Have a wait be over; return whether there was one."""
    return connection.execute(delete(number_wait).filter_by(workspace_id=workspace_id, matter=matter)).rowcount == 1


def due(connection: Connection, moment: str, now: datetime, size: int) -> Sequence[Row[Any]]:
    """Waits whose `remind_at` or `expires_at` has come, in business time; locked until the end."""
    return connection.execute(text(_DUE.format(moment=moment)), {"now": now, "size": size}).all()
