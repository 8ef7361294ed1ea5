"""What deliveries were made of. What belongs here: the figures for programs; counting is `items_store.py`'s."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from pilar.backplane.items_store import PASSED_OVER, count_items
from pilar.database.engine import Scope
from webhook_ingest.deps import System


class ItemCount(BaseModel):
    """How many parts of a provider's deliveries met one fate; where `is_passed_over`, nobody works on such parts."""

    provider: str
    handler: str
    fate: str
    is_passed_over: bool
    count: int
    last_at: datetime


class ItemCounts(BaseModel):
    """What became of the parts of deliveries within the last hours."""

    hours: int
    items: list[ItemCount]


def delivery_items(
    app: System,
    hours: Annotated[int, Query(ge=1, le=720, description="How far back.")] = 24,
    only_passed_over: Annotated[bool, Query(description="Leave out what somebody works on.")] = False,
) -> ItemCounts:
    """What became of the parts of deliveries: messages, statuses, and kinds that nobody here works on."""
    since = app.clocks.real.now() - timedelta(hours=hours)
    with app.database.transaction(Scope.fleet()) as connection:
        found = count_items(connection, since)
    items = [
        ItemCount(
            provider=one.provider,
            handler=one.handler,
            fate=one.fate,
            is_passed_over=one.fate.startswith(PASSED_OVER),
            count=one.count,
            last_at=one.last_at,
        )
        for one in found
    ]
    return ItemCounts(hours=hours, items=[one for one in items if one.is_passed_over or not only_passed_over])
