"""Dagster's pages behind our session. What belongs here: passing requests and web sockets on, and answers back.

Dagster's UI has no login of its own: it listens on loopback, and this is the only way to it from outside. Our
session's cookie and tokens are not passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx
from fastapi import Request, WebSocket
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from pilar.app import App
from pilar.errors import PilarError, Transient
from webhook_ingest.guard import admit, check_origin
from webhook_ingest.route import Route

_OF_ONE_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "host", "content-length"}
)
_OURS = frozenset({"cookie", "authorization", "set-cookie", "x-csrf-token"})
_READ_SECONDS = 120.0
_POLICY_VIOLATION = 1008
_TRY_AGAIN_LATER = 1013


def new_client() -> httpx.AsyncClient:
    """The client to Dagster; it takes no proxy from the environment."""
    return httpx.AsyncClient(timeout=httpx.Timeout(_READ_SECONDS, connect=5.0), trust_env=False)


async def pass_on(request: Request) -> Response:
    """Pass a request on and stream the answer back.

    Raises:
        Transient: Dagster does not answer.
    """
    app: App = request.app.state.pilar
    client: httpx.AsyncClient = request.app.state.dagster
    onward = client.build_request(
        request.method,
        app.settings.dagster_url + _address(request.scope["raw_path"], request.scope["query_string"]),
        headers=_passed(request.headers.items()),
        content=await request.body(),
    )
    try:
        answer = await client.send(onward, stream=True)
    except httpx.HTTPError as error:
        raise Transient(f"Dagster does not answer: {type(error).__name__}.") from error
    response = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in _passed((name.lower(), value) for name, value in answer.headers.multi_items())
    ]
    return response


def socket_for(entry: Route) -> object:
    """The endpoint that passes Dagster's web socket on, for who may."""

    async def pass_socket_on(websocket: WebSocket) -> None:
        app: App = websocket.app.state.pilar
        try:
            check_origin(websocket, app.settings.public_url, must_tell=True)
            await run_in_threadpool(admit, app, entry, websocket)
        except PilarError as error:
            await websocket.close(_POLICY_VIOLATION, error.message[:100])
            return
        base = "ws" + app.settings.dagster_url.removeprefix("http")
        offered = [Subprotocol(name) for name in websocket.scope["subprotocols"]]
        url = base + _address(websocket.scope["path"].encode(), websocket.scope["query_string"])
        try:
            async with connect(url, subprotocols=offered or None, proxy=None, max_size=None) as onward:
                await websocket.accept(onward.subprotocol)
                await _both_ways(websocket, onward)
        except (OSError, WebSocketException, TimeoutError):
            await websocket.close(_TRY_AGAIN_LATER, "Dagster does not answer.")

    return pass_socket_on


async def _both_ways(browser: WebSocket, onward: ClientConnection) -> None:
    """Pass messages on until either side hangs up."""
    ways = {asyncio.create_task(_to_dagster(browser, onward)), asyncio.create_task(_to_browser(browser, onward))}
    done, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in done:
        task.result()


async def _to_dagster(browser: WebSocket, onward: ClientConnection) -> None:
    while True:
        message = await browser.receive()
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("text")
        try:
            await onward.send(message["bytes"] if content is None else content)
        except ConnectionClosed:
            return


async def _to_browser(browser: WebSocket, onward: ClientConnection) -> None:
    try:
        async for message in onward:
            if isinstance(message, str):
                await browser.send_text(message)
            else:
                await browser.send_bytes(message)
        await browser.close(onward.close_code or 1000)
    except (WebSocketDisconnect, ConnectionClosed):
        return


def _address(path: bytes, query: bytes) -> str:
    return path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")


def _passed(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name not in _OF_ONE_HOP and name not in _OURS]
