"""What the pages' forms do. What belongs here: turning a form into a call of the control API, and telling the outcome.

The pages can do what the control API can and nothing else, and its checks and words hold for both: a form names the
call in its address, its fields are the call's body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from starlette.types import ASGIApp

from provider_sandbox.pages import form_fields
from provider_sandbox.web.frame import Notice, back_to

METHODS = ("POST", "PUT", "DELETE")
BACK, TOLD = "back", "told"
"""The fields of a form that are no part of the call: where to go afterwards, and what to say there, if anything."""
MONEY = ":money"
"""Ends the name of a field that is typed as `12.50` and sent in minor units."""
AMOUNT = re.compile(r"-?[0-9]{1,9}([.,][0-9]{1,2})?")
MOST_ITEMS = 100


class Refused(ValueError):
    """The control API did not do it; the message is for whoever filled the form in."""


class Control:
    """The control API, asked from inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox.localhost")

    async def call(self, method: str, path: str, document: object = None) -> Any:
        """Ask for one thing, by its path after `/control/`.

        Raises:
            Refused: it was not done.
        """
        answer = await self._client.request(method, f"/control/{path}", json=document)
        if answer.is_success:
            return answer.json()
        raise Refused(_words_of(answer))


def acting_router(control: Control) -> APIRouter:
    """`/act/…`: one door for all forms that are a single call."""
    router = APIRouter()

    @router.post("/act/{method}/{path:path}")
    async def act(request: Request, method: str, path: str) -> Response:
        """Do what a form asks for, and go back to its page."""
        if method not in METHODS:
            raise HTTPException(404, f"A form does one of {', '.join(METHODS)}.")
        fields = await own_form(request)
        back, told = fields.pop(BACK, "/"), fields.pop(TOLD, "")
        try:
            await control.call(method, path, document(fields) if fields else None)
        except Refused as problem:
            return back_to(back, Notice(str(problem), is_problem=True))
        return back_to(back, Notice(told) if told else None)

    return router


async def own_form(request: Request) -> dict[str, str]:
    """The filled-in fields of a form of this site, without the space around them.

    Raises:
        HTTPException: 403 where another site's page has sent it.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is None:
        is_foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    else:
        is_foreign = site not in ("same-origin", "none")
    if is_foreign:
        raise HTTPException(403, "This form was sent by another site: fill it in on the sandbox's own page.")
    fields = {name: value.strip() for name, value in (await form_fields(request)).items()}
    return {name: value for name, value in fields.items() if value}


def document(fields: Mapping[str, str]) -> dict[str, Any]:
    """The document that fields describe: `entries.0.to` is the `to` of the first of `entries`.

    Raises:
        Refused: an amount is none, or a list is not counted from 0 on.
    """
    root: dict[str, Any] = {}
    for name, value in fields.items():
        *parents, last = name.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        if last.endswith(MONEY):
            node[last.removesuffix(MONEY)] = minor_units(value)
        else:
            node[last] = value
    return {name: _lists(value) for name, value in root.items()}


def minor_units(text: str) -> int:
    """An amount as it is typed, in minor units.

    Raises:
        Refused: it is no amount, or finer than a minor unit.
    """
    if not AMOUNT.fullmatch(text):
        raise Refused(f"{text!r} is no amount: write it like 12.50, with nine digits before the point at most.")
    return int(Decimal(text.replace(",", ".")) * 100)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(one) for name, one in value.items()}
    if not inner or not all(name.isdigit() for name in inner):
        return inner
    if set(inner) != {str(place) for place in range(min(len(inner), MOST_ITEMS))}:
        raise Refused("The items of a list are counted from 0 on, without a gap.")
    return [inner[str(place)] for place in range(len(inner))]


def _words_of(answer: httpx.Response) -> str:
    detail = answer.json().get("detail") if "json" in answer.headers.get("content-type", "") else answer.text
    if not isinstance(detail, list):
        return str(detail or f"The sandbox answered {answer.status_code}.")
    problems = [(".".join(str(part) for part in one["loc"][1:]), one["msg"]) for one in detail]
    return "; ".join(f"{where}: {what}" if where else what for where, what in problems)
