"""The SQL of sending many messages at once. What belongs here: statements over any number of messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from pilar.messaging import states

_PLAIN = text(
    """
    select m.*, wa.sealed_credentials from unnest(cast(:studios as uuid[]), cast(:messages as uuid[]))
      as given (workspace_id, id)
    join message m on m.workspace_id = given.workspace_id and m.id = given.id
    join integration wa on wa.workspace_id = m.workspace_id and wa.provider = 'whatsapp'
    where m.channel = 'whatsapp' and m.state = any(:unsent) and wa.sealed_credentials is not null
      and m.details -> 'picture' is null
    """
)
_ATTEMPTED = text(
    """
    update message m
    set state = 'attempted', kind = given.kind, template_name = given.name,
        template_language = given.language,
        verdict = cast(given.verdict as jsonb), attempted_at = given.at, error = null, error_code = null
    from unnest(cast(:studios as uuid[]), cast(:messages as uuid[]), cast(:kinds as text[]), cast(:names as text[]),
                cast(:languages as text[]), cast(:verdicts as text[]), cast(:moments as timestamptz[]))
      as given (workspace_id, id, kind, name, language, verdict, at)
    where m.workspace_id = given.workspace_id and m.id = given.id
    """
)
_TAKEN = text(
    """
    update message m
    set state = given.state, provider_message_id = given.provider_id, accepted_at = coalesce(m.accepted_at, :now),
        cost_micro = coalesce(m.cost_micro, given.micro), cost_currency = coalesce(m.cost_currency, given.currency)
    from unnest(cast(:studios as uuid[]), cast(:messages as uuid[]), cast(:states as text[]),
                cast(:provider_ids as text[]), cast(:micros as bigint[]), cast(:currencies as text[]))
      as given (workspace_id, id, state, provider_id, micro, currency)
    where m.workspace_id = given.workspace_id and m.id = given.id
    """
)


class Attempted(NamedTuple):
    """What is kept of a message that is about to be handed over: its verdict as JSON, its moment in business time."""

    workspace_id: UUID
    id: UUID
    kind: str
    template: str | None
    language: str | None
    verdict: str
    at: datetime


class Taken(NamedTuple):
    """What is kept of a message that the provider took."""

    workspace_id: UUID
    id: UUID
    state: str
    provider_id: str
    micro: int | None
    currency: str | None


def plain(connection: Connection, keys: Collection[tuple[UUID, UUID]]) -> Sequence[Row[Any]]:
    """Those of these messages, by studio and id, that wait to go over WhatsApp, with their studio's credentials."""
    values = {
        "studios": [studio for studio, _ in keys],
        "messages": [message for _, message in keys],
        "unsent": list(states.UNSENT),
    }
    return connection.execute(_PLAIN, values).all()


def keep_attempted(connection: Connection, messages: Sequence[Attempted]) -> None:
    """Keep that messages are about to be handed over; their rows are held."""
    if messages:
        names = ("studios", "messages", "kinds", "names", "languages", "verdicts", "moments")
        connection.execute(_ATTEMPTED, dict(zip(names, map(list, zip(*messages, strict=True)), strict=True)))


def keep_taken(connection: Connection, messages: Sequence[Taken], now: datetime) -> None:
    """Keep that the provider took messages, now in real time; their rows are held."""
    if messages:
        names = ("studios", "messages", "states", "provider_ids", "micros", "currencies")
        values = dict(zip(names, map(list, zip(*messages, strict=True)), strict=True))
        connection.execute(_TAKEN, {**values, "now": now})
