"""The SQL of session windows. What belongs here: finding those that close, in statements for many studios at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, select, text, tuple_, update

from pilar.messaging.tables import conversation
from pilar.messaging.window_tables import session_window

WINDOW = timedelta(hours=24)
"""How long free text is allowed after a lead's message."""

# A lead waits while what they wrote is unread: an answer, ours or the bot's, makes it read.
_NOTICE = """
insert into session_window (workspace_id, lead_id, opened_at, closes_at)
select c.workspace_id, c.lead_id, c.last_inbound_at, c.last_inbound_at + cast(:window as interval)
from conversation c
join workspace w on w.workspace_id = c.workspace_id and w.state = 'active'
join lead l on l.workspace_id = c.workspace_id and l.id = c.lead_id and l.lifecycle <> 'erased'
where c.workspace_id = any(:studios) and c.unread > 0
  and c.last_inbound_at > cast(:now as timestamptz) - cast(:window as interval) - cast(:missed as interval)
  and c.last_inbound_at <= cast(:now as timestamptz) - cast(:window as interval) + cast(:ahead as interval)
order by c.workspace_id, c.lead_id
on conflict do nothing
"""

_TELL_CLOSING = """
update session_window s set closing_told_at = :now
where s.workspace_id = any(:studios) and s.ended is null and s.closing_told_at is null
  and s.closes_at > :now and s.closes_at <= cast(:now as timestamptz) + cast(:soon as interval)
  and exists (select from conversation c where c.workspace_id = s.workspace_id and c.lead_id = s.lead_id
                and c.last_inbound_at = s.opened_at and c.unread > 0)
returning s.workspace_id, s.lead_id, s.opened_at, s.closes_at
"""

_END = """
update session_window s set ended_at = :now,
  ended = case when c.last_inbound_at > s.opened_at then 'renewed' when c.unread = 0 then 'answered' else 'closed' end
from conversation c
where s.workspace_id = any(:studios) and s.ended is null
  and c.workspace_id = s.workspace_id and c.lead_id = s.lead_id
  and (c.last_inbound_at > s.opened_at or c.unread = 0 or s.closes_at <= :now)
returning s.workspace_id, s.lead_id, s.opened_at, s.closes_at, s.ended
"""

_WANTING = """
select s.workspace_id, s.lead_id, s.opened_at, s.closes_at, l.language
from session_window s
join conversation c on c.workspace_id = s.workspace_id and c.lead_id = s.lead_id and c.mode = 'bot'
  and c.last_inbound_at = s.opened_at and c.unread > 0
join lead l on l.workspace_id = s.workspace_id and l.id = s.lead_id
where s.workspace_id = any(:studios) and s.ended is null and s.last_text_id is null and s.closes_at > :now
order by s.workspace_id, s.lead_id
"""


def notice_windows(
    connection: Connection, studios: Sequence[UUID], now: datetime, *, ahead: timedelta, missed: timedelta
) -> int:
    """Keep the windows of waiting leads that close within a time, or closed unseen within another; each once."""
    values = {"studios": list(studios), "now": now, "window": WINDOW, "ahead": ahead, "missed": missed}
    return connection.execute(text(_NOTICE), values).rowcount


def tell_closing(connection: Connection, studios: Sequence[UUID], now: datetime, soon: timedelta) -> list[Row[Any]]:
    """Those that close soon and were not told yet; from now on they were."""
    return list(connection.execute(text(_TELL_CLOSING), {"studios": list(studios), "now": now, "soon": soon}))


def end_windows(connection: Connection, studios: Sequence[UUID], now: datetime) -> list[Row[Any]]:
    """Those that are over, with how: closed, answered or renewed; each is told once."""
    return list(connection.execute(text(_END), {"studios": list(studios), "now": now}))


def wanting_text(connection: Connection, studios: Sequence[UUID], now: datetime) -> list[Row[Any]]:
    """Open windows of leads whom the bot answers, who wait, and got no last text yet."""
    return list(connection.execute(text(_WANTING), {"studios": list(studios), "now": now}))


def keep_text(connection: Connection, row: Row[Any], message_id: UUID) -> None:
    """Keep which last text a window got."""
    statement = update(session_window).filter_by(
        workspace_id=row.workspace_id, lead_id=row.lead_id, opened_at=row.opened_at
    )
    connection.execute(statement.values(last_text_id=message_id))


def forget_before(connection: Connection, moment: datetime, most: int) -> int:
    """Delete windows that closed before a moment of business time, at most so many; return how many were."""
    key = (session_window.c.workspace_id, session_window.c.lead_id, session_window.c.opened_at)
    old = select(*key).where(session_window.c.closes_at < moment).order_by(session_window.c.closes_at).limit(most)
    return connection.execute(delete(session_window).where(tuple_(*key).in_(old))).rowcount


def is_closing(now: datetime, soon: timedelta) -> ColumnElement[bool]:
    """The condition on a conversation that its lead waits and its window closes soon."""
    opened = conversation.c.last_inbound_at
    return and_(conversation.c.unread > 0, opened > now - WINDOW, opened <= now - WINDOW + soon)


def count_closing(connection: Connection, workspace_id: UUID, now: datetime, soon: timedelta) -> int:
    """How many leads of a studio wait while their window closes soon."""
    query = select(func.count()).select_from(conversation).where(conversation.c.workspace_id == workspace_id)
    return int(connection.execute(query.where(is_closing(now, soon))).scalar_one())
