"""A tiny mail server on loopback that answers what a test tells it to, or hangs up."""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HANG_UP = ""
"""A reply that is none: the connection is closed instead."""
SILENCE = "…"
"""A reply that is none: the client waits until it gives up."""

USUAL = {
    "greeting": "220 mail.example ready",
    "EHLO": "250-mail.example\r\n250 AUTH PLAIN",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "message": "250 taken",
    "QUIT": "221 bye",
}


@dataclass
class MailServer:
    """Replies by command (`greeting` and `message` for the two moments without one); keeps what it took."""

    host: str
    port: int
    replies: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, credentials: str = "") -> str:
        return f"smtp://{credentials}{self.host}:{self.port}"

    @property
    def login(self) -> str:
        """What was signed in with, as `user:password`."""
        (line,) = [command for command in self.commands if command.startswith("AUTH PLAIN ")]
        return base64.b64decode(line.rpartition(" ")[2]).decode().lstrip("\0").replace("\0", ":")


class _Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        state: MailServer = self.server.state  # type: ignore[attr-defined]
        if not self._reply(state, "greeting"):
            return
        while line := self.rfile.readline():
            state.commands.append(line.decode().strip())
            verb = line.decode().split(maxsplit=1)[0].upper()
            if not self._reply(state, verb):
                return
            if verb == "DATA" and self._said(state, "DATA").startswith("354"):
                # A leading dot was put before any line that begins with one (RFC 5321, section 4.5.2).
                lines = iter(self.rfile.readline, b".\r\n")
                message = b"".join(line.removeprefix(b".") for line in lines)
                if not self._reply(state, "message"):
                    return
                state.taken.append(message)
            if verb == "QUIT":
                return

    def _said(self, state: MailServer, moment: str) -> str:
        return state.replies.get(moment, USUAL.get(moment, "502 what?"))

    def _reply(self, state: MailServer, moment: str) -> bool:
        said = self._said(state, moment)
        if said == SILENCE:
            state.released.wait(10)
        if said in (HANG_UP, SILENCE):
            return False
        self.wfile.write(said.encode() + b"\r\n")
        return True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    allow_reuse_address = True

    def __init__(self, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.state = MailServer(host, self.server_address[1])


@contextmanager
def running_mail_server(host: str = "127.0.0.1") -> Iterator[MailServer]:
    """Serve on a free port until the block ends."""
    server = _Server(host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.state
    finally:
        server.state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
