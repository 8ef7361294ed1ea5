"""Serving the sandbox. What belongs here: the listening socket and the word that it listens."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from provider_sandbox.app import create_app
from provider_sandbox.config import SandboxConfig


class SandboxServer(uvicorn.Server):
    """A uvicorn server that tells its ports once it listens."""

    def __init__(self, config: SandboxConfig, listening: Callable[[int, int], None], log_level: str = "info") -> None:
        """`listening` is called with the HTTP and the SMTP port."""
        self._sandbox = config
        self._listening = listening
        self._app = create_app(config)
        # A client may be waiting for idleness when the server is told to stop: it is not waited for in turn.
        super().__init__(
            uvicorn.Config(self._app, ws="none", log_level=log_level, access_log=False, timeout_graceful_shutdown=2)
        )

    def serve_forever(self) -> None:
        """Bind, listen, and return when `should_exit` is set or a signal came."""
        with closing(socket.create_server((self._sandbox.host, self._sandbox.port), backlog=2048)) as bound:
            self.run(sockets=[bound])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then tell the ports."""
        await super().startup(sockets)
        if self.started and sockets:
            self._listening(sockets[0].getsockname()[1], self._app.state.mail.port)
