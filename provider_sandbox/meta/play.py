"""The control API's part for Meta's own decisions. What belongs here: their requests; the neighbours here do them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from provider_sandbox.config import SandboxConfig
from provider_sandbox.meta import accounts, answers, businesses, contacts, inbound, pauses, phones, statuses, templates
from provider_sandbox.meta.inbound import Unreachable
from provider_sandbox.meta.webhooks import Change, tell
from provider_sandbox.state import Body as Document
from provider_sandbox.state import State, Transaction
from provider_sandbox.tasks import TaskQueue

NUMBER = r"^\+[1-9]\d{6,14}$"
STOPPED = "stop"


class Body(BaseModel):
    """A request body: an unknown field is a mistake; numbers are in E.164."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Answer(Body):
    """What is answered to the next messages; fields as of `answers.Answer`."""

    code: int
    sender: str | None = Field(None, alias="from", pattern=NUMBER)
    recipient: str | None = Field(None, alias="to", pattern=NUMBER)
    times: int = Field(1, ge=0)
    how: Literal["call", "status"] | None = None
    delivered: bool = False
    details: str | None = None


class Preference(Body):
    """Somebody stops or resumes a studio's marketing in WhatsApp's own settings."""

    to: str = Field(pattern=NUMBER)
    sender: str = Field(alias="from", pattern=NUMBER)
    value: Literal["stop", "resume"] = "stop"


class Restriction(Body):
    """What a business may not do for a while; no kinds at all lift what there is."""

    kinds: list[businesses.Restriction]
    hours: float = Field(24.0, gt=0)


class Business(Body):
    """What Meta decides about a business; what is left out stays as it is."""

    waba: str
    tier: str | None = None
    review: Literal["APPROVED", "REJECTED", "PENDING"] | None = None
    verification: Literal["APPROVED", "PENDING", "FAILED", "REVOKED"] | None = None
    ban: businesses.Ban | None = None
    restriction: Restriction | None = None
    violation: str | None = None
    connected: Literal[False] | None = None
    payment: bool | None = Field(None, description="whether the payment method works")
    subscribed: Literal[False] | None = None
    override: str | None = None


class Number(Body):
    """What Meta decides about a number; what is left out stays as it is."""

    number: str = Field(pattern=NUMBER)
    quality: Literal["GREEN", "YELLOW", "RED", "UNKNOWN"] | None = None
    name: Literal["APPROVED", "REJECTED", "DEFERRED"] | None = None
    status: Literal["CONNECTED", "DISCONNECTED", "FLAGGED", "RESTRICTED", "BANNED"] | None = None
    throughput: Literal["HIGH"] | None = None
    pin_off: bool = Field(False, description="its owner turns two-step verification off")


class Before(Body):
    """Somebody has a business on WhatsApp already, with these numbers, all of them verified; a PIN means registered."""

    name: str = Field(min_length=1)
    numbers: list[Annotated[str, Field(pattern=NUMBER)]] = []
    pin: str | None = Field(None, pattern=r"^\d{6}$")


class Elsewhere(Body):
    """Somebody uses a number in the WhatsApp app, or does so no more."""

    number: str = Field(pattern=NUMBER)
    used: bool = True


class Quality(Body):
    """How people take a template."""

    waba: str
    name: str
    language: str
    score: Literal["GREEN", "YELLOW", "RED", "UNKNOWN"]


def meta_router(config: SandboxConfig, state: State, deliveries: TaskQueue) -> APIRouter:
    """Everything that Meta may decide, and the errors that it may answer."""
    router = APIRouter(prefix="/control/meta")
    _answers(router, state)
    _people(router, state, deliveries)
    _decisions(router, config, state, deliveries)
    _before(router, config, state)
    return router


def _answers(router: APIRouter, state: State) -> None:
    @router.put("/answers")
    async def play(wanted: Answer) -> list[Document]:
        """Answer the next messages of a pair with an error; all that is played is returned."""
        answer = answers.Answer(
            wanted.code,
            wanted.sender,
            wanted.recipient,
            wanted.times,
            None if wanted.how is None else wanted.how == "call",
            wanted.delivered,
            wanted.details,
        )
        with state.transaction() as tx:
            answers.play(tx, answer)
            return answers.listed(tx)

    @router.get("/answers")
    async def played() -> list[Document]:
        """What will be answered, and to how many more messages."""
        with state.transaction() as tx:
            return answers.listed(tx)

    @router.delete("/answers")
    async def clear() -> list[Document]:
        """Play nothing any more."""
        with state.transaction() as tx:
            answers.clear(tx)
            return answers.listed(tx)


def _people(router: APIRouter, state: State, deliveries: TaskQueue) -> None:
    @router.put("/preferences")
    async def prefer(wanted: Preference) -> dict[str, bool]:
        """Somebody stops or resumes a studio's marketing, and the studio is told."""
        with _transaction(state) as tx:
            phone = inbound.phone_of(tx, wanted.to)
            stopped = wanted.value == STOPPED
            contact = contacts.stop_marketing(tx, phone, contacts.digits(wanted.sender), stopped=stopped)
            value = {
                "messaging_product": "whatsapp",
                "metadata": statuses.metadata(phone),
                "contacts": [contacts.shown(contact)],
                "user_preferences": [
                    {
                        "wa_id": contact["wa_id"],
                        "user_id": contacts.scoped_id(contact),
                        "detail": f"User requested to {wanted.value} marketing messages",
                        "category": "marketing_messages",
                        "value": wanted.value,
                        "timestamp": int(tx.business_now().timestamp()),
                    }
                ],
            }
            tell(tx, deliveries, [Change(phone["waba"], "user_preferences", value)])
        return {"stopped": stopped}


def _before(router: APIRouter, config: SandboxConfig, state: State) -> None:
    @router.post("/businesses", status_code=201)
    async def set_up_before(wanted: Before) -> Document:
        """A business that is there before its owner hears of the product; the dialog offers it."""
        with state.transaction() as tx:
            waba = accounts.set_up_before(tx, wanted.name, config.meta_tier)
            for number in wanted.numbers:
                phones.add_before(tx, waba, number, wanted.name, wanted.pin)
            return waba

    @router.put("/elsewhere")
    async def use_elsewhere(wanted: Elsewhere) -> dict[str, Any]:
        """A number is used in the WhatsApp app, or its account there is deleted."""
        with state.transaction() as tx:
            phones.use_elsewhere(tx, wanted.number, used=wanted.used)
        return {"number": wanted.number, "used": wanted.used}


def _decisions(router: APIRouter, config: SandboxConfig, state: State, deliveries: TaskQueue) -> None:
    limits = config.meta_limits

    def business(tx: Transaction, identity: str) -> Document:
        found = tx.get(accounts.WABA, identity)
        if found is None:
            raise HTTPException(404, "There is no such business.")
        return found

    @router.put("/businesses")
    async def decide_on_business(wanted: Business) -> Document:
        """Meta, or the studio's owner, decides about a business."""
        if wanted.tier is not None and wanted.tier not in limits.names():
            raise HTTPException(422, f"tier is one of {', '.join(limits.names())}.")
        with state.transaction() as tx:
            waba = business(tx, wanted.waba)["id"]
            if wanted.tier:
                businesses.set_tier(tx, deliveries, business(tx, waba), wanted.tier, limits)
            if wanted.review:
                businesses.review(tx, deliveries, business(tx, waba), wanted.review)
            if wanted.verification:
                businesses.verify(tx, deliveries, business(tx, waba), wanted.verification)
            if wanted.ban:
                businesses.ban(tx, deliveries, business(tx, waba), wanted.ban)
            if wanted.restriction:
                kinds, hours = wanted.restriction.kinds, wanted.restriction.hours
                businesses.restrict(tx, deliveries, business(tx, waba), kinds, hours)
            if wanted.violation:
                businesses.warn(tx, deliveries, business(tx, waba), wanted.violation)
            if wanted.payment is not None:
                businesses.set_payment(tx, business(tx, waba), works=wanted.payment)
            if wanted.subscribed is False:
                tx.change(accounts.WABA, waba, {**business(tx, waba), "subscribed": []})
            if wanted.override:
                tx.change(accounts.WABA, waba, {**business(tx, waba), "override": wanted.override})
            if wanted.connected is False:
                businesses.disconnect(tx, deliveries, business(tx, waba))
            return business(tx, waba)

    @router.put("/numbers")
    async def decide_on_number(wanted: Number) -> Document:
        """Meta decides about a number."""

        def number(tx: Transaction) -> Document:
            found = tx.find(accounts.PHONE, key=wanted.number)
            if not found:
                raise HTTPException(404, f"{wanted.number} is not on WhatsApp.")
            return found[0]

        with state.transaction() as tx:
            number(tx)
            if wanted.quality:
                businesses.set_quality(tx, deliveries, number(tx), wanted.quality)
            if wanted.name:
                businesses.decide_name(tx, deliveries, number(tx), wanted.name)
            if wanted.status:
                phones.set_status(tx, number(tx), wanted.status)
            if wanted.pin_off:
                phones.forget_pin(tx, number(tx))
            if wanted.throughput:
                businesses.raise_throughput(tx, deliveries, number(tx))
            shown = number(tx)
        return {name: value for name, value in shown.items() if name not in ("pin", "code")}

    @router.put("/templates/quality")
    async def judge(wanted: Quality) -> dict[str, Any]:
        """People's complaints or praise change a template's quality; a RED one is paused, at last disabled."""
        with state.transaction() as tx:
            template = templates.find(tx, wanted.waba, wanted.name, wanted.language)
            if template is None:
                raise HTTPException(404, "There is no such template.")
            judged = pauses.set_quality(tx, deliveries, template, wanted.score)
        return {"id": judged["id"], "status": judged["status"], "score": wanted.score}


@contextmanager
def _transaction(state: State) -> Iterator[Transaction]:
    try:
        with state.transaction() as tx:
            yield tx
    except Unreachable as error:
        raise HTTPException(404, str(error)) from error
