"""The outermost layer of the web service: security headers, the last catch, the line in the log.

What belongs here: what holds for every answer, whoever gave it. What does not: who may do what (`guard.py`).

Plain ASGI, so that streams pass through. The webhook doors are answered before the layers beneath are entered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pilar.errors import Overloaded
from webhook_ingest.headers import security_headers
from webhook_ingest.problems import answer_to, unforeseen

log = logging.getLogger(__name__)

OPEN_AT_MOST = 2_048
"""Requests of one process that are open at once: each takes memory, whoever sent it."""

_RETRY_AFTER = timedelta(seconds=2)


class Shell:
    """Wraps the application."""

    def __init__(
        self, app: ASGIApp, doors: Mapping[str, ASGIApp], *, https: bool, open_at_most: int = OPEN_AT_MOST
    ) -> None:
        """Take the application, the webhook doors by exact path, whether the public address is https, and a bound."""
        self._app = app
        self._open = 0
        self._open_at_most = open_at_most
        self._doors = doors
        self._ours = _encoded(security_headers(https=https, foreign_page=False))
        self._foreign = _encoded(security_headers(https=https, foreign_page=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        began, status = time.perf_counter(), 0
        headers = self._foreign if path.startswith("/dagster/") else self._ours

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = list(message.get("headers", ()))
                # Our policy is sent beside a foreign page's own: a browser obeys both.
                message["headers"] = [*present, *headers]
            await send(message)

        self._open += 1
        try:
            if self._open > self._open_at_most:
                await answer_to(Overloaded(retry_after=_RETRY_AFTER))(scope, receive, send_with_headers)
            else:
                await self._doors.get(path, self._app)(scope, receive, send_with_headers)
        except Exception as error:
            if status:  # the answer has begun: all that is left is to break it off
                raise
            await unforeseen(error)(scope, receive, send_with_headers)
        finally:
            self._open -= 1
        if status == HTTPStatus.OK and path in self._doors:
            return  # its row in the inbox says more, and a line costs half of what taking it does
        # Never the address as it came: it may hold a link's token.
        route = scope.get("route")
        log.info(
            "%s %s %d %.1f ms", scope["method"], getattr(route, "path", path if path in self._doors else "-"), status,
            (time.perf_counter() - began) * 1000,
        )  # fmt: skip


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
