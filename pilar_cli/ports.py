"""Ports on this machine. What belongs here: finding a free one and asking whether somebody listens."""

from __future__ import annotations

import socket

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
