"""A delivery as the doors hand it over. What belongs here: its shape; keeping it is `inbox.py` and `spool.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from pilar.backplane.facts import Lane


@dataclass(frozen=True)
class NewDelivery:
    """A verified delivery.

    Attributes:
        provider: who sent it.
        external_id: the provider's id for it; the same id is the same delivery.
        headers: those that the handler needs, without secrets.
        body: the body, byte by byte.
        lane: the queue's; what nobody waits for has another than what somebody does.
    """

    provider: str
    external_id: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    workspace_id: UUID | None = None
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    lane: Lane = Lane.INBOX
