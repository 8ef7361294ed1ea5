"""Decisions about messages, for programs. What belongs here: the shape of the answers; deciding is messaging's."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.messaging import fall_backs
from pilar.messaging.decisions import Facts, Verdict
from pilar.messaging.why import why
from webhook_ingest.deps import Asked, System


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


class FallBackChoice(BaseModel):
    """By what else a studio writes to leads whom WhatsApp can't reach, and who agreed to it.

    `reply_to` is the mailbox for answers to e-mail; empty: the owner's. `postal_address` stands at the end of each
    e-mail, and none goes without it.
    """

    model_config = ConfigDict(extra="forbid")

    sms: bool
    email: bool
    reply_to: str = Field("", max_length=254)
    postal_address: str = Field("", max_length=300)


def get_fall_backs(app: System, workspace_id: UUID) -> FallBackChoice:
    """By what else a studio writes."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        return FallBackChoice.model_validate(fall_backs.chosen(connection, workspace_id), from_attributes=True)


def choose_fall_backs(app: System, caller: Asked, workspace_id: UUID, wanted: FallBackChoice) -> FallBackChoice:
    """Choose by what else a studio writes; it holds for what is queued too."""
    choice = fall_backs.FallBacks(**wanted.model_dump())
    with app.database.transaction(Scope.fleet()) as connection:
        kept = fall_backs.choose(connection, app.clocks, workspace_id, choice, actor=caller.principal.actor)
    return FallBackChoice.model_validate(kept, from_attributes=True)


def why_message(app: System, workspace_id: UUID, message_id: UUID) -> WhyAnswer:
    """The decision about one message: what was decided, on what facts, and with every reason."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        return WhyAnswer.model_validate(why(connection, workspace_id, message_id), from_attributes=True)
