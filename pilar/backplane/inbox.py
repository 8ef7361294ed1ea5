"""The inbox: each webhook delivery is durable before it is answered.

What belongs here: the door's group-committing writer, and which way a delivery goes. What does not: HTTP, signatures,
and what a delivery means; the statement that stores them (`inbox_link.py`), the spool (`spool.py`) and its replay
(`replay.py`).

The writer is the one async piece of `pilar`. It has no timer: its lane takes all that is buffered (at most `BATCH`),
inserts it in one commit, tells who waits, and takes what has come meanwhile. Under load the commits
grow; with one delivery there is one commit.

While the database is away deliveries go to the spool on this machine's disk, and behind those that wait there until
they are replayed. Who can't be kept by either is told to come again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.inbox_link import Away, InboxLink, Refusal
from pilar.backplane.replay import BATCH, BATCH_BYTES, Patience, Replay, Switch, Way
from pilar.backplane.spool import Spool, SpoolStatus
from pilar.backplane.spool_rows import Arrival
from pilar.errors import Transient

log = logging.getLogger(__name__)

LANES = 1
"""The next batch gathers while one is committed: a second lane would make two small ones of it (ADR 0023)."""

BUFFERED_AT_MOST = 10_000
BUFFERED_BYTES_AT_MOST = 64 * 1024 * 1024
STOPPING = "The web service is stopping."
AWAY = "The database can't be reached; send it again."
FULL = "The database can't be reached and the spool is full; send it again."
WHEN_FULL = timedelta(seconds=30)


@dataclass(frozen=True)
class DoorStatus:
    """How the inbox of one process is.

    Attributes:
        is_spooling: whether deliveries go to the spool, and not to the database.
        buffered: how many wait for a commit.
        spool: how the spool is, where there is one.
    """

    is_spooling: bool
    buffered: int
    spool: SpoolStatus | None


@dataclass(frozen=True)
class _Waiting:
    """A delivery whose sender waits for an answer."""

    number: int
    delivery: NewDelivery
    answer: asyncio.Future[None]


class InboxWriter:
    """Writes deliveries for one process of the web service.

    Args:
        url: of the database, as its owner; `start` connects.
        lanes: how many batches are under way at once.
        spool: where deliveries go while the database is away; without one their senders are told to come again.
        patience: how long is waited for what.
    """

    def __init__(
        self, url: str, *, lanes: int = LANES, spool: Spool | None = None, patience: Patience | None = None
    ) -> None:
        self._url = url
        self._lanes = lanes
        self._spool = spool
        self._patience = patience or Patience()
        self._switch = Switch()
        self._replay: Replay | None = None
        self._numbers = itertools.count(1)
        self._buffer: deque[_Waiting] = deque()
        self._buffered_bytes = 0
        self._arrived = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the lanes and the replay, in the running event loop."""
        self._stopping = False
        if self._spool is not None:
            self._spool.start()
            self._switch.set(Way.HOLD)  # until the replay has looked for what was left: it came before
            link = InboxLink(self._url, self._patience.statement)
            self._replay = Replay(link, self._spool, self._switch, self._patience)
            self._tasks.append(asyncio.create_task(self._replay.run(), name="inbox-replay"))
        self._tasks += [asyncio.create_task(self._lane(), name=f"inbox-{number}") for number in range(self._lanes)]

    async def stop(self) -> None:
        """Keep what is buffered and stop; who still waits then is told that the delivery was not taken."""
        self._stopping = True
        self._arrived.set()
        if self._replay is not None:
            self._replay.stop()
        if self._tasks:
            # No lane is cancelled that may still end by itself: a commit under way would be told to nobody.
            _, late = await asyncio.wait(self._tasks, timeout=2 * self._patience.statement + 1)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        _refuse(list(self._buffer), STOPPING)
        self._buffer.clear()
        self._buffered_bytes = 0
        if self._spool is not None:
            await self._spool.stop()

    def status(self) -> DoorStatus:
        """How it is."""
        return DoorStatus(
            self._switch.way is not Way.DIRECT, len(self._buffer), self._spool.status() if self._spool else None
        )

    async def put(self, delivery: NewDelivery) -> None:
        """Return when the delivery is durable, or was before.

        Raises:
            Transient: it could not be stored; the provider has to send it again.
        """
        if self._stopping:
            raise Transient(STOPPING)
        size = len(delivery.body)
        if len(self._buffer) >= BUFFERED_AT_MOST or self._buffered_bytes + size > BUFFERED_BYTES_AT_MOST:
            raise Transient("Too many deliveries at once.")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer.append(_Waiting(next(self._numbers), delivery, answer))
        self._buffered_bytes += size
        self._arrived.set()
        await answer

    async def _lane(self) -> None:
        link = InboxLink(self._url, self._patience.statement)
        try:
            while True:
                await self._switch.until_open()
                taken = self._take()
                if taken:
                    await self._keep(link, taken)
                elif self._stopping:
                    return
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
        finally:
            await link.close()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._buffer and len(taken) < BATCH and size < BATCH_BYTES:
            taken.append(self._buffer.popleft())
            size += len(taken[-1].delivery.body)
        self._buffered_bytes -= size
        return taken

    async def _keep(self, link: InboxLink, taken: list[_Waiting]) -> None:
        try:
            if self._switch.way is not Way.DIRECT:
                await self._spool_them(taken)
                return
            try:
                refusals = await link.insert([one.delivery for one in taken])
            except Away as error:
                log.warning("%d deliveries could not be stored in the database: %s", len(taken), error)
                await self._spool_them(taken)
                return
            refused = {one.index for one in refusals}
            _accept([one for index, one in enumerate(taken) if index not in refused])
            if refusals:
                await self._put_aside(taken, refusals)
            await link.wake_workers()
        except asyncio.CancelledError:
            _refuse(taken, STOPPING)
            raise
        except Transient as error:
            log.warning("%d deliveries could not be stored: %s", len(taken), error.message)
            _refuse(taken, error.message, error.retry_after)
        except Exception:
            # The lane serves everybody: a fault is told to those whom it concerns, and does not end it.
            log.exception("%d deliveries could not be stored because of a fault", len(taken))
            _refuse(taken, AWAY)

    async def _spool_them(self, taken: Sequence[_Waiting]) -> None:
        """Keep deliveries on the disk, in the order in which they came."""
        await self._append(taken, [Arrival(one.number, one.delivery) for one in taken])

    async def _put_aside(self, taken: Sequence[_Waiting], refusals: Sequence[Refusal]) -> None:
        """Keep deliveries that the database will never take, for people to look at: sent again they are no better."""
        of = [taken[one.index] for one in refusals]
        for one, refusal in zip(of, refusals, strict=True):
            log.error(
                "a delivery of %s is put aside, the database refuses it: %s", one.delivery.provider, refusal.reason
            )
        aside = [Arrival(one.number, one.delivery, refusal.reason) for one, refusal in zip(of, refusals, strict=True)]
        await self._append(of, aside)

    async def _append(self, taken: Sequence[_Waiting], arrivals: Sequence[Arrival]) -> None:
        if self._spool is None:
            raise Transient(AWAY)
        self._switch.begin_append()
        try:
            kept = await self._spool.append(arrivals)
        finally:
            self._switch.end_append(self._spool.waiting)
        _accept([one for one, is_kept in zip(taken, kept, strict=True) if is_kept])
        _refuse([one for one, is_kept in zip(taken, kept, strict=True) if not is_kept], FULL, WHEN_FULL)


def _accept(waiting: Sequence[_Waiting]) -> None:
    for one in waiting:
        if not one.answer.done():
            one.answer.set_result(None)


def _refuse(waiting: Sequence[_Waiting], reason: str, retry_after: timedelta | None = None) -> None:
    for one in waiting:
        if not one.answer.done():
            one.answer.set_exception(Transient(reason, retry_after=retry_after))
