"""Serving the sandbox. What belongs here: the listening socket, and where it is told that it listens.

The address is kept beside the state for as long as the server runs, so that a command finds the sandbox of a home
whatever started it. A killed server leaves it behind: whoever reads it has to look whether somebody answers.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import uvicorn

from provider_sandbox.app import create_app
from provider_sandbox.config import SandboxConfig

ADDRESS = "address.json"
"""The file beside the state: `url` and `smtp`."""


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a file of which nobody ever reads half."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(content))
    os.replace(draft, path)  # noqa: PTH105 - one atomic call


class SandboxServer(uvicorn.Server):
    """A uvicorn server that tells its ports once it listens."""

    def __init__(self, config: SandboxConfig, listening: Callable[[int, int], None], log_level: str = "info") -> None:
        """`listening` is called with the HTTP and the SMTP port."""
        self._sandbox = config
        self._listening = listening
        self._app = create_app(config)
        # A client may be waiting for idleness when the server is told to stop: it is not waited for in turn.
        super().__init__(
            uvicorn.Config(
                self._app,
                ws="none",
                log_level=log_level,
                access_log=False,
                timeout_graceful_shutdown=2,
                # A connection to be cut is found by its real peer.
                proxy_headers=False,
            )
        )
        self._app.state.lines.connections = self.server_state.connections

    def serve_forever(self) -> None:
        """Bind, listen, and return when `should_exit` is set or a signal came."""
        with closing(socket.create_server((self._sandbox.host, self._sandbox.port), backlog=2048)) as bound:
            self.run(sockets=[bound])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then tell the ports."""
        await super().startup(sockets)
        if self.started and sockets:
            port, smtp_port = sockets[0].getsockname()[1], self._app.state.mail.port
            host = self._sandbox.host
            addresses = {"url": f"http://{host}:{port}", "smtp": f"smtp://{host}:{smtp_port}"}
            write_json(self._sandbox.state / ADDRESS, addresses)
            self._listening(port, smtp_port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the address back, then end as uvicorn does."""
        # Not after `run`: where a signal ended the server, uvicorn passes it on and nothing follows.
        (self._sandbox.state / ADDRESS).unlink(missing_ok=True)
        await super().shutdown(sockets)
