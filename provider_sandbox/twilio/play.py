"""The control API's part for Twilio. What belongs here: playing telephones, and what Twilio itself decides."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from provider_sandbox.state import Body as Document
from provider_sandbox.state import State
from provider_sandbox.twilio import accounts, answers, lines, numbers, senders

NUMBER = r"^\+[1-9]\d{6,14}$"


class Body(BaseModel):
    """A request body: an unknown field is a mistake; numbers are in E.164."""

    model_config = ConfigDict(extra="forbid")


class Line(Body):
    """What telephone is behind a number."""

    number: str = Field(pattern=NUMBER)
    line: lines.Line


class Answer(Body):
    """What is answered to the next requests; fields as of `answers.Answer`."""

    code: int
    path: str = "*"
    to: str | None = Field(None, pattern=NUMBER)
    times: int = Field(1, ge=0)


class Standing(Body):
    """Twilio suspends an account, or lets it work again."""

    sid: str
    status: Literal["active", "suspended", "closed"]


class Parent(Body):
    """One more parent account."""

    friendly_name: str = Field(min_length=1)


class Drift(Body):
    """Somebody changes a number in Twilio's console, or Twilio takes it away."""

    number: str = Field(pattern=NUMBER)
    sms_url: str | None = None
    status_callback: str | None = None
    friendly_name: str | None = None
    status: Literal["in-use", "suspended"] | None = None
    released: bool = False


class Sender(Body):
    """Twilio or Meta gives a WhatsApp sender another state."""

    sid: str
    status: senders.Status
    reason: str | None = None


def twilio_router(state: State) -> APIRouter:
    """Everything that Twilio may decide, the errors that it may answer, and people's telephones."""
    router = APIRouter(prefix="/control/twilio")
    _answers(router, state)
    _decisions(router, state)
    return router


def _answers(router: APIRouter, state: State) -> None:
    @router.put("/answers")
    async def play(wanted: Answer) -> list[Document]:
        """Answer the next requests with an error; all that is played is returned."""
        with state.transaction() as tx:
            answers.play(tx, answers.Answer(wanted.code, wanted.path, wanted.to, wanted.times))
            return answers.listed(tx)

    @router.get("/answers")
    async def played() -> list[Document]:
        """What will be answered, and to how many more requests."""
        with state.transaction() as tx:
            return answers.listed(tx)

    @router.delete("/answers")
    async def clear() -> list[Document]:
        """Play nothing any more."""
        with state.transaction() as tx:
            answers.clear(tx)
            return answers.listed(tx)

    @router.put("/lines")
    async def set_line(wanted: Line) -> dict[str, Any]:
        """Say what telephone is behind a number."""
        with state.transaction() as tx:
            lines.set_line(tx, wanted.number, wanted.line)
        return wanted.model_dump()


def _decisions(router: APIRouter, state: State) -> None:
    @router.post("/parents", status_code=201)
    async def add_parent(wanted: Parent) -> Document:
        """Open one more account of its own."""
        with state.transaction() as tx:
            return accounts.add_parent(tx, wanted.friendly_name)

    @router.put("/accounts")
    async def set_standing(wanted: Standing) -> Document:
        """Twilio suspends an account; a parent takes its subaccounts with it."""
        with state.transaction() as tx:
            account = tx.get(accounts.KIND, wanted.sid)
            if account is None:
                raise HTTPException(404, "There is no such account.")
            return accounts.set_status(tx, account, wanted.status)

    @router.put("/numbers")
    async def drift(wanted: Drift) -> Document:
        """A number changes, or is gone, without our doing."""
        with state.transaction() as tx:
            number = numbers.owner_of(tx, wanted.number)
            if number is None:
                raise HTTPException(404, f"Nobody has bought {wanted.number}.")
            if wanted.released:
                numbers.release(tx, number)
                return number
            changed = {"SmsUrl": wanted.sms_url, "StatusCallback": wanted.status_callback}
            changed["FriendlyName"] = wanted.friendly_name
            if wanted.status:
                number = tx.change(numbers.KIND, number["sid"], {**number, "status": wanted.status})
            return numbers.change(tx, number, {name: value for name, value in changed.items() if value is not None})

    @router.put("/senders")
    async def set_sender(wanted: Sender) -> Document:
        """A sender goes offline, into review, or back online."""
        with state.transaction() as tx:
            sender = tx.get(senders.KIND, wanted.sid)
            if sender is None:
                raise HTTPException(404, "There is no such sender.")
            return senders.shown(senders.set_status(tx, sender, wanted.status, wanted.reason))
