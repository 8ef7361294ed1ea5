"""Where work may be, as an option. The same words as in the product, which is loaded only when it is needed."""

from __future__ import annotations

from enum import StrEnum


class WorkState(StrEnum):
    """Where work is."""

    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    RETRYING = "retrying"
    PENDING = "pending"
    PARKED = "parked"
    SCHEDULED = "scheduled"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    ARCHIVED = "archived"
