"""The sandbox, put together. What belongs here: which part gets which, and when the background work runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from pilar.clocks import Clock, SystemClock
from provider_sandbox import delivery, leads, owner
from provider_sandbox.config import SandboxConfig
from provider_sandbox.control import Targets, control_router, set_targets
from provider_sandbox.elevenlabs import voices
from provider_sandbox.elevenlabs.api import elevenlabs_app, elevenlabs_router
from provider_sandbox.faults.control import faults_router
from provider_sandbox.faults.mishaps import Mishaps
from provider_sandbox.faults.requests import Lines, MisbehavingProviders
from provider_sandbox.faults.store import Faults
from provider_sandbox.mail import MailServer
from provider_sandbox.meta import agenda, pauses, statuses, templates, traffic
from provider_sandbox.meta import webhooks as meta_webhooks
from provider_sandbox.meta.api import meta_app
from provider_sandbox.meta.messages import Messages
from provider_sandbox.meta.play import meta_router
from provider_sandbox.models.anthropic import anthropic_app
from provider_sandbox.models.control import models_router
from provider_sandbox.models.openai import openai_app
from provider_sandbox.state import State
from provider_sandbox.stripe import store as stripe_store
from provider_sandbox.stripe import webhooks as stripe_webhooks
from provider_sandbox.stripe.agenda import Agenda
from provider_sandbox.stripe.api import stripe_app
from provider_sandbox.tasks import Bell, TaskQueue, Work
from provider_sandbox.trust import trusted
from provider_sandbox.twilio import accounts as twilio_accounts
from provider_sandbox.twilio import messages as twilio_messages
from provider_sandbox.twilio import reports as twilio_reports
from provider_sandbox.twilio import senders
from provider_sandbox.twilio.api import twilio_app
from provider_sandbox.twilio.play import twilio_router
from provider_sandbox.web.site import add_site
from provider_sandbox.whatsapp_control import whatsapp_router

logger = logging.getLogger(__name__)


def create_app(config: SandboxConfig, clock: Clock | None = None) -> FastAPI:
    """The whole sandbox as one application.

    It opens its file at once and closes it when the application's life ends. Addresses of webhooks that `config` gives
    replace remembered ones. `app.state.mail` tells the port of the mail server once the application has started;
    `app.state.lines` is to be told the server's connections, for faults to cut.

    Args:
        config: keys, ports and delays.
        clock: tells the age of codes and keys and when a task is due; the machine's own where none is given.
    """
    clock = clock or SystemClock()
    bell = Bell()
    state = State(config.state, clock, bell.ring)
    client = httpx.AsyncClient(trust_env=False, verify=trusted(), timeout=10.0)
    faults = Faults(state)

    def queue(name: str, width: int) -> TaskQueue:
        return TaskQueue(name, state, bell, clock, config.retry, width)

    deliveries = queue(delivery.QUEUE, delivery.WIDTH)
    courier = delivery.Courier(
        client,
        {
            "stripe": stripe_webhooks.signer(config, state),
            "twilio": twilio_messages.signer(state),
            "meta": meta_webhooks.signer(config, state),
        },
        Mishaps(state, faults, deliveries),
    )
    visits = queue(owner.QUEUE, owner.WIDTH)
    due_statuses = queue(statuses.QUEUE, statuses.WIDTH)
    due_reviews = queue(templates.QUEUE, templates.WIDTH)
    due_sms = queue(twilio_reports.QUEUE, twilio_reports.WIDTH)
    due_senders = queue(senders.QUEUE, senders.WIDTH)
    unread = queue(leads.QUEUE, leads.WIDTH)
    person = owner.Owner(visits, config.owner_delay)
    reporter = statuses.Statuses(state, due_statuses, deliveries, config.status_delay)
    reviewers = templates.Reviews(state, due_reviews, deliveries, config.review_delay)
    crowd = leads.Leads(state, unread, deliveries, config.lead_delay)
    flow = traffic.Traffic(config.meta_limits, deliveries)
    calendar = agenda.Agenda(
        state,
        bell,
        {
            pauses.UNPAUSE: lambda tx, subject: pauses.end_pause(tx, deliveries, subject),
            traffic.GROWTH: flow.grow,
            owner.OPENS_MAIL: person.open_mail,
        },
    )
    sms = twilio_reports.Reports(state, due_sms, deliveries, config.status_delay)
    making = senders.Senders(state, due_senders, config.review_delay)
    works: dict[TaskQueue, Work] = {
        deliveries: courier.deliver,
        visits: person.visit,
        due_statuses: reporter.tell,
        due_reviews: reviewers.decide,
        due_sms: sms.tell,
        due_senders: making.advance,
        unread: crowd.read,
    }
    pending = {
        "pending_deliveries": deliveries,
        "pending_owners": visits,
        "pending_statuses": due_statuses,
        "pending_reviews": due_reviews,
        "pending_sms": due_sms,
        "pending_senders": due_senders,
        "pending_leads": unread,
    }
    mail = MailServer(state, person.read, faults)
    appointments = Agenda(state, deliveries, bell)
    with state.transaction() as tx:
        stripe_store.seed(tx)
        twilio_accounts.seed(tx, config)
        voices.seed(tx)
        targets = Targets(stripe_webhook_url=config.stripe_webhook_url, meta_webhook_url=config.meta_webhook_url)
        set_targets(tx, targets)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await mail.start(config.host, config.smtp_port)
        background = [asyncio.create_task(queue.run(work), name=queue.name) for queue, work in works.items()]
        background.append(asyncio.create_task(calendar.run(), name="Meta's agenda"))
        background.append(asyncio.create_task(appointments.run(), name="Stripe's agenda"))
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
    app.include_router(control_router(config, state, bell, pending, client, appointments.catch_up))
    app.include_router(whatsapp_router(state, deliveries, crowd, reporter))
    app.include_router(models_router(state))
    app.include_router(elevenlabs_router(state))
    app.include_router(meta_router(config, state, deliveries))
    app.include_router(twilio_router(state))
    accepting = Messages(reporter, flow, crowd.hear)
    providers: dict[str, Callable[[], ASGIApp]] = {
        "/stripe": lambda: stripe_app(config, state, deliveries, appointments),
        "/twilio": lambda: twilio_app(config, state, deliveries, sms, making),
        "/meta/{version}": lambda: meta_app(config, state, deliveries, accepting, reviewers),
        "/openai": lambda: openai_app("openai", config.openai_api_key, state),
        "/groq/openai": lambda: openai_app("groq", config.groq_api_key, state),
        "/anthropic": lambda: anthropic_app(config.anthropic_api_key, state),
        "/elevenlabs": lambda: elevenlabs_app(config.elevenlabs_api_key, state),
    }
    for path, build in providers.items():
        app.mount(path, Provider(build))
    app.state.mail = mail
    app.include_router(faults_router(faults))
    add_site(app, state, bell, pending, faults, config.meta_limits)
    app.state.lines = Lines()
    app.add_middleware(MisbehavingProviders, faults=faults, lines=app.state.lines)
    return app


class Provider:
    """A provider's API, put together when somebody first calls it: most sandboxes are asked by a few of them only."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build

    @cached_property
    def _app(self) -> ASGIApp:
        return self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to it."""
        await self._app(scope, receive, send)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the background work %s has ended", task.get_name(), exc_info=error)
