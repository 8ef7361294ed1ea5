"""HTTP on a socket, with an end to patience. What belongs here: bounds on what no application has seen yet.

The server itself waits for a request's head without end and takes one of any size. Whoever sends a byte a second would
hold a connection, and memory, for as long as they like. Bodies are bounded by whoever reads them.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.events import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 65_536

_TOO_SLOW = (408, "Request Timeout", "The head of the request did not come in time.")
_TOO_LARGE = (431, "Request Header Fields Too Large", "The head of the request is too large.")


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    head_seconds = HEAD_SECONDS
    head_bytes = HEAD_BYTES

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limit: TimerHandle | None = None
        self._head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there: a request has to follow."""
        super().connection_made(transport)
        self._begin_waiting()

    def data_received(self, data: bytes) -> None:
        """Some bytes: of a head, or of a body that is read by somebody."""
        if self._limit is None and (self.cycle is None or self.cycle.response_complete):
            self._begin_waiting()
        self._head += len(data)
        super().data_received(data)
        if self._limit is not None and self._head > self.head_bytes and not self.transport.is_closing():
            self._refuse(*_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is there: from here on the application decides how long it waits."""
        self._end_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._end_waiting()
        super().connection_lost(exc)

    def _begin_waiting(self) -> None:
        self._head = 0
        self._limit = self.loop.call_later(self.head_seconds, self._give_up)

    def _end_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refuse(*_TOO_SLOW)

    def _refuse(self, status: int, title: str, detail: str) -> None:
        self._end_waiting()
        code = title.lower().replace(" ", "_")
        told = {"type": f"urn:pilar:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}
        body = json.dumps(told).encode()
        head = (
            f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
