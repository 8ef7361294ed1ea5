"""Who hears a message before the rules do. What belongs here: the shape of it.

A question that was put to a lead (how was your week? which of these times?) is answered in words that no rule knows.
Who put it says whether a message answers it; rooms above are named where the system is put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.messaging.outbox import Button


@dataclass(frozen=True)
class Hearing:
    """A message that was written.

    Attributes:
        workspace_id: to which studio.
        lead_id: by whom; the lead's row is held.
        message_id: the message's.
        text: its words; empty: none.
        choice: the id of the button that was chosen, if one was.
        language: the lead's.
        story: the story it belongs to.
    """

    workspace_id: UUID
    lead_id: UUID
    message_id: UUID
    text: str
    choice: str | None
    language: str
    story: Cause


@dataclass(frozen=True)
class Heard:
    """A message answered what was asked.

    Attributes:
        origin: who says what is said now.
        texts: what is said, by language, with the placeholders that a rule's texts may have.
        values: what it is filled in with.
        buttons: what can be chosen from.
        needs_person: nobody but a person can go on from here.
    """

    origin: str
    texts: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    needs_person: bool = False


Hearer = Callable[[Connection, Clocks, Hearing], Heard | None]
"""Says what a message answers, and does what follows from it; None: it answers nothing of its."""
