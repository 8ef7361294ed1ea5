"""The sandbox's own API. What belongs here: playing people, reading what happened, waiting; no provider's behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import httpx
from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pilar.clocks import ClockSetting
from provider_sandbox import clock, delivery, mail, owner
from provider_sandbox.config import SandboxConfig
from provider_sandbox.effects import effects_router
from provider_sandbox.meta import webhooks as meta_webhooks
from provider_sandbox.state import State, Transaction
from provider_sandbox.stripe import webhooks as stripe_webhooks
from provider_sandbox.stripe.objects import Visitor
from provider_sandbox.stripe.play import money_router
from provider_sandbox.stripe.signup import sign_up
from provider_sandbox.tasks import Bell, TaskQueue, heard
from provider_sandbox.twilio import messages


class Body(BaseModel):
    """A request body: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Signup(Body):
    """A visitor of the checkout page."""

    studio: str = Field(min_length=1)
    owner_name: str
    email: str
    phone: str
    country: str = Field(pattern="^[A-Z]{2}$")
    plan: Literal["BASIC", "PRO"]
    time_zone: str | None = None
    client_reference_id: str | None = None
    seed: int = 1
    metadata: dict[str, str] = {}
    trial_days: int | None = Field(None, ge=1, le=730)


class Targets(Body):
    """Where webhooks go; what is left out stays as it is."""

    stripe_webhook_url: str | None = None
    meta_webhook_url: str | None = None


class Sms(Body):
    """An SMS from anybody to a bought number."""

    to: str
    sender: str
    text: str


class Change(Body):
    """A change of a business on WhatsApp that Meta tells about."""

    waba: str
    field: str
    value: dict[str, Any]


class Habit(Body):
    """How long an owner leaves mail unread, in hours of business time; null: for ever."""

    email: str = Field(min_length=3)
    hours: float | None = Field(ge=0)


class BusinessClock(Body):
    """How business time follows from real time; the fields of `ClockSetting`."""

    real_anchor: AwareDatetime
    business_anchor: AwareDatetime
    rate: float = Field(1.0, ge=0)
    skip: bool = False
    """Whether the months between are skipped: what is subscribed to is not charged for them."""


def set_targets(tx: Transaction, targets: Targets) -> None:
    """Remember the addresses that are given."""
    for name in (stripe_webhooks.TARGET, meta_webhooks.TARGET):
        if url := getattr(targets, name):
            tx.remember(name, url)


def control_router(
    config: SandboxConfig,
    state: State,
    bell: Bell,
    queues: Mapping[str, TaskQueue],
    client: httpx.AsyncClient,
    clock_moved: Callable[..., Awaitable[None]],
) -> APIRouter:
    """The control API.

    Args:
        config: keys.
        state: everything that is kept.
        bell: rings when something changes.
        queues: by the name under which what is pending in each is told.
        client: for asking the product.
        clock_moved: has happen what the new business time brings about, before its setting is answered.
    """
    router = APIRouter()
    deliveries = queues["pending_deliveries"]
    _actions(router, config, state, deliveries, client)
    _clock(router, state, clock_moved)
    _views(router, state, bell, queues)
    router.include_router(effects_router(state))
    router.include_router(money_router(state, deliveries))
    return router


def _actions(
    router: APIRouter, config: SandboxConfig, state: State, deliveries: TaskQueue, client: httpx.AsyncClient
) -> None:
    @router.post("/control/signups", status_code=201)
    async def play_signup(signup: Signup) -> dict[str, object]:
        """A visitor pays for a studio; webhooks follow in the seed's disorder."""
        visitor = Visitor(**signup.model_dump(exclude={"seed"}))
        with state.transaction() as tx:
            return sign_up(tx, deliveries, visitor, signup.seed)

    @router.put("/control/owners")
    async def put_habit(habit: Habit) -> dict[str, object]:
        """Say how soon an owner opens the mail that arrives from now on."""
        with state.transaction() as tx:
            owner.set_habit(tx, habit.email, habit.hours)
        return habit.model_dump()

    @router.put("/control/targets")
    async def put_targets(targets: Targets) -> dict[str, str | None]:
        """Say where webhooks go, and send those that wait."""
        with state.transaction() as tx:
            set_targets(tx, targets)
            deliveries.hurry(tx)
            return {name: tx.setting(name) for name in Targets.model_fields}

    @router.post("/control/deliveries/hurry")
    async def hurry() -> dict[str, int]:
        """Send every waiting webhook now, whatever its back-off."""
        with state.transaction() as tx:
            deliveries.hurry(tx)
            return {"pending": deliveries.pending(tx)}

    @router.post("/control/deliveries/{number}/again", status_code=201)
    async def send_again(number: int) -> dict[str, int]:
        """A provider sends a webhook once more, byte for byte, however the first one fared."""
        with state.transaction() as tx:
            again = deliveries.again(tx, number)
        if again is None:
            raise HTTPException(404, "There is no such webhook.")
        return {"id": again}

    @router.post("/control/sms", status_code=201)
    async def receive_sms(sms: Sms) -> dict[str, Any]:
        """Somebody sends an SMS to a bought number."""
        with state.transaction() as tx:
            message = messages.receive(tx, deliveries, to=sms.to, sender=sms.sender, text=sms.text)
        if message is None:
            raise HTTPException(404, "Nobody has bought this number.")
        return message

    @router.post("/control/meta/changes", status_code=201)
    async def announce(change: Change) -> dict[str, str]:
        """Meta tells the product about a change of a business."""
        told = meta_webhooks.Change(change.waba, change.field, change.value)
        with state.transaction() as tx:
            return {"delivery": meta_webhooks.announce(tx, deliveries, told)}

    @router.post("/control/meta/verify-webhook")
    async def verify_webhook() -> dict[str, bool]:
        """Meta verifies the product's webhook."""
        with state.transaction() as tx:
            url = tx.setting(meta_webhooks.TARGET)
        if not url:
            raise HTTPException(409, "No address for Meta's webhooks is set.")
        try:
            return {"verified": await meta_webhooks.verify(client, url, config.meta_verify_token)}
        except httpx.TransportError as error:
            raise HTTPException(502, f"{url} can't be reached: {type(error).__name__}") from error


def _clock(router: APIRouter, state: State, clock_moved: Callable[..., Awaitable[None]]) -> None:
    @router.put("/control/clock")
    async def move_clock(wanted: BusinessClock) -> dict[str, str]:
        """Move business time; it stays moved when the sandbox is started again."""
        setting = ClockSetting(wanted.real_anchor, wanted.business_anchor, wanted.rate)
        with state.transaction() as tx:
            tx.remember(clock.SETTING, clock.as_text(setting))
            answer = {"business_now": tx.business_now().isoformat()}
        await clock_moved(skipping=wanted.skip)
        return answer

    @router.delete("/control/clock")
    async def reset_clock() -> dict[str, str]:
        """Let business time be real time again."""
        with state.transaction() as tx:
            tx.forget(clock.SETTING)
            answer = {"business_now": tx.business_now().isoformat()}
        await clock_moved()
        return answer


def _views(router: APIRouter, state: State, bell: Bell, queues: Mapping[str, TaskQueue]) -> None:
    deliveries, owners = queues["pending_deliveries"], queues["pending_owners"]

    def pending(tx: Transaction) -> dict[str, int]:
        return {name: queue.pending(tx) for name, queue in queues.items()}

    @router.get("/control/health")
    async def health() -> dict[str, str]:
        """Answer while the file can be read."""
        with state.transaction() as tx:
            tx.run("select 1")
        return {"status": "ok"}

    @router.get("/control/state")
    async def counts() -> dict[str, Any]:
        """How many objects of each kind there are, and how much is under way."""
        with state.transaction() as tx:
            return {"objects": _objects(tx), **pending(tx)}

    @router.get("/control/objects/{kind}")
    async def objects(kind: str) -> list[dict[str, Any]]:
        """Every object of one kind, oldest first."""
        with state.transaction() as tx:
            return tx.find(kind)

    @router.get("/control/deliveries")
    async def all_deliveries() -> list[dict[str, Any]]:
        """Each webhook and how it fared."""
        with state.transaction() as tx:
            rows = deliveries.rows(tx)
        return [
            {
                "id": row["id"],
                "provider": row["topic"],
                "event_id": row["name"],
                "attempts": row["attempts"],
                "last_status": row["last_status"],
                "last_error": row["last_error"],
                "delivered": row["state"] == "done",
                "state": row["state"],
                "ended_at": row["ended_at"],
            }
            for row in rows
        ]

    @router.get("/control/deliveries/counts")
    async def delivery_counts() -> dict[str, dict[str, int]]:
        """How webhooks fared, by provider."""
        with state.transaction() as tx:
            return delivery.counted(tx)

    @router.get("/control/owners")
    async def all_owners() -> list[dict[str, Any]]:
        """Each link that an owner was sent and how the visit went."""
        with state.transaction() as tx:
            rows = owners.rows(tx)
        return [
            {"email": row["topic"], "link": row["name"]}
            | {name: row[name] for name in ("state", "attempts", "last_status", "last_error", "ended_at")}
            for row in rows
        ]

    @router.get("/control/mails")
    async def all_mails(to: str | None = None) -> list[dict[str, Any]]:
        """Mail that arrived."""
        with state.transaction() as tx:
            return mail.mails(tx, to)

    @router.post("/control/wait-idle")
    async def wait_idle(timeout: float = 30.0) -> dict[str, Any]:  # noqa: ASYNC109 - the caller's own limit, in seconds
        """Wait until nothing is under way in any queue; `idle` says whether that came about in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            ring = bell.next()
            with state.transaction() as tx:
                left = pending(tx)
            if not any(left.values()):
                return {"idle": True, **left}
            if not await heard(ring, max(deadline - loop.time(), 0.0)):
                return {"idle": False, **left}


def _objects(tx: Transaction) -> dict[str, int]:
    return {row["kind"]: row["count"] for row in tx.run("select kind, count(*) as count from object group by kind")}
