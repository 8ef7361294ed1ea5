"""The first page. What belongs here: each provider at a glance, what is under way, what happened, and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from provider_sandbox import clock
from provider_sandbox.effects import by_kind
from provider_sandbox.faults.store import Faults
from provider_sandbox.state import State, Transaction
from provider_sandbox.tasks import TaskQueue
from provider_sandbox.web.frame import page

READABLE = (
    *("/control/state", "/control/effects", "/control/deliveries", "/control/owners", "/control/mails"),
    *("/control/leads", "/control/models/questions", "/control/models/usage", "/control/faults"),
    *("/control/meta/answers", "/control/twilio/answers"),
)
"""What programs read, and people may."""

UNDER_WAY = {
    "pending_deliveries": "webhooks to the product",
    "pending_owners": "visits of owners",
    "pending_statuses": "statuses of messages",
    "pending_reviews": "reviews of templates",
    "pending_sms": "statuses of SMS",
    "pending_senders": "WhatsApp senders",
    "pending_leads": "messages that leads will read",
}
"""In words, by the name of the queue."""


@dataclass(frozen=True)
class Provider:
    """A provider's card: its page, and what it has of each kind, by the kinds' names in the state."""

    name: str
    fault: str
    address: str
    counts: Mapping[str, str]


PROVIDERS = (
    Provider(
        "Stripe",
        "stripe",
        "/stripe-dashboard",
        {
            "stripe.customer": "customers",
            "stripe.subscription": "subscriptions",
            "stripe.invoice": "invoices",
            "stripe.account": "Connect accounts",
        },
    ),
    Provider(
        "Twilio",
        "twilio",
        "/twilio-dashboard",
        {"twilio.account": "accounts", "twilio.number": "numbers", "twilio.message": "SMS"},
    ),
    Provider(
        "Meta",
        "meta",
        "/meta-dashboard",
        {
            "meta.waba": "businesses",
            "meta.phone": "numbers",
            "meta.template": "templates",
            "meta.message": "messages out",
            "meta.inbound": "messages in",
        },
    ),
    Provider(
        "Models",
        "openai",
        "/models",
        {"models.question": "questions", "models.script": "answers ready", "elevenlabs.voice": "voices"},
    ),
    Provider("Mail", "mail", "/mails", {"mail": "mails"}),
)


def overview_router(state: State, faults: Faults, queues: Mapping[str, TaskQueue]) -> APIRouter:
    """`/`."""
    router = APIRouter()

    @router.get("/")
    async def overview(request: Request) -> Response:
        """Everything at a glance."""
        with state.transaction() as tx:
            kinds = _objects(tx)
            values: dict[str, Any] = {
                "under_way": {UNDER_WAY[name]: queue.pending(tx) for name, queue in queues.items()},
                "effects": sorted(by_kind(tx).items()),
                "business_now": tx.business_now(),
                "real_now": tx.now(),
                "is_moved": tx.setting(clock.SETTING) is not None,
            }
        return page(
            request, "overview", providers=PROVIDERS, kinds=kinds, faults=faults.told(), paths=READABLE, **values
        )

    return router


def _objects(tx: Transaction) -> dict[str, int]:
    counts = {row["kind"]: row["count"] for row in tx.run("select kind, count(*) as count from object group by kind")}
    return counts | {"mail": tx.run("select count(*) from mail")[0][0]}
