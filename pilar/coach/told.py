"""What a lead's model is told of their coaching. What belongs here: the sentences; who asks is the room below's."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from pilar.coach import store


def coaching_facts(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Sequence[str]:
    """How a lead is being coached, in sentences; none where they are not."""
    found = store.find_enrolment(connection, workspace_id, lead_id)
    if found is None or found.ended_at is not None:
        return ()
    return (f"The lead is being coached {found.frequency}, in a style that is {found.motivation_style}.",)
