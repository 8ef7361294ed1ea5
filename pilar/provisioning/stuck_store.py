"""The SQL that finds provisioning nobody is at. What belongs here: these looks, in the fleet's scope."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from pilar.provisioning.stuck import Stuck

_WORK = """
exists (select from autopilot_job a join pending_work p using (position)
        where a.workspace_id = j.workspace_id and a.type in ('provisioning.advance', 'provisioning.undo'))
"""

_STUCK = f"""
select j.workspace_id, case when j.state = 'failed' then 'failed' else 'lost' end as why
from provisioning_job j
where j.state in ('running', 'waiting', 'failed') and not {_WORK}
  and (j.state = 'failed'
       or not exists (select from provisioning_step s where s.workspace_id = j.workspace_id and s.job_id = j.id
                      and s.waits_on is not null))
order by j.created_at, j.workspace_id limit :size
"""

_OVERDUE = """
select count(*) from provisioning_step s
join provisioning_job j on j.workspace_id = s.workspace_id and j.id = s.job_id
where s.status = 'waiting' and j.state not in ('undoing', 'undone')
  and (s.remind_at <= :then or s.look_at <= :then or s.expires_at <= :then)
"""


def stuck(connection: Connection, *, size: int) -> list[Stuck]:
    """The jobs that have failed, and those that no work is under way for and that say of nobody that they wait on them.

    Those that were signed up first come first.
    """
    return [Stuck(*row) for row in connection.execute(text(_STUCK), {"size": size})]


def overdue_waits(connection: Connection, then: datetime) -> int:
    """How many waits should have been followed up by a moment of business time, and were not."""
    return int(connection.execute(text(_OVERDUE), {"then": then}).scalar_one())
