"""A tiny HTTP server on loopback that answers what a test tells it to, or misbehaves.

What belongs here: the server and its misbehaviours. What providers answer stands beside the tests that need it.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Misbehaviour(Enum):
    RESET = "takes the request, then resets the connection"
    HANG_UP = "takes the request, then closes without a word"
    SILENCE = "takes the request and never answers"
    HALF = "promises more body than it sends"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class LocalServer:
    """Answers from `script` in order; the last answer is repeated."""

    def __init__(self, http: ThreadingHTTPServer) -> None:
        self.base = f"http://127.0.0.1:{http.server_address[1]}"
        self.script: list[Answer | Misbehaviour] = []
        self.requests: list[Request] = []
        self.released = threading.Event()

    def answers(self, *script: Answer | Misbehaviour) -> None:
        self.script = list(script)

    def next_answer(self) -> Answer | Misbehaviour:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def _serve(self) -> None:
        state: LocalServer = self.server.state  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        state.requests.append(Request(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body))
        answer = state.next_answer()
        if isinstance(answer, Misbehaviour):
            self._misbehave(answer, state)
            return
        payload = answer.payload()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 (names that the standard library asks for)

    def _misbehave(self, how: Misbehaviour, state: LocalServer) -> None:
        self.close_connection = True
        if how is Misbehaviour.SILENCE:
            state.released.wait(10)
        elif how is Misbehaviour.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif how is Misbehaviour.HALF:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"id": "half')

    def finish(self) -> None:
        # A connection that was reset on purpose can't be flushed.
        if self.connection.fileno() != -1:
            super().finish()

    def log_message(self, *args: object) -> None:
        """Keep quiet: tests look at `requests`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = LocalServer(self)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        if request.fileno() != -1:
            super().shutdown_request(request)

    def hang_up(self) -> None:
        """End connections that clients keep open, so that their threads end."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def running_server() -> Iterator[LocalServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    http = _Server()
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield http.state
    finally:
        http.state.released.set()
        http.shutdown()
        thread.join()
        http.hang_up()
        http.server_close()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port at which connections are refused: it is bound, so nobody else gets it, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
