"""The web service, built from the table of routes. What belongs here: putting it together and its life cycle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from pilar.app import App
from pilar.backplane.inbox import InboxWriter
from pilar.backplane.spool import Spool
from pilar.backplane.spool_file import Bounds
from webhook_ingest import dagster_proxy, problems
from webhook_ingest.api.depth import QueueDepth
from webhook_ingest.api.description import describe
from webhook_ingest.api.health import HealthCheck
from webhook_ingest.guard import guarded
from webhook_ingest.proxies import TrustedProxies
from webhook_ingest.reach import Reach
from webhook_ingest.route import Route
from webhook_ingest.routes import ROUTES
from webhook_ingest.shell import Shell
from webhook_ingest.turnstile import Turnstile
from webhook_ingest.webhooks.deliveries import Door
from webhook_ingest.webhooks.entrance import Entrance
from webhook_ingest.webhooks.refusals import Refusals
from webhook_ingest.webhooks.stripe import StripeDoor
from webhook_ingest.webhooks.twilio import AccountTokens, TwilioDoor
from webhook_ingest.webhooks.whatsapp import AppSecrets, VerifyDoor, WhatsAppDoor


def create_app(pilar: App) -> FastAPI:
    """The web service of a system. It opens no connection before the first request; the caller closes `pilar`."""
    writer = InboxWriter(pilar.database.url, spool=build_spool(pilar))

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        writer.start()
        try:
            async with dagster_proxy.new_client() as client:
                app.state.dagster = client
                yield
        finally:
            await entrance.refusals.settle()
            await writer.stop()

    # FastAPI's own pages of documentation fetch their scripts from elsewhere: they are off.
    app = FastAPI(title="PILAR", openapi_url=None, docs_url=None, redoc_url=None, lifespan=life)
    entrance = build_entrance(pilar, writer)
    app.state.pilar = pilar
    app.state.entrance = entrance
    app.state.writer = writer
    app.state.reach = Reach(ROUTES)
    app.state.turnstile = Turnstile()
    app.state.depth = QueueDepth(pilar)
    app.state.health = HealthCheck(pilar, app.state.depth)
    app.router.routes.extend(_routes())
    app.openapi = lambda: describe(app, ROUTES)  # type: ignore[method-assign]
    problems.install(app)
    doors = {entry.path: entrance for entry in ROUTES if entry.answers == "door"}
    app.add_middleware(Shell, doors=doors, https=pilar.settings.public_url.startswith("https://"))
    app.add_middleware(TrustedProxies, trusted=pilar.settings.trusted_proxies)
    return app


def build_spool(pilar: App) -> Spool:
    """Where deliveries wait while the database is away."""
    settings = pilar.settings
    bounds = Bounds(settings.spool_max_bytes, settings.spool_max_rows)
    return Spool(settings.spool_path, pilar.database.name, bounds)


def build_entrance(pilar: App, writer: InboxWriter) -> Entrance:
    """The webhook doors of a system."""
    settings = pilar.settings
    stripe, tokens, secrets = StripeDoor(settings, pilar.clocks.real), AccountTokens(pilar), AppSecrets(pilar)
    whatsapp, verify = WhatsAppDoor(pilar, secrets), VerifyDoor(pilar, secrets)
    doors: dict[str, Door] = {
        "/api/webhooks/stripe": stripe,
        "/api/provisioning/workspace": stripe,
        "/api/webhooks/twilio/sms": TwilioDoor(pilar, tokens, "sms"),
        "/api/webhooks/twilio/status": TwilioDoor(pilar, tokens, "status"),
        "/api/webhooks/whatsapp": whatsapp,
        "/api/provisioning/whatsapp/webhook/verify": verify,
    }
    handshakes = {"/api/webhooks/whatsapp": whatsapp, "/api/provisioning/whatsapp/webhook/verify": verify}
    return Entrance(doors, writer, handshakes, Refusals(pilar), body_seconds=settings.door_body_seconds)


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """The table as FastAPI has it, made once: it knows of no system, and reading all signatures takes a while."""
    router = APIRouter()
    for entry in ROUTES:
        _add(router, entry)
    return tuple(router.routes)


def _add(router: APIRouter, entry: Route) -> None:
    if entry.answers == "door":
        return  # answered by the shell, before the application
    if entry.answers == "socket":
        router.add_api_websocket_route(entry.path, entry.endpoint(entry), name=entry.name)
        return
    # An API's answer is what its function says it returns; everything else makes a response of its own.
    own: dict[str, Any] = {"status_code": entry.status}
    if entry.answers != "json":
        own = {"response_model": None, "include_in_schema": False}
    router.add_api_route(
        entry.path,
        entry.endpoint,
        methods=[entry.method],
        name=entry.name,
        operation_id=entry.name,
        summary=entry.summary or None,
        tags=[entry.path.split("/")[2]] if entry.answers == "json" else None,
        route_class_override=guarded(entry),
        **own,
    )
