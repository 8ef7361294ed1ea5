"""Why a message was sent, or was not. What belongs here: the decision as it was kept, and deciding on its facts anew.

The same facts give the same answer: where they no longer do, the rule has changed since, and this says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pilar.errors import NotFound
from pilar.messaging import store
from pilar.messaging.verdict import Facts, Verdict, decide


@dataclass(frozen=True)
class Why:
    """The decision about a message.

    Attributes:
        message_id: which.
        state: where it stands.
        error: what the provider, or what withdrew it, said; None: nothing.
        facts: what the decision rested on; None: nothing is decided yet.
        decision: what was decided; None likewise.
        decided_again: what the same facts give now; None likewise.
    """

    message_id: UUID
    state: str
    error: str | None
    facts: Facts | None
    decision: Verdict | None
    decided_again: Verdict | None

    @property
    def is_the_same(self) -> bool | None:
        """Whether deciding again on the same facts gives the same answer; None where nothing is decided yet."""
        return None if self.decision is None else self.decision == self.decided_again


def why(connection: Connection, workspace_id: UUID, message_id: UUID) -> Why:
    """The decision about a message that we send.

    Raises:
        NotFound: this scope sees no such message, or it is one that a lead wrote.
    """
    row = store.get_message(connection, workspace_id, message_id)
    if row.direction != "out":
        raise NotFound("A lead wrote this message: nothing was decided about it.")
    if row.verdict is None:
        return Why(row.id, row.state, row.error, None, None, None)
    facts = Facts.model_validate(row.verdict["facts"])
    kept = Verdict.model_validate(row.verdict["decision"])
    return Why(row.id, row.state, row.error, facts, kept, decide(facts))
