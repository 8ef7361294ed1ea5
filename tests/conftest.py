"""What every test runs under: a real PostgreSQL on request, and no way out of this machine."""

from __future__ import annotations

import gc
import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import settings

# Almost everything that is made before the first test stays: to look for garbage in it takes half of that time.
gc.disable()

# How fast an example runs says nothing here: the machine may be busy with other tests.
settings.register_profile("pilar", deadline=None, database=None)
settings.load_profile("pilar")

pytest_plugins = [f"tests.fixtures.{name}" for name in ("server", "database", "work", "system", "opened")]

_OPEN = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}


class OutsideAddress(RuntimeError):
    """A test tried to reach an address other than loopback.

    No OSError on purpose: code that handles an unreachable provider must not take this for one.
    """


def _is_local(family: int, address: Any) -> bool:
    if family == socket.AF_UNIX:
        return True
    host = address[0] if isinstance(address, tuple) else address
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(name: str) -> Any:
    def guarded(self: socket.socket, address: Any, /) -> Any:
        if not _is_local(self.family, address):
            raise OutsideAddress(f"tests stay on loopback, this one wanted {address}")
        return _OPEN[name](self, address)

    return guarded


def pytest_configure(config: pytest.Config) -> None:
    for name in _OPEN:
        setattr(socket.socket, name, _guarded(name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    # `connect` is inherited from the C type: taking our attribute away brings it back.
    for name in _OPEN:
        if name in vars(socket.socket):
            delattr(socket.socket, name)
