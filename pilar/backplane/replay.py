"""What was spooled goes to the database, in order of arrival, as soon as it is back.

What belongs here: when that is tried, and the handing over from the spool to the direct way. What does not: what is
asked of the database (`inbox_link.py`), the spool itself (`spool.py`) and who waits for an answer (`inbox.py`).

A row leaves the spool after the database's commit. A kill between the two has it stored once more, which the inbox
recognises as the same delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from pilar.backplane.inbox_link import Away, InboxLink
from pilar.backplane.spool import Spool, SpoolUnusable

log = logging.getLogger(__name__)

BATCH = 500
BATCH_BYTES = 8 * 1024 * 1024
_GROWTH = BATCH // 10
_LAST_STRETCH = 2
"""With so many batches left the doors wait for them: else there would always be a new one behind the last."""


@dataclass(frozen=True)
class Patience:
    """How long is waited for what, in seconds.

    Attributes:
        statement: the longest for one statement of the door's, or for a connection.
        first_pause: before the database is tried again; it doubles with each failure.
        longest_pause: the most that it grows to.
        look_around: between two looks for what dead processes left.
    """

    statement: float = 2.0
    first_pause: float = 0.2
    longest_pause: float = 10.0
    look_around: float = 15.0


class Way(Enum):
    """Where deliveries go."""

    DIRECT = auto()
    """To the database."""
    SPOOL = auto()
    """Behind those that wait in the spool."""
    HOLD = auto()
    """Nowhere: the last of the spool are being replayed, which takes a moment."""


class Switch:
    """Which way deliveries go, for the lanes and the replay of one event loop.

    Everything but waiting is done without giving the loop away, so what was just asked still holds.
    """

    def __init__(self) -> None:
        self._way = Way.DIRECT
        self._appending = 0
        self._changed = asyncio.Event()

    @property
    def way(self) -> Way:
        """The way at this moment."""
        return self._way

    def set(self, way: Way) -> None:
        """Go another way from now on."""
        self._way = way
        self.stir()

    def stir(self) -> None:
        """Have those who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def begin_append(self) -> None:
        """Somebody appends to the spool; the way must not become direct before they are through."""
        self._appending += 1

    def end_append(self, waiting: int) -> None:
        """They are through, and so many wait in the spool now."""
        self._appending -= 1
        if waiting and self._way is Way.DIRECT:
            self._way = Way.SPOOL
        self.stir()

    def try_direct(self, waiting: int) -> bool:
        """Go the direct way if nothing waits and nobody appends."""
        if waiting or self._appending:
            return False
        self.set(Way.DIRECT)
        return True

    async def until_open(self) -> None:
        """Wait while deliveries are held."""
        await self.until(lambda: self._way is not Way.HOLD)

    async def until_appended(self) -> None:
        """Wait for those who append."""
        await self.until(lambda: not self._appending)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; it is asked again whenever something has changed."""
        while not condition():
            await self._changed.wait()


class Replay:
    """Replays one spool.

    Args:
        link: a connection of its own.
        spool: whose.
        switch: shared with the lanes.
        patience: how often it is tried.
    """

    def __init__(self, link: InboxLink, spool: Spool, switch: Switch, patience: Patience) -> None:
        self._link = link
        self._spool = spool
        self._switch = switch
        self._patience = patience
        self._stopping = asyncio.Event()
        self._failures = 0
        self._rows = BATCH
        """How many are replayed at once: half as many after a failure, since a server that has just come up may be too
        slow for a whole batch within our patience; a few more after each that it took."""

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._stopping.set()
        self._switch.stir()

    async def run(self) -> None:
        """Replay whatever comes into the spool, until it is stopped."""
        try:
            await self._look_first()
            while not self._stopping.is_set():
                await self._take_over()
                if self._spool.waiting:
                    self._switch.set(Way.SPOOL)
                if self._switch.way is Way.DIRECT:
                    await self._until_spooling()
                elif not await self._replay():
                    await self._pause()
        finally:
            await self._link.close()

    async def _look_first(self) -> None:
        """Learn whether something was left, and open the way: deliveries have been held for it."""
        try:
            await self._spool.take_over()
        except SpoolUnusable as error:
            log.warning("the spool can't be used: %s", error.message)
        finally:
            self._switch.set(Way.SPOOL if self._spool.waiting else Way.DIRECT)

    async def _until_spooling(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.look_around):
                await self._switch.until(lambda: self._switch.way is not Way.DIRECT or self._stopping.is_set())

    async def _take_over(self) -> None:
        """Take what dead processes left, in small portions, so that deliveries get their turn between."""
        try:
            while not self._stopping.is_set() and await self._spool.take_over():
                self._switch.set(Way.SPOOL)
        except SpoolUnusable as error:
            log.warning("what other processes left can't be taken over: %s", error.message)

    async def _replay(self) -> bool:
        """Replay until nothing waits and deliveries go the direct way again; False where something failed."""
        answers = False
        try:
            while not self._stopping.is_set():
                if not self._spool.waiting:
                    await self._switch.until_appended()
                    if self._switch.try_direct(self._spool.waiting):
                        return True
                    continue
                # Only of a database that has just answered: deliveries must not be held for one that may be away.
                if answers and self._spool.waiting <= _LAST_STRETCH * self._rows:
                    self._switch.set(Way.HOLD)
                    await self._switch.until_appended()
                await self._batch()
                answers, self._failures = True, 0
                self._rows = min(self._rows + _GROWTH, BATCH)
        except (Away, SpoolUnusable) as error:
            log.info("%d deliveries wait in the spool: %s", self._spool.waiting, error)
        except Exception:
            log.exception("deliveries wait in the spool because of a fault")
        finally:
            if self._switch.way is Way.HOLD:
                self._switch.set(Way.SPOOL)
        self._failures += 1
        self._rows = max(self._rows // 2, 1)
        return False

    async def _batch(self) -> None:
        found = await self._spool.first(self._rows, BATCH_BYTES)
        if not found:
            raise SpoolUnusable("What waits in the spool can't be found.")
        readable = [(one.seq, one.delivery) for one in found if one.delivery is not None]
        refused = [(one.seq, one.fault) for one in found if one.delivery is None]
        stored: list[int] = []
        if readable:
            refusals = {one.index: one.reason for one in await self._link.insert([one for _, one in readable])}
            stored = [seq for index, (seq, _) in enumerate(readable) if index not in refusals]
            refused += [(readable[index][0], reason) for index, reason in refusals.items()]
        for seq, reason in refused:
            log.error("delivery %d of the spool is put aside, the database refuses it: %s", seq, reason)
        await self._spool.settle(stored, refused)
        await self._link.wake_workers()

    async def _pause(self) -> None:
        longest = min(self._patience.longest_pause, self._patience.first_pause * 2 ** min(self._failures - 1, 30))
        with contextlib.suppress(TimeoutError):
            # Half of it by chance: many processes must not all knock at a server that has just come up.
            async with asyncio.timeout(random.uniform(longest / 2, longest)):  # noqa: S311 - no secret
                await self._stopping.wait()
