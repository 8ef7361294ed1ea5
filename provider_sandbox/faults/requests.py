"""Faults of requests to a provider. What belongs here: carrying out what strikes, in front of every mount.

Whether something strikes is `plan.py` and `store.py`. An effect is the mounted application's own: it happens in full
or not at all, and only what the client gets to see of it is changed here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provider_sandbox.faults import answers
from provider_sandbox.faults.answers import Answer
from provider_sandbox.faults.plan import AFTER, PROVIDERS, Strike
from provider_sandbox.faults.store import Faults

PIECES = 8
"""In how many pieces a slow answer trickles."""

WITHOUT_BODY = (204, 304)
_MOUNT = re.compile(r"/(?P<provider>[a-z]+)(?P<version>/v\d+\.\d+)?(?P<path>/.*)")


class Lines:
    """The connections of the server that runs the sandbox; nobody's until it tells."""

    def __init__(self) -> None:
        self.connections: Iterable[Any] = ()
        """uvicorn's own set: each has a peer as `client`, and a `transport`."""

    def cut(self, client: object) -> None:
        """Hang up on a peer without a word; one that is gone already is left in peace."""
        for connection in list(self.connections):
            if connection.client == client:
                connection.transport.abort()


class MisbehavingProviders:
    """ASGI middleware: what is asked of a provider passes through here."""

    def __init__(self, app: ASGIApp, faults: Faults, lines: Lines) -> None:
        self._app = app
        self._faults = faults
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or let a fault befall it."""
        meant = addressed(scope["path"]) if scope["type"] == "http" else None
        strike = self._faults.strike_request(meant[0], scope["method"], meant[1]) if meant else None
        if not meant or not strike:
            await self._app(scope, receive, send)
            return
        over = self._faults.over
        if not (kept := await _Kept.of(receive, over)):
            return
        exchange = _Exchange(self._app, scope, kept, send, self._lines)
        await _ACTS[strike.rule.kind](exchange, strike, meant[0])


def addressed(path: str) -> tuple[str, str] | None:
    """The provider that a path of the sandbox belongs to and the path after its mount; None for everything else."""
    found = _MOUNT.fullmatch(path)
    if not found or found["provider"] not in PROVIDERS:
        return None
    # Only Meta's version is part of its mount.
    version = "" if found["provider"] == "meta" else found["version"] or ""
    return found["provider"], version + found["path"]


class _Kept:
    """A request whose body has been read, so that it can be handed on and its client still be watched."""

    def __init__(self, body: bytes, receive: Receive, over: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._over = over

    @classmethod
    async def of(cls, receive: Receive, over: asyncio.Event) -> _Kept | None:
        """Read it; None where the client leaves meanwhile. `over` is set when the plan ends."""
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                return cls(b"".join(parts), receive, over)

    async def again(self) -> Message:
        """The request once more, then whatever comes."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def is_left(self, seconds: float) -> bool:
        """Wait so many seconds for the client to hang up, shorter where the plan ends meanwhile; whether it did."""
        left, over = asyncio.ensure_future(self.left()), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({left, over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return left.done()
        finally:
            left.cancel()
            over.cancel()

    async def left(self) -> None:
        """Wait for the client to hang up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _Exchange:
    """One request and what can be done with it."""

    def __init__(self, app: ASGIApp, scope: Scope, request: _Kept, send: Send, lines: Lines) -> None:
        self._app = app
        self._scope = scope
        self._send = send
        self._lines = lines
        self.request = request

    async def forward(self) -> None:
        """Let the provider do and answer."""
        await self._app(self._scope, self.request.again, self._send)

    async def done(self) -> Answer:
        """Let the provider do what is asked, and keep its answer."""
        started: list[Message] = []
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(self._scope, self.request.again, keep)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in started[0]["headers"]}
        return Answer(started[0]["status"], b"".join(parts), headers)

    async def give(self, answer: Answer, pieces: int = 1, pause: float = 0.0) -> None:
        """Send an answer in so many pieces, with a pause in seconds after each but the last."""
        headers = {"content-type": "application/json"} | dict(answer.headers)
        headers["content-length"] = str(len(answer.body))
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        size = max(-(-len(answer.body) // pieces), 1)
        for start in range(0, len(answer.body), size):
            await self._send(
                {"type": "http.response.body", "body": answer.body[start : start + size], "more_body": True}
            )
            if start + size < len(answer.body) and await self.request.is_left(pause):
                return
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def hang_up(self) -> None:
        """Cut the line, and wait until it is."""
        self._lines.cut(self._scope["client"])
        await self.request.left()


async def _accept_then_timeout(exchange: _Exchange, strike: Strike, _provider: str) -> None:
    await exchange.done()
    if not await exchange.request.is_left(strike.rule.lasts):
        await exchange.hang_up()


async def _rate_limited(exchange: _Exchange, strike: Strike, provider: str) -> None:
    await exchange.give(answers.rate_limited(provider, strike.rule.lasts))


async def _server_error(exchange: _Exchange, strike: Strike, provider: str) -> None:
    if strike.when == AFTER:
        await exchange.done()
    await exchange.give(answers.server_error(provider, strike.rule.status or 500))


async def _malformed(exchange: _Exchange, _strike: Strike, _provider: str) -> None:
    whole = await exchange.done()
    status = 200 if whole.status in WITHOUT_BODY else whole.status
    await exchange.give(Answer(status, whole.body[: len(whole.body) // 2] or b"{", whole.headers))


async def _disconnect(exchange: _Exchange, strike: Strike, _provider: str) -> None:
    if strike.when == AFTER:
        await exchange.done()
    await exchange.hang_up()


async def _slow(exchange: _Exchange, strike: Strike, _provider: str) -> None:
    await exchange.give(await exchange.done(), PIECES, strike.rule.lasts / PIECES)


async def _delay(exchange: _Exchange, strike: Strike, _provider: str) -> None:
    if not await exchange.request.is_left(strike.rule.lasts):
        await exchange.forward()


async def _outage(exchange: _Exchange, _strike: Strike, _provider: str) -> None:
    await exchange.hang_up()


_ACTS: dict[str, Callable[[_Exchange, Strike, str], Awaitable[None]]] = {
    "accept_then_timeout": _accept_then_timeout,
    "rate_limited": _rate_limited,
    "server_error": _server_error,
    "malformed": _malformed,
    "disconnect": _disconnect,
    "slow": _slow,
    "delay": _delay,
    "outage": _outage,
}
