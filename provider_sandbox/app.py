"""The sandbox, put together. What belongs here: which part gets which, and when the background work runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from pilar.clocks import Clock, SystemClock
from provider_sandbox import delivery, owner
from provider_sandbox.config import SandboxConfig
from provider_sandbox.control import Targets, control_router, set_targets
from provider_sandbox.mail import MailServer
from provider_sandbox.meta import webhooks as meta_webhooks
from provider_sandbox.meta.api import meta_app
from provider_sandbox.state import State
from provider_sandbox.stripe import store as stripe_store
from provider_sandbox.stripe import webhooks as stripe_webhooks
from provider_sandbox.stripe.api import stripe_app
from provider_sandbox.tasks import Bell, TaskQueue
from provider_sandbox.trust import trusted
from provider_sandbox.twilio import accounts as twilio_accounts
from provider_sandbox.twilio import messages as twilio_messages
from provider_sandbox.twilio.api import twilio_app

logger = logging.getLogger(__name__)


def create_app(config: SandboxConfig, clock: Clock | None = None) -> FastAPI:
    """The whole sandbox as one application.

    It opens its file at once and closes it when the application's life ends. Addresses of webhooks that `config` gives
    replace remembered ones. `app.state.mail` tells the port of the mail server once the application has started.

    Args:
        config: keys, ports and delays.
        clock: tells the age of codes and keys and when a task is due; the machine's own where none is given.
    """
    clock = clock or SystemClock()
    bell = Bell()
    state = State(config.state, clock, bell.ring)
    client = httpx.AsyncClient(trust_env=False, verify=trusted(), timeout=10.0)
    courier = delivery.Courier(
        client,
        {
            "stripe": stripe_webhooks.signer(config, state),
            "twilio": twilio_messages.signer(state),
            "meta": meta_webhooks.signer(config, state),
        },
    )
    deliveries = TaskQueue(delivery.QUEUE, state, bell, clock, courier.deliver, config.retry, delivery.WIDTH)
    person = owner.Owner(config.owner_delay)
    owners = TaskQueue(owner.QUEUE, state, bell, clock, person.visit, config.retry, owner.WIDTH)
    person.tasks = owners
    mail = MailServer(state, person.read)
    with state.transaction() as tx:
        stripe_store.seed(tx)
        twilio_accounts.seed(tx, config)
        targets = Targets(stripe_webhook_url=config.stripe_webhook_url, meta_webhook_url=config.meta_webhook_url)
        set_targets(tx, targets)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await mail.start(config.host, config.smtp_port)
        background = [asyncio.create_task(queue.run(), name=queue.name) for queue in (deliveries, owners)]
        for task in background:
            task.add_done_callback(_report)
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await mail.stop()
            await client.aclose()
            state.close()

    app = FastAPI(title="Provider sandbox", lifespan=life, openapi_url=None)
    app.include_router(control_router(config, state, bell, deliveries, owners, client))
    app.mount("/stripe", stripe_app(config, state))
    app.mount("/twilio", twilio_app(config, state, deliveries))
    app.mount("/meta/{version}", meta_app(config, state, deliveries))
    app.state.mail = mail
    return app


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the background work %s has ended", task.get_name(), exc_info=error)
