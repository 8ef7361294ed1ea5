"""The sandbox's web site, put together. What belongs here: which pages there are, and how they learn of news."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from provider_sandbox.faults.store import Faults
from provider_sandbox.meta.limits import MetaLimits
from provider_sandbox.state import State
from provider_sandbox.tasks import Bell, TaskQueue
from provider_sandbox.web.acting import Control, acting_router
from provider_sandbox.web.deliveries import deliveries_pages
from provider_sandbox.web.faults import faults_pages
from provider_sandbox.web.frame import page
from provider_sandbox.web.mails import mailbox_router
from provider_sandbox.web.meta import meta_pages
from provider_sandbox.web.models import models_pages
from provider_sandbox.web.overview import overview_router
from provider_sandbox.web.phones import phones_router
from provider_sandbox.web.stripe import stripe_pages
from provider_sandbox.web.twilio import twilio_pages


def add_site(
    app: FastAPI, state: State, bell: Bell, queues: Mapping[str, TaskQueue], faults: Faults, limits: MetaLimits
) -> None:
    """Add all pages to the sandbox.

    Args:
        app: the sandbox, whose control API does what the pages' forms ask for.
        state: everything that is kept.
        bell: rings when something changes.
        queues: by the name under which what is pending in each is told.
        faults: the plan in force.
        limits: the tiers that Meta knows.
    """
    control = Control(app)
    deliveries = queues["pending_deliveries"]
    for router in (
        overview_router(state, faults, queues),
        phones_router(state, control),
        stripe_pages(state, deliveries),
        meta_pages(state, limits),
        twilio_pages(state),
        models_pages(state, control),
        mailbox_router(state),
        deliveries_pages(state),
        faults_pages(faults, control),
        acting_router(control),
    ):
        app.include_router(router)
    life = secrets.token_hex(4)

    @app.get("/live")
    async def news() -> dict[str, str]:
        """A word that changes with everything else: pages look at it, and at themselves only when it is another one."""
        return {"version": f"{life}-{bell.rung}"}

    @app.exception_handler(StarletteHTTPException)
    async def tell(request: Request, problem: StarletteHTTPException) -> Response:
        """What can't be shown is told as a page to whoever looks at pages, as a document to programs."""
        if "text/html" in request.headers.get("accept", ""):
            return page(request, "problem", status=problem.status_code, problem=problem.detail)
        return await http_exception_handler(request, problem)

    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
