"""What a model may ask for while it answers. What belongs here: the tools, and doing what they say; nothing is kept.

Handing over is no deed of the tool's own: it ends the turn (`model_answers.py`).
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pilar.agents.asking import Studio
from pilar.agents.slot_offers import NOTICE, TRIAL
from pilar.agents.words import moment_in_words
from pilar.bookings import bookings
from pilar.errors import NotFound
from pilar.providers.llm.asking import Tool

_MOST_SLOTS = 6


class FreeSlots(BaseModel):
    """What `free_slots` takes."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(7, ge=1, le=bookings.DAYS_AHEAD, description="how many days ahead to look")


class HandOver(BaseModel):
    """What `hand_over` takes."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=200, description="why a person has to answer, in English")


FREE_SLOTS = Tool("free_slots", "Free times for a trial session, in the studio's local time.", FreeSlots)
HAND_OVER = Tool("hand_over", "Have a person of the studio answer from now on, in place of you.", HandOver)
TOOLS = (FREE_SLOTS, HAND_OVER)


def free_slots(connection: Connection, studio: Studio, days: int, language: str, now: datetime) -> str:
    """The first free times for a trial, in words.

    Args:
        connection: a transaction that sees the studio.
        studio: where.
        days: how far ahead, from now.
        language: to say them in.
        now: business time.
    """
    try:
        found = bookings.free_slots(
            connection, studio.workspace_id, TRIAL, start=now + NOTICE, days=days, limit=_MOST_SLOTS
        )
    except NotFound:
        return "The studio takes no bookings for trials."
    if not found:
        return "Nothing is free then."
    return "; ".join(moment_in_words(slot.starts_at, studio.zone, language) for slot in found)
