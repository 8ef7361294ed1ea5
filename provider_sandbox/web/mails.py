"""The inbox as people read it. What belongs here: its pages; taking mail in is `mail.py`'s, programs ask `control`."""

from __future__ import annotations

import re

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from provider_sandbox import mail
from provider_sandbox.state import State
from provider_sandbox.web.frame import page

LINK = re.compile(r"https?://[^\s<>\"]+")
NEWEST = 200
"""So many mails are listed."""


def mailbox_router(state: State) -> APIRouter:
    """`/mails`, for everybody or `?to=` one address, and each mail."""
    router = APIRouter()

    @router.get("/mails")
    async def inbox(request: Request, to: str | None = None) -> Response:
        """The newest mails."""
        with state.transaction() as tx:
            found = mail.mails(tx, to)
        return page(request, "mails", mails=found[: -NEWEST - 1 : -1], to=to, total=len(found))

    @router.get("/mails/{number}")
    async def one_mail(request: Request, number: int) -> Response:
        """A mail with its links, as text: what is in it is shown and never run."""
        with state.transaction() as tx:
            found = mail.one(tx, number)
        if found is None:
            raise HTTPException(404, "There is no such mail.")
        links = list(dict.fromkeys(LINK.findall(found["text"] or found["html"])))
        return page(request, "mail", mail=found, links=links)

    return router
