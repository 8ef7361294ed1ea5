"""Twilio's API of WhatsApp senders. What belongs here: paths, JSON bodies, paging; the rules are `senders.py`."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from provider_sandbox.state import State
from provider_sandbox.twilio import credentials, paging, senders
from provider_sandbox.twilio.errors import TwilioError
from provider_sandbox.twilio.senders import HOST, PATH, Senders


def add_senders(app: FastAPI, state: State, making: Senders) -> None:
    """Add the paths of senders."""

    def header(request: Request) -> str:
        return request.headers.get("authorization", "")

    @app.post(PATH)
    async def create(request: Request) -> Response:
        document = _document(await request.body())
        with state.transaction() as tx:
            account = credentials.authenticate(tx, header(request))
            return JSONResponse(making.create(tx, account, document), 202)

    @app.get(PATH)
    async def list_senders(request: Request) -> Response:
        query = request.query_params
        if query.get("Channel") != "whatsapp":
            raise TwilioError(400, 63100, "Channel must be whatsapp.")
        with state.transaction() as tx:
            found = senders.listed(tx, credentials.authenticate(tx, header(request)))
        size, page = paging.size_of(query, 20), paging.page_of(query)
        start = page * size

        def address(number: int) -> str:
            return f"{HOST}{PATH}?Channel=whatsapp&PageSize={size}&Page={number}"

        meta = {
            "key": "senders",
            "page": page,
            "page_size": size,
            "first_page_url": address(0),
            "previous_page_url": address(page - 1) if page else None,
            "next_page_url": address(page + 1) if start + size < len(found) else None,
            "url": address(page),
        }
        return JSONResponse({"senders": found[start : start + size], "meta": meta})

    @app.get(f"{PATH}/{{sid}}")
    async def fetch(request: Request, sid: str) -> Response:
        with state.transaction() as tx:
            account = credentials.authenticate(tx, header(request))
            return JSONResponse(senders.shown(senders.existing(tx, account, sid)))

    @app.post(f"{PATH}/{{sid}}")
    async def update(request: Request, sid: str) -> Response:
        document = _document(await request.body())
        with state.transaction() as tx:
            account = credentials.authenticate(tx, header(request))
            return JSONResponse(making.update(tx, senders.existing(tx, account, sid), document), 202)

    @app.delete(f"{PATH}/{{sid}}")
    async def delete(request: Request, sid: str) -> Response:
        with state.transaction() as tx:
            account = credentials.authenticate(tx, header(request))
            senders.delete(tx, senders.existing(tx, account, sid))
        return Response(status_code=204)


def _document(body: bytes) -> dict[str, Any]:
    try:
        content: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise TwilioError(400, 63100, "The body is not JSON.") from error
    if not isinstance(content, dict):
        raise TwilioError(400, 63100, "The body is not an object.")
    return content
