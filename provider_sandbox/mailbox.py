"""The inbox as people read it. What belongs here: its pages; taking mail in is `mail.py`'s, programs ask `control`."""

from __future__ import annotations

import re

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from provider_sandbox import mail
from provider_sandbox.pages import render
from provider_sandbox.state import State

LINK = re.compile(r"https?://[^\s<>\"]+")
NEWEST = 200
"""So many mails are listed."""


def mailbox_router(state: State) -> APIRouter:
    """`/mails`, for everybody or `?to=` one address, and each mail."""
    router = APIRouter()

    @router.get("/mails")
    async def inbox(to: str | None = None) -> HTMLResponse:
        """The newest mails."""
        with state.transaction() as tx:
            found = mail.mails(tx, to)
        return HTMLResponse(render("mails.html", mails=found[: -NEWEST - 1 : -1], to=to, total=len(found)))

    @router.get("/mails/{number}")
    async def one_mail(number: int) -> HTMLResponse:
        """A mail with its links, as text: what is in it is shown and never run."""
        with state.transaction() as tx:
            found = mail.one(tx, number)
        if found is None:
            raise HTTPException(404, "There is no such mail.")
        links = list(dict.fromkeys(LINK.findall(found["text"] or found["html"])))
        return HTMLResponse(render("mail.html", mail=found, links=links))

    return router
