"""How many requests are worked on at once. What belongs here: letting them in, and turning them away early.

Everything that touches the database runs in threads, of which there are forty, each with a connection at most. Without
a bound before them requests would queue for threads, and then for connections, without end: every one of them would be
answered, long after whoever asked has gone. So a few may wait for a moment, and all others are told at once to come
again. Files and the health check don't pass here: they are answered under any load.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from pilar.errors import Overloaded

AT_ONCE = 32
"""Fewer than there are threads, so that the health check always finds one."""

WAITING = 128
PATIENCE_SECONDS = 2.0
RETRY_AFTER = timedelta(seconds=2)


class Turnstile:
    """Lets a number of requests in at once, first come, first served.

    Args:
        at_once: how many.
        waiting: how many may wait besides.
        patience: how long each may wait, in seconds.
    """

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING, patience: float = PATIENCE_SECONDS) -> None:
        self._free = at_once
        self._most_waiting = waiting
        self._patience = patience
        self._line: deque[asyncio.Future[None]] = deque()
        self.turned_away = 0
        """How many were turned away since the process began."""

    def look(self) -> None:
        """Turn away who would not even find a place to wait, before their body is read.

        Raises:
            Overloaded: there is none.
        """
        if self._free == 0 and len(self._line) >= self._most_waiting:
            self._turn_away()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Be inside.

        Raises:
            Overloaded: there is no place to wait, or the wait took too long.
        """
        await self._wait_for_turn()
        try:
            yield
        finally:
            self._leave()

    async def _wait_for_turn(self) -> None:
        self.look()
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await asyncio.wait({turn}, timeout=self._patience)
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        if not turn.done():
            self._give_up(turn)
            self._turn_away()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.done():  # it came at the very moment: it is the next one's
            self._leave()
        else:
            self._line.remove(turn)

    def _leave(self) -> None:
        if self._line:
            self._line.popleft().set_result(None)
        else:
            self._free += 1

    def _turn_away(self) -> None:
        self.turned_away += 1
        raise Overloaded(retry_after=RETRY_AFTER)
