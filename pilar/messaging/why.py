"""Why a message was sent, or was not. What belongs here: the decision as it was kept, and deciding on its facts anew.

The same facts give the same answer: where they no longer do, the rule has changed since, and this says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pilar.errors import NotFound
from pilar.messaging import store
from pilar.messaging.decisions import Facts, Verdict
from pilar.messaging.verdict import decide


@dataclass(frozen=True)
class Why:
    """The decision about a message.

    Attributes:
        message_id: which.
        state: where it stands.
        channel: by which it goes.
        error: what the provider, or what withdrew it, said; None: nothing.
        error_code: the provider's; None likewise.
        cost_micro: what it cost when it was taken, in millionths of `cost_currency`; None: it was not.
        facts: what the decision rested on; None: nothing is decided yet.
        decision: what was decided; None likewise.
        decided_again: what the same facts give now; None likewise.
    """

    message_id: UUID
    state: str
    channel: str
    error: str | None
    error_code: str | None
    cost_micro: int | None
    cost_currency: str | None
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
    facts = kept = again = None
    if row.verdict is not None:
        facts = Facts.model_validate(row.verdict["facts"])
        kept = Verdict.model_validate(row.verdict["decision"])
        again = decide(facts)
    return Why(
        message_id=row.id,
        state=row.state,
        channel=row.channel,
        error=row.error,
        error_code=row.error_code,
        cost_micro=row.cost_micro,
        cost_currency=row.cost_currency,
        facts=facts,
        decision=kept,
        decided_again=again,
    )
