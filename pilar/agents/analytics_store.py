"""Refreshing `analytics.rule_performance`. What belongs here: the SQL around `analytics.py`, for any number of studios.

Made anew out of firings each time: schedule, backfill and click get the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection, delete, text
from sqlalchemy.dialects.postgresql import insert

from pilar.agents.analytics import rates
from pilar.agents.tables import rule_performance
from pilar.clocks import Clocks

_COUNT = """
with fired as (
  select f.workspace_id, f.rule_id, coalesce(f.variant, '') as variant, f.message_id, f.lead_id, f.fired_at,
         r.goal, a.state, a.accepted_at, extract(epoch from a.accepted_at - asked.received_at) * 1000 as latency_ms
  from rule_firing f
  join ai_rule r on r.workspace_id = f.workspace_id and r.id = f.rule_id
  join message asked on asked.workspace_id = f.workspace_id and asked.id = f.message_id
  left join message a on a.workspace_id = f.workspace_id and a.id = f.answer_id
  where f.workspace_id = any(:studios)
), judged as (
  select fired.*,
         case goal when 'booking' then exists (
           select from booking b where b.workspace_id = fired.workspace_id and b.lead_id = fired.lead_id
             and b.created_at between fired.fired_at and fired.fired_at + interval '7 days')
         else exists (
           select from message later where later.workspace_id = fired.workspace_id and later.lead_id = fired.lead_id
             and later.direction = 'in' and later.id > fired.message_id
             and later.occurred_at <= fired.fired_at + interval '24 hours'
             and not exists (select from consent c where c.workspace_id = later.workspace_id
                             and c.lead_id = later.lead_id and not c.granted and c.proof = 'message:' || later.id))
         end as succeeded
  from fired
), counted as (
  select workspace_id, rule_id, variant, count(*) as matches,
         count(accepted_at) filter (where state <> 'failed') as answered,
         count(*) filter (where state = 'refused') as refused,
         count(*) filter (where state = 'failed') as failed,
         count(*) filter (where succeeded) as successes,
         coalesce(sum(latency_ms) filter (where state <> 'failed'), 0)::float as latency_ms,
         max(fired_at) as last_fired_at
  from judged group by 1, 2, 3
)
select r.workspace_id, r.id as rule_id, coalesce(c.variant, '') as variant, r.name,
       coalesce(c.matches, 0) as matches, coalesce(c.answered, 0) as answered, coalesce(c.refused, 0) as refused,
       coalesce(c.failed, 0) as failed, coalesce(c.successes, 0) as successes,
       coalesce(c.latency_ms, 0) as latency_ms, c.last_fired_at
from ai_rule r left join counted c on c.workspace_id = r.workspace_id and c.rule_id = r.id
where r.workspace_id = any(:studios)
order by r.workspace_id, r.id, 3
"""


def refresh_rule_performance(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Make the rows of these studios anew; return how many there are. Needs the fleet's scope.

    Raises:
        ValueError: a studio's counts contradict each other. Callers isolate the studio (`workspaces/chunks.py`), which
            keeps its last rows.
    """
    found = connection.execute(text(_COUNT), {"studios": list(studios)})
    counted = pd.DataFrame(found.all(), columns=list(found.keys()))
    now = clocks.business.now()
    if not counted.empty:
        rows = [_row(record) | {"refreshed_at": now} for record in rates(counted).to_dict(orient="records")]
        statement = insert(rule_performance)
        changed = {
            column.name: statement.excluded[column.name] for column in rule_performance.c if not column.primary_key
        }
        keys = rule_performance.primary_key
        connection.execute(statement.on_conflict_do_update(constraint=keys, set_=changed), rows)
    # What is not there any more: a variant's empty sibling from before the rule's first firing.
    old = rule_performance.c.refreshed_at < now
    connection.execute(delete(rule_performance).where(rule_performance.c.workspace_id.in_(studios), old))
    return len(counted)


def _row(record: Any) -> dict[str, Any]:
    """A record without the frame's own kinds of number, time and «missing»."""
    values = {str(name): None if pd.isna(value) else value for name, value in record.items()}
    last = values["last_fired_at"]
    return {**values, "last_fired_at": None if last is None else last.to_pydatetime()}
