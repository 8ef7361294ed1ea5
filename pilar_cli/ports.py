"""Ports on this machine. What belongs here: finding and reserving a free one, and asking whether somebody listens."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
_NEIGHBOURS = 50
"""How many ports above the preferred one are tried: people recognise 8001 for 8000, but not 41733."""


def free_port(preferred: int | None, host: str = LOOPBACK) -> int:
    """A port on which a server can be started: the preferred one, one a little above it, or any.

    Another process may take it before the server binds it; whoever starts the server has to notice that.

    Raises:
        OSError: the host has no free port at all.
    """
    if preferred is not None:
        for port in range(preferred, min(preferred + _NEIGHBOURS, 65535) + 1):
            try:
                return _bind(host, port)
            except OSError:  # taken, or not ours to take
                continue
    return _bind(host, 0)


def listening(port: int, host: str = LOOPBACK, seconds: float = 0.5) -> bool:
    """Whether a connection to the port is accepted within that time."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections of a former server that linger do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        # Two sockets with that option may be bound to one port, but only one may listen.
        probe.listen(1)
        return int(probe.getsockname()[1])


class ReservedPorts:
    """Ports that no other system on this machine is going to choose, from the choice to the end.

    A program listens many seconds after its port was chosen, and some servers even share a port with another one
    that has it. A reservation is a socket without an address in the file system: it is freed when this process ends,
    however it ends, and reaches as far as the ports themselves do.
    """

    def __init__(self, host: str = LOOPBACK) -> None:
        self._host = host
        self._held: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in self._held:
            one.close()
        self._held.clear()

    def take(self, preferred: int) -> int:
        """Reserve the preferred port, one a little above it, or any.

        Raises:
            OSError: the host has no free port at all.
        """
        for port in range(preferred, min(preferred + _NEIGHBOURS, 65535) + 1):
            if self._reserve(port):
                return port
        while not self._reserve(port := _bind(self._host, 0)):
            pass
        return port

    def _reserve(self, port: int) -> bool:
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0pilar-port-{port}")
            _bind(self._host, port)
        except OSError:
            mark.close()
            return False
        self._held.append(mark)
        return True
