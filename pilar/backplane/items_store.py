"""What became of the parts of deliveries. What belongs here: counting them over the log of work.

A handler of deliveries returns how many parts of each kind there were; the log keeps that with the attempt. So there
is no table of counts: it would be one more row that every batch of every worker has to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, text

from pilar.backplane.facts import Kind

PASSED_OVER = "passed_over:"
"""How a part's fate begins that nobody here works on."""

_COUNTS = text("""
select type as provider, coalesce(nullif(handler, ''), type) as handler,
       case when jsonb_typeof(part.value) = 'number' then part.key
            else :passed_over || coalesce(result ->> 'type', part.value #>> '{}') end as fate,
       sum(case when jsonb_typeof(part.value) = 'number' then part.value::text::numeric else 1 end)::bigint as number,
       max(finished_at) as last_at
from queue_log cross join lateral jsonb_each(result) as part
where finished_at >= :since and kind = :delivery and outcome = 'done' and jsonb_typeof(result) = 'object'
  and (jsonb_typeof(part.value) = 'number' or part.key = 'skipped')
group by 1, 2, 3 order by 1, 2, 4 desc, 3
limit :limit
""").bindparams(bindparam("passed_over", PASSED_OVER), bindparam("delivery", Kind.DELIVERY.value))


@dataclass(frozen=True)
class Items:
    """How many parts of deliveries met one fate.

    Attributes:
        provider: who sent them.
        handler: who worked on them; a provider's deliveries may have several handlers, each for its own parts.
        fate: what became of them, in one word; with `PASSED_OVER` before it, nobody works on such parts.
        count: how many.
        last_at: when the last one was worked on, real time.
    """

    provider: str
    handler: str
    fate: str
    count: int
    last_at: datetime


def count_items(connection: Connection, since: datetime, *, limit: int = 500) -> list[Items]:
    """What became of the parts of deliveries since a moment (real time), the most frequent of each handler first."""
    rows = connection.execute(_COUNTS, {"since": since, "limit": limit})
    return [Items(row.provider, row.handler, row.fate, row.number, row.last_at) for row in rows]
