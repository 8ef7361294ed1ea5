"""The SQL of putting many messages into the outbox at once. What belongs here: their rows and their threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

_THREADS = text(
    """
    insert into conversation (workspace_id, lead_id, mode, mode_since, mode_reason, last_message_at, unread)
    select distinct workspace_id, lead_id, 'bot', cast(:now as timestamptz), 'The studio writes first.',
           cast(:now as timestamptz), 0
    from unnest(cast(:studios as uuid[]), cast(:leads as uuid[])) as given (workspace_id, lead_id)
    on conflict do nothing
    """
)
_ADD = text(
    """
    insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin, text, template_name,
                         template_parameters, cause, correlation_id, occurred_at)
    select workspace_id, id, lead_id, 'out', kind, 'queued', category, origin, words, template,
           cast(parameters as jsonb), cause, correlation_id, :now
    from unnest(cast(:studios as uuid[]), cast(:ids as uuid[]), cast(:leads as uuid[]), cast(:kinds as text[]),
                cast(:categories as text[]), cast(:origins as text[]), cast(:texts as text[]),
                cast(:templates as text[]), cast(:parameters as text[]), cast(:causes as text[]),
                cast(:correlations as uuid[]))
      as given (workspace_id, id, lead_id, kind, category, origin, words, template, parameters, cause, correlation_id)
    on conflict (workspace_id, cause) do nothing
    returning id
    """
)
_TOUCH = text(
    """
    update conversation c set last_message_at = :now
    from message m
    where m.workspace_id = any(cast(:studios as uuid[])) and m.id = any(cast(:ids as uuid[]))
      and c.workspace_id = m.workspace_id and c.lead_id = m.lead_id
    """
)


class Opening(NamedTuple):
    """A message that a studio writes first; its parameters as JSON."""

    workspace_id: UUID
    id: UUID
    lead_id: UUID
    kind: str
    category: str
    origin: str
    text: str | None
    template: str | None
    parameters: str | None
    cause: str
    correlation_id: UUID


def add(connection: Connection, openings: Sequence[Opening], now: datetime) -> set[UUID]:
    """Store messages, with threads for leads who have none; return the ids of those whose cause made none before."""
    if not openings:
        return set()
    columns = zip(*openings, strict=True)
    names = (
        *("studios", "ids", "leads", "kinds", "categories", "origins", "texts", "templates", "parameters", "causes"),
        "correlations",
    )
    values = dict(zip(names, map(list, columns), strict=True))
    connection.execute(_THREADS, {"studios": values["studios"], "leads": values["leads"], "now": now})
    stored = set(connection.execute(_ADD, {**values, "now": now}).scalars())
    connection.execute(_TOUCH, {"studios": list(set(values["studios"])), "ids": list(stored), "now": now})
    return stored
