"""Decisions about messages, for programs. What belongs here: the shape of the answers; deciding is messaging's."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from pilar.database.engine import Scope
from pilar.messaging.decisions import Facts, Verdict
from pilar.messaging.why import why
from webhook_ingest.deps import System


class WhyAnswer(BaseModel):
    """Why a message was sent, or was not; the decision is null while nothing is decided yet.

    `is_the_same` says whether deciding again on the same facts gives the same answer; `error` is what the provider, or
    what withdrew the message, said, `error_code` the provider's code. `cost_micro` is what it cost when the provider
    took it, in millionths of `cost_currency`.
    """

    message_id: UUID
    state: str
    channel: str
    error: str | None
    error_code: str | None
    cost_micro: int | None
    cost_currency: str | None
    decision: Verdict | None
    facts: Facts | None
    decided_again: Verdict | None
    is_the_same: bool | None


def why_message(app: System, workspace_id: UUID, message_id: UUID) -> WhyAnswer:
    """The decision about one message: what was decided, on what facts, and with every reason."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        return WhyAnswer.model_validate(why(connection, workspace_id, message_id), from_attributes=True)
