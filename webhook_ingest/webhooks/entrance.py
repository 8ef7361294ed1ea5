"""The webhook doors as one bare ASGI application.

What belongs here: reading a request, having its door admit it, keeping it, answering. 200 is said only of what is
durable. What does not: any framework between the socket and the inbox; this path has to be quick under load.

What is refused leaves a line in the log and a count (`refusals.py`); it never makes a 500.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from starlette.types import Receive, Scope, Send

from pilar.backplane.inbox import InboxWriter
from pilar.errors import BadSignature, Overloaded, PilarError
from webhook_ingest.problems import answer_to, problem
from webhook_ingest.proxies import ORIGIN
from webhook_ingest.route import MEBIBYTE
from webhook_ingest.webhooks.deliveries import Door, Knock, Malformed, Reply
from webhook_ingest.webhooks.refusals import Refusals
from webhook_ingest.webhooks.whatsapp import WhatsAppDoor

BODIES_AT_MOST = 128 * MEBIBYTE
_RETRY_AFTER = timedelta(seconds=2)


_ALPHABETS = frozenset({"utf-8", "utf8", "us-ascii"})
_CLOSE = {"Connection": "close"}
"""For answers that are given before the whole body is there: the rest of it is not waited for."""


class _Unread(Exception):
    """The request is refused before its body is read to the end."""

    status = 413
    reason = "too_large"
    detail = "That is more than this address takes."


class _TooLarge(_Unread):
    """The body has more bytes than a door takes."""


class _TooSlow(_Unread):
    """The body took too long to come."""

    status = 408
    reason = "too_slow"
    detail = "The body did not come in time: send the delivery again."


class _WrongType(_Unread):
    """The body is of a type, in an alphabet or packed in a way that this provider never sends."""

    status = 415
    reason = "wrong_type"
    detail = "This address does not take that type of content."


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
        refusals: Refusals,
        limit: int = MEBIBYTE,
        bodies_at_most: int = BODIES_AT_MOST,
        body_seconds: float = 10.0,
    ) -> None:
        """Take the doors by exact path, the inbox, and the paths with a handshake.

        Args:
            doors: by exact path.
            writer: the inbox.
            handshakes: the doors that Meta opens by GET, by exact path.
            refusals: where what is refused is counted.
            limit: the most that one body may have, in bytes.
            bodies_at_most: the most that the bodies of all open requests may have together, in bytes.
            body_seconds: the longest that a body may take to come.
        """
        self._memory = _Memory(bodies_at_most)
        self._doors = doors
        self._writer = writer
        self._handshakes = handshakes
        self._limit = limit
        self._body_seconds = body_seconds
        self.refusals = refusals

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
                await _answer(send, self._handshakes[path].shake_hands(_knock(scope, {}, b"").parameters))
                return
            if method != "POST":
                allowed = "GET, POST" if path in self._handshakes else "POST"
                answer = problem(405, "This address does not take that method.", headers={"Allow": allowed})
                await answer(scope, receive, send)
                return
            headers = dict(scope["headers"])
            if not _is_sent_by(door.content_types, headers.get(b"content-type"), headers.get(b"content-encoding")):
                raise _WrongType
            length = headers.get(b"content-length")
            if length is not None and (not length.isdigit() or int(length) > self._limit):
                raise _TooLarge
            await self._read(receive, body)
            admitted = await door.admit(_knock(scope, headers, bytes(body)))
        except (BadSignature, Malformed) as error:
            self.refusals.note(door.provider, error.code)
            answer = problem(400, error.message, code=error.code) if isinstance(error, Malformed) else answer_to(error)
            await answer(scope, receive, send)
            return
        except _Unread as error:
            self.refusals.note(door.provider, error.reason)
            await problem(error.status, error.detail, headers=_CLOSE)(scope, receive, send)
            return
        except PilarError as error:
            answer = answer_to(error)
            answer.headers.update(_CLOSE)
            await answer(scope, receive, send)
            return
        except _Gone:
            return
        if isinstance(admitted, Reply):
            await _answer(send, admitted)
            return
        try:
            await self._writer.put(admitted)
        except PilarError as error:
            await answer_to(error)(scope, receive, send)
            return
        await _answer(send, door.reply)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        try:
            async with asyncio.timeout(self._body_seconds):
                await self._read_all(receive, body)
        except TimeoutError:
            raise _TooSlow from None

    async def _read_all(self, receive: Receive, body: bytearray) -> None:
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


@lru_cache(maxsize=256)
def _is_sent_by(content_types: frozenset[str], told: bytes | None, packed: bytes | None) -> bool:
    """Whether a provider sends such a body; one of which nothing is said is read as what it should be.

    Remembered, since all that is genuine says the same.

    Args:
        content_types: what the provider sends.
        told: the header `Content-Type`.
        packed: the header `Content-Encoding`.
    """
    kind, *parameters = (part.strip() for part in (told or b"").decode("latin-1").lower().split(";"))
    alphabets = [one.partition("=")[2].strip('"') for one in parameters if one.startswith("charset=")]
    is_plain = (packed or b"").strip().lower() in {b"identity", b""}
    return is_plain and (not kind or kind in content_types) and all(one in _ALPHABETS for one in alphabets)


def _knock(scope: Scope, headers: Mapping[bytes, bytes], body: bytes) -> Knock:
    return Knock(scope["path"], scope["query_string"].decode("latin-1"), headers, body, scope.get(ORIGIN, ""))


async def _answer(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})
