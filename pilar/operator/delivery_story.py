"""A delivery with all that is known of it. What belongs here: putting together what rooms below know of one delivery.

What does not: the delivery itself and how it stands (`backplane/received.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.bodies import readable
from pilar.backplane.received import ReceivedDelivery, Replayed, body_of, find_delivery, replays_of
from pilar.backplane.subjects import subjects
from pilar.backplane.work import EventState, JobState, list_events, list_jobs
from pilar.clocks import Clocks
from pilar.masking import mask
from pilar.messaging import page_store
from pilar.workspaces.store import names_at_providers

_AT_MOST = 100
"""Of each kind: what one delivery causes, and all that follows from it."""


@dataclass(frozen=True)
class DeliveryStory:
    """A delivery, its body, and what came of it.

    Attributes:
        headers: those that were kept; masked unless it was asked for them.
        body: as people read it; masked unless it was asked for it.
        is_masked: whether personal data is shortened.
        replays: when somebody had it worked on again, the newest first.
        events: that happened because of it, the first one first, and those that followed from them.
        jobs: likewise.
        messages: rows of messages that it brought, or that it tells something of.
        is_cut: whether there are more events, jobs or messages than these.
    """

    delivery: ReceivedDelivery
    headers: Mapping[str, Any]
    body: str
    is_masked: bool
    replays: list[Replayed]
    events: list[EventState]
    jobs: list[JobState]
    messages: list[Row[Any]]
    is_cut: bool


def tell(
    connection: Connection, clocks: Clocks, delivery_id: UUID, *, unmasked_for: str | None = None
) -> DeliveryStory:
    """All that is known of a delivery.

    Args:
        connection: under the fleet's scope.
        clocks: real time is the audit entry's.
        delivery_id: its public id.
        unmasked_for: who wants to see personal data, as in the audit log, where an entry is made; None: masked.

    Raises:
        NotFound: there is none (any more).
    """
    delivery = find_delivery(connection, delivery_id)
    body = body_of(connection, delivery_id)
    if unmasked_for is not None:
        audit.record(
            connection,
            actor=unmasked_for,
            action="inbox.unmasked",
            subject=f"delivery:{delivery_id}",
            now=clocks.real.now(),
            correlation_id=delivery_id,
            details={"provider": delivery.provider},
        )
    events = list_events(connection, correlation_id=delivery_id, limit=_AT_MOST + 1)
    jobs = list_jobs(connection, correlation_id=delivery_id, limit=_AT_MOST + 1)
    messages: list[Row[Any]] = []
    if delivery.provider == "whatsapp":
        messages = page_store.messages_named(connection, subjects(body), limit=_AT_MOST + 1)
    return DeliveryStory(
        delivery=delivery,
        headers=delivery.headers if unmasked_for is not None else mask(dict(delivery.headers)),
        body=readable(body, masked=unmasked_for is None),
        is_masked=unmasked_for is None,
        replays=replays_of(connection, delivery.position),
        events=events[:_AT_MOST][::-1],
        jobs=jobs[:_AT_MOST][::-1],
        messages=messages[:_AT_MOST],
        is_cut=max(len(events), len(jobs), len(messages)) > _AT_MOST,
    )


def names_of(connection: Connection, workspace_id: UUID) -> list[str]:
    """What deliveries name that concern a studio: they come in before it is known whose they are."""
    return names_at_providers(connection, workspace_id)
