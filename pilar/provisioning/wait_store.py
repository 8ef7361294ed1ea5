"""The SQL of waits that are followed up. What belongs here: taking what is due, so that it is taken once.

What does not: the rules (`waits.py`) and what follows (`following.py`). Each statement takes its rows under their
locks and moves their next moment on in the same transaction; whoever comes at the same time skips them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text, update

from pilar.provisioning.store import TAKEN_BACK
from pilar.provisioning.tables import provisioning_job, provisioning_step

_COLUMNS = (
    "s.workspace_id, s.job_id, s.name, s.title, s.waits_on, s.wait_reason, s.waits_from, s.wait_round, s.wait_link,"
    " j.correlation_id"
)

_DUE = f"""
select {_COLUMNS}
from provisioning_step s join provisioning_job j on j.workspace_id = s.workspace_id and j.id = s.job_id
where s.{{moment}} <= :now and s.status = any(:statuses) and j.state not in ('undoing', 'undone')
order by s.{{moment}} limit :size for update of s skip locked
"""


def due(connection: Connection, moment: str, now: datetime, size: int) -> Sequence[Row[Any]]:
    """Steps that wait and whose moment has come: `remind_at`, `look_at` or `expires_at`; locked until the end.

    A step that looks again just now still waits, as far as its reminders are concerned.
    """
    statuses = ["waiting", "in_progress"] if moment == "remind_at" else ["waiting"]
    query = text(_DUE.format(moment=moment))
    return connection.execute(query, {"now": now, "size": size, "statuses": statuses}).all()


def unscheduled(connection: Connection, size: int) -> Sequence[Row[Any]]:
    """Steps that wait since before waits were followed up; locked until the end."""
    query = (
        select(provisioning_step)
        .filter_by(status="waiting", waits_from=None)
        .where(provisioning_step.c.waits_on.is_not(None))
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).all()


def set_moments(connection: Connection, rows: Sequence[tuple[UUID, str]], column: str, at: Sequence[Any]) -> None:
    """Set the same column of many steps, each to a moment of its own (None: never)."""
    connection.execute(
        text(f"""
            update provisioning_step s set {column} = given.at
            from unnest(cast(:jobs as uuid[]), cast(:names as text[]), cast(:moments as timestamptz[]))
              as given (job_id, name, at)
            where s.job_id = given.job_id and s.name = given.name
        """),
        {"jobs": [job for job, _ in rows], "names": [name for _, name in rows], "moments": list(at)},
    )


def set_reminders(connection: Connection, rows: Sequence[tuple[UUID, str]], sent: Sequence[int]) -> None:
    """Keep how many reminders each of these waits has had."""
    connection.execute(
        text("""
            update provisioning_step s set reminders = given.sent
            from unnest(cast(:jobs as uuid[]), cast(:names as text[]), cast(:sent as int[]))
              as given (job_id, name, sent)
            where s.job_id = given.job_id and s.name = given.name
        """),
        {"jobs": [job for job, _ in rows], "names": [name for _, name in rows], "sent": list(sent)},
    )


def expire(connection: Connection, rows: Sequence[tuple[UUID, str]]) -> None:
    """Have waits be over in vain, and their jobs with them; on whom they waited stays to be seen."""
    jobs = [job for job, _ in rows]
    connection.execute(
        text("""
            update provisioning_step s
            set status = 'expired', remind_at = null, look_at = null, expires_at = null
            from unnest(cast(:jobs as uuid[]), cast(:names as text[])) as given (job_id, name)
            where s.job_id = given.job_id and s.name = given.name
        """),
        {"jobs": jobs, "names": [name for _, name in rows]},
    )
    over = update(provisioning_job).where(provisioning_job.c.id.in_(jobs), provisioning_job.c.state.not_in(TAKEN_BACK))
    connection.execute(over.values(state="expired"))


_ALL = """
select s.workspace_id, s.name, s.title, s.status, s.waits_on, s.wait_reason, s.waits_for, s.wait_since, s.reminders,
       s.remind_at, s.expires_at, s.woken_by, s.woken_at, s.wait_link
from provisioning_step s
where s.waits_on is not null and s.status in ('waiting', 'expired')
union all
select n.workspace_id, n.matter, n.title, n.state, n.waits_on, n.reason,
       case n.matter when 'own_number' then 'messaging.number_changed' end, n.wait_since, n.reminders,
       n.remind_at, n.expires_at, null, null, n.link
from number_wait n join workspace w using (workspace_id)
where w.state in ('active', 'suspended')
"""
"""Steps of studios that are being made, and numbers of those that are open."""


def waits_of(connection: Connection, *, after: tuple[UUID, str] | None = None, limit: int = 50) -> Sequence[Row[Any]]:
    """What waits, or did so in vain, by studio and name from above a pair of both on; with what follows when."""
    above = "where (workspace_id, name) > (:studio, :name)" if after is not None else ""
    query = text(f"select * from ({_ALL}) waiting {above} order by workspace_id, name limit :limit")
    place = {"studio": after[0], "name": after[1]} if after is not None else {}
    return connection.execute(query, {"limit": limit, **place}).all()


def ages(connection: Connection) -> Sequence[Row[Any]]:
    """How much waits on each party, and since when the longest (real time)."""
    query = text(f"""
        select waits_on, count(*) as count, min(wait_since) as oldest,
               count(*) filter (where status = 'expired') as expired
        from ({_ALL}) waiting group by waits_on
    """)
    return connection.execute(query).all()
