"""What a door has to ask the database before it can tell a signature: remembered for a minute.

What belongs here: how often and how long is asked, and what counts while the database is away. What is asked is the
doors' own.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from pilar.errors import Transient

KEPT_SECONDS = 60.0
KEPT_SECONDS_WHILE_AWAY = 86_400.0
KEPT_AT_MOST = 20_000
PATIENCE_SECONDS = 2.0
THREADS = 8

Found = TypeVar("Found")


class Remembered(Generic[Found]):
    """Answers by name; an empty one says that nobody of that name is known."""

    def __init__(self, look_up: Callable[[str], Found], tick: Callable[[], float] = time.monotonic) -> None:
        """Take what asks the database, in a thread, and a clock of seconds.

        It raises `Transient` where it can't tell.
        """
        self._look_up = look_up
        self._tick = tick
        # Of their own: should the database hold them all up, nobody else is short of threads.
        self._threads = CapacityLimiter(THREADS)
        self._known: OrderedDict[str, tuple[float, Found]] = OrderedDict()

    async def of(self, name: str) -> Found:
        """What is known under a name; raise `Transient` where that can't be told."""
        found = self._known.get(name)
        if found is None or self._tick() - found[0] > KEPT_SECONDS:
            try:
                found = (self._tick(), await self._asked(name))
            except Transient:
                # While the database is away, what we knew still tells who may write to the spool.
                if found is None or not found[1] or self._tick() - found[0] > KEPT_SECONDS_WHILE_AWAY:
                    raise
                return found[1]
            self._known[name] = found
            self._known.move_to_end(name)
            while len(self._known) > KEPT_AT_MOST:  # strangers may name any number
                self._known.popitem(last=False)
        return found[1]

    async def _asked(self, name: str) -> Found:
        """What the database says, soon or not at all: a thread that it holds up is left behind."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await to_thread.run_sync(self._look_up, name, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError as error:
            raise Transient("The database does not answer.") from error
