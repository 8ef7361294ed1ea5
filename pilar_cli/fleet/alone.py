"""One simulation at a time. What belongs here: holding a home's business clock against a second run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilar.errors import Busy

LOCK = "fleet.lock"


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Be the only one that moves a home's business clock so; a killed one's hold is freed by the system.

    Raises:
        Busy: another run moves it.
    """
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"Another `pilar sandbox fleet` moves the business clock of {home}: let it end first.") from None
        yield
    finally:
        os.close(descriptor)
