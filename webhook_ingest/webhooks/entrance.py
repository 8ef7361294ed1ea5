"""The webhook doors as one bare ASGI application.

What belongs here: reading a request, having its door admit it, keeping it, answering. 200 is said only of what is
durable. What does not: any framework between the socket and the inbox; this path has to be quick under load.

What is refused leaves a line in the log and a count; it never makes a 500.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from starlette.types import Receive, Scope, Send

from pilar.backplane.inbox import InboxWriter
from pilar.errors import BadSignature, Overloaded, PilarError
from webhook_ingest.problems import answer_to, problem
from webhook_ingest.route import MEBIBYTE
from webhook_ingest.webhooks.deliveries import Door, Knock, Malformed, Reply
from webhook_ingest.webhooks.whatsapp import WhatsAppDoor

log = logging.getLogger(__name__)

BODIES_AT_MOST = 128 * MEBIBYTE
_RETRY_AFTER = timedelta(seconds=2)


class _TooLarge(Exception):
    """The body has more bytes than a door takes."""


class _Memory:
    """What the bodies of open requests take, all together."""

    def __init__(self, most: int) -> None:
        self._free = most

    def take(self, number: int) -> None:
        """Take so many bytes; raise `Overloaded` where there are none."""
        if number > self._free:
            raise Overloaded(retry_after=_RETRY_AFTER)
        self._free -= number

    def give_back(self, number: int) -> None:
        """Give them back."""
        self._free += number


class _Gone(Exception):
    """The provider hung up."""


class Entrance:
    """Leads each request to its door."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        writer: InboxWriter,
        handshakes: Mapping[str, WhatsAppDoor],
        limit: int = MEBIBYTE,
        bodies_at_most: int = BODIES_AT_MOST,
    ) -> None:
        """Take the doors by exact path, the inbox, the paths with a handshake, and what bodies may take in bytes."""
        self._memory = _Memory(bodies_at_most)
        self._doors = doors
        self._writer = writer
        self._handshakes = handshakes
        self._limit = limit
        self.refused: Counter[str] = Counter()
        """How many deliveries each provider's doors refused since the process began, by `provider.reason`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = bytearray()
        try:
            await self._serve(scope, receive, send, body)
        finally:
            self._memory.give_back(len(body))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, body: bytearray) -> None:
        path, method = scope["path"], scope["method"]
        door = self._doors[path]
        try:
            if method == "GET" and path in self._handshakes:
                await _answer(send, self._handshakes[path].shake_hands(_knock(scope, b"")))
                return
            if method != "POST":
                allowed = "GET, POST" if path in self._handshakes else "POST"
                answer = problem(405, "This address does not take that method.", headers={"Allow": allowed})
                await answer(scope, receive, send)
                return
            await self._read(scope, receive, body)
            delivery = await door.admit(_knock(scope, bytes(body)))
        except (BadSignature, Malformed) as error:
            self._count(door.provider, error.code)
            answer = problem(400, error.message, code=error.code) if isinstance(error, Malformed) else answer_to(error)
            await answer(scope, receive, send)
            return
        except _TooLarge:
            self._count(door.provider, "too_large")
            await problem(413, "That is more than this address takes.")(scope, receive, send)
            return
        except PilarError as error:
            await answer_to(error)(scope, receive, send)
            return
        except _Gone:
            return
        try:
            await self._writer.put(delivery)
        except PilarError as error:
            await answer_to(error)(scope, receive, send)
            return
        await _answer(send, door.reply)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > self._limit):
                raise _TooLarge
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            chunk = message.get("body", b"")
            if len(body) + len(chunk) > self._limit:
                raise _TooLarge
            self._memory.take(len(chunk))
            body += chunk
            more = message.get("more_body", False)

    def _count(self, provider: str, reason: str) -> None:
        self.refused[f"{provider}.{reason}"] += 1
        log.warning("refused a delivery at %s's door: %s", provider, reason)


def _knock(scope: Scope, body: bytes) -> Knock:
    return Knock(scope["path"], scope["query_string"].decode("latin-1"), dict(scope["headers"]), body)


async def _answer(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})
