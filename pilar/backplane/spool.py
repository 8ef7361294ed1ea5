"""The spool: deliveries that were answered while the database is away, durable on this machine's disk.

What belongs here: the one thread that writes, group commit, what waits and what was counted, and taking over what a
dead process left. What does not: the file itself (`spool_file.py`), the database, and when deliveries go here
(`inbox.py`, `replay.py`).

Everything that has come in meanwhile goes into one commit, so the disk is waited for once for all of it. A file is
made when the first delivery needs it, and removed when a process ends that has nothing left in it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pilar.backplane.spool_file import Bounds, Held, SpoolFile, Unreadable
from pilar.backplane.spool_places import bytes_of, spool_files
from pilar.backplane.spool_rows import Arrival, Spooled
from pilar.errors import Transient

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 64
_MOVED_AT_ONCE = 1_000
_LAST_SECONDS = 5.0
"""How long the end of the thread is waited for: a disk may hang, and what it has not confirmed was not answered."""

_TROUBLE = (sqlite3.Error, OSError, Unreadable)


@dataclass(frozen=True)
class _Job:
    """Something for the thread to do: with the file, in one transaction with others; or by itself."""

    done: Future[Any]
    within: Callable[[SpoolFile], Any] | None = None
    alone: Callable[[], Any] | None = None
    makes_file: bool = False
    instead: Callable[[SpoolFile], Any] | None = None
    """What is done in memory should the disk refuse it."""


class SpoolUnusable(Transient):
    """Deliveries can't be kept on this machine's disk."""

    code = "spool_unusable"


@dataclass(frozen=True)
class SpoolStatus:
    """How a process's spool is.

    Attributes:
        waiting: deliveries that are to be replayed.
        refused: deliveries that are kept aside, because the database refuses them for good.
        oldest: when the first that waits was received.
        bytes: what all files of this machine take.
        spooled: how many were spooled since the process began.
        replayed: how many were replayed since then.
        newly_refused: how many were put aside since then.
        turned_away: how many there was no room for since then.
        is_full: whether the last that came found no room.
        error: why the disk can't be used, where that is so.
    """

    waiting: int
    refused: int
    oldest: datetime | None
    bytes: int
    spooled: int
    replayed: int
    newly_refused: int
    turned_away: int
    is_full: bool
    error: str | None

    @property
    def takes_more(self) -> bool:
        """Whether deliveries can be kept, as far as is known."""
        return self.error is None and not self.is_full


class Spool:
    """The spool of one process.

    Args:
        directory: where the files of all processes of this machine lie.
        database: the name of the database that deliveries are meant for; files of another are left alone.
        bounds: how much may be kept.
    """

    def __init__(self, directory: Path, database: str, bounds: Bounds) -> None:
        self._directory = directory
        self._database = database
        self._bounds = bounds
        self._file: SpoolFile | None = None
        self._left: SpoolFile | None = None
        """A dead process's file that is being taken over."""
        self._held = Held()
        self._used = 0
        self._error: str | None = None
        self._unreadable: set[Path] = set()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._spooled = self._replayed = self._refused = self._turned_away = 0
        self._is_full = False

    @property
    def waiting(self) -> int:
        """How many deliveries are to be replayed."""
        return self._held.waiting

    def status(self) -> SpoolStatus:
        """How it is."""
        held = self._held
        return SpoolStatus(
            held.waiting,
            held.refused,
            held.oldest,
            self._used,
            self._spooled,
            self._replayed,
            self._refused,
            self._turned_away,
            self._is_full,
            self._error,
        )

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish what was asked for and let go of the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join, _LAST_SECONDS)
            if thread.is_alive():
                log.error("the disk does not answer: the spool's thread is left behind")

    async def append(self, arrivals: Sequence[Arrival]) -> list[bool]:
        """Keep deliveries; return for each whether it is on the disk now, or was.

        Raises:
            SpoolUnusable: the disk does not answer; none is.
        """
        # The order of calls is the order of rows: nothing is awaited before the job is handed over.
        kept: list[bool] = await self._ask(within=lambda file: file.append(arrivals, self._bounds), makes_file=True)
        self._is_full = not all(kept)
        for arrival, is_kept in zip(arrivals, kept, strict=True):
            if not is_kept:
                self._turned_away += 1
            elif arrival.refused is None:
                self._spooled += 1
            else:
                self._refused += 1
        return kept

    async def first(self, rows: int, most_bytes: int) -> list[Spooled]:
        """The next to be replayed, in order of arrival.

        Raises:
            SpoolUnusable: the disk does not answer.
        """
        found: list[Spooled] | None = await self._ask(within=lambda file: file.first(rows, most_bytes))
        return found or []

    async def settle(self, stored: Sequence[int], refused: Sequence[tuple[int, str]]) -> None:
        """Remove what the database has, and put aside what it refuses.

        On a disk that is full that is done in memory, and on the disk when there is room: else nothing could be
        replayed from there, and nothing would go to the database that is back.

        Raises:
            SpoolUnusable: the file is gone; they will be replayed again.
        """

        def run(file: SpoolFile) -> None:
            file.catch_up()
            file.forget(stored)
            for seq, reason in refused:
                file.refuse(seq, reason)

        await self._ask(within=run, instead=lambda file: file.remember(stored, refused))
        self._is_full = False
        self._replayed += len(stored)
        self._refused += len(refused)

    async def take_over(self) -> int:
        """Take over some of what dead processes left; return how much: 0 when nothing is left.

        Also learns what the files of others take of the disk, and which rows the command line has released.

        Raises:
            SpoolUnusable: the disk does not answer.
        """
        moved: int = await self._ask(alone=self._take_over)
        return moved

    # In the calling thread

    async def _ask(
        self,
        *,
        within: Callable[[SpoolFile], Any] | None = None,
        alone: Callable[[], Any] | None = None,
        makes_file: bool = False,
        instead: Callable[[SpoolFile], Any] | None = None,
    ) -> Any:
        if self._thread is None:
            raise SpoolUnusable
        job = _Job(Future(), within, alone, makes_file, instead)
        self._jobs.put(job)
        return await asyncio.wrap_future(job.done)

    # In the spool's own thread

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            jobs = [self._jobs.get()]
            with suppress(queue.Empty):
                while len(jobs) < _MOST_AT_ONCE:
                    jobs.append(self._jobs.get_nowait())
            goes_on = None not in jobs  # nothing comes after the end
            asked = [job for job in jobs if job is not None and job.done.set_running_or_notify_cancel()]
            self._commit([job for job in asked if job.within])
            for job in asked:
                if job.alone:
                    self._run_alone(job, job.alone)
        self._let_go()

    def _commit(self, jobs: Sequence[_Job]) -> None:
        """Do all of it in one transaction, and tell who asked."""
        if not jobs:
            return
        try:
            file = self._ready(makes=any(job.makes_file for job in jobs))
            results: list[Any] = [None] * len(jobs)
            if file is not None:
                waited = file.held.waiting
                file.begin()
                results = [job.within(file) for job in jobs if job.within]
                file.commit()
                file.look_for_oldest()
                self._error = None
                if waited and not file.held.waiting:
                    file.shrink()
                self._publish()
        except Exception as error:
            self._in_trouble(error)
            self._answer_in_trouble(jobs, error)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.done.set_result(result)

    def _answer_in_trouble(self, jobs: Sequence[_Job], error: Exception) -> None:
        for job in jobs:
            if job.instead is None or self._file is None:
                _fail([job], error)
                continue
            try:
                job.instead(self._file)
                self._publish()
            except Exception as failure:
                _fail([job], failure)
            else:
                job.done.set_result(None)

    def _run_alone(self, job: _Job, run: Callable[[], Any]) -> None:
        try:
            result = run()
            self._publish()
        except Exception as error:
            self._in_trouble(error)
            _fail([job], error)
        else:
            job.done.set_result(result)

    def _ready(self, *, makes: bool) -> SpoolFile | None:
        if self._file is None and makes:
            self._take_over()
            self._file = self._file or SpoolFile.create(self._directory, self._database)
            self._look_around()
        return self._file

    def _take_over(self) -> int:
        files = spool_files(self._directory, self._database)
        if self._file is not None:
            self._catch_up(self._file)
            self._file.recount()
        if self._left is None:
            ours = self._file.path if self._file else None
            self._left = self._claim([path for path in files if path != ours])
        moved = 0
        if self._left is not None:
            held = self._left.held
            log.info("taking over %d deliveries that wait and %d that were refused", held.waiting, held.refused)
            if self._file is None or not (self._file.held.waiting or self._file.held.refused):
                # Nothing of ours is in the way: it becomes our own.
                if self._file is not None:
                    self._file.close()
                self._file, self._left = self._left, None
                moved = held.waiting + held.refused
            else:
                moved = self._file.move_from(self._left, _MOVED_AT_ONCE)
                if moved < _MOVED_AT_ONCE:
                    self._left.close()
                    self._left = None
        self._look_around()
        return moved

    def _catch_up(self, file: SpoolFile) -> None:
        if file.is_behind:
            file.begin()
            file.catch_up()
            file.commit()
            file.shrink()

    def _look_around(self) -> None:
        if self._file is not None:
            own = self._file.path
            self._file.bytes_elsewhere = sum(bytes_of(path) for path in spool_files(self._directory) if path != own)

    def _claim(self, paths: Sequence[Path]) -> SpoolFile | None:
        for path in paths:
            if path in self._unreadable:
                continue
            try:
                claimed = SpoolFile.claim(path)
            except Unreadable as error:
                self._unreadable.add(path)
                log.error("deliveries in a file that can't be read are left where they are: %s", error)  # noqa: TRY400
                continue
            if claimed is not None:
                return claimed
        return None

    def _in_trouble(self, error: Exception) -> None:
        """Go on with what is on the disk; where that can't be, without a file until the next is asked for."""
        level = logging.WARNING if isinstance(error, _TROUBLE) else logging.ERROR
        log.log(level, "the spool can't be used: %s", error, exc_info=level == logging.ERROR)
        self._error = f"{type(error).__name__}: {error}"
        if self._left is not None:
            self._left.abandon()
            self._left = None
        if self._file is not None:
            try:
                self._file.reopen()
            except Exception:
                log.exception("the spool's file is given up: it stays where it is")
                self._file.abandon()
                self._file = None
        self._publish()

    def _publish(self) -> None:
        file = self._file
        self._held = replace(file.held) if file else Held()
        self._used = file.used_bytes() + file.bytes_elsewhere if file else 0

    def _let_go(self) -> None:
        for file in (self._left, self._file):
            if file is not None:
                try:
                    self._catch_up(file)
                except _TROUBLE as error:
                    log.warning("what is stored stays in the spool's file, and will be replayed again: %s", error)
                    file.abandon()
                    continue
                try:
                    file.close()
                except _TROUBLE as error:
                    log.warning("the spool's file could not be closed: %s", error)
        self._left = self._file = None


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        job.done.set_exception(SpoolUnusable(f"The spool can't be used: {error}"))
