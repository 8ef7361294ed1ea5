"""One drain for all drivers: claim a batch, run its handlers, settle it.

The worker keeps it warm, Dagster's runs call it until nothing is due, tests call it step by step. What does not
belong here: when to drain (that is the drivers') and what the work is (that is the handlers').
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection

from pilar.backplane import store
from pilar.backplane.facts import Kind, Lane, emit
from pilar.backplane.handlers import Delivery, Outside, Registry, Result, Snooze, Transactional, UnknownType, Work
from pilar.backplane.notices import ABOUT_INCIDENTS, IncidentRequested, incident
from pilar.backplane.pace import Pace
from pilar.backplane.retries import backoff
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import PilarError, Transient
from pilar.ids import FLEET
from pilar.masking import mask, mask_text

log = logging.getLogger(__name__)

_WORKSPACES_PER_CLAIM = 50
_PROMOTED_AT_ONCE = 1_000


class WorkerDied(PilarError):
    """Whoever worked on this died again and again: it is kept from taking the next worker along."""

    code = "worker_died"


@dataclass
class Drain:
    """Claims work and runs it.

    Attributes:
        worker: the name under which work is claimed, unique among living processes.
        lease: how long claimed work is held unless the lease is renewed (`renew_leases`).
        threads: how many outside handlers run at once in the lane of replies, and how many in all the others.
        batch: how many pieces of work are claimed at once, at most; fewer where they take long (`pace.py`).
    """

    database: Database
    registry: Registry
    clocks: Clocks
    worker: str
    lease: timedelta = timedelta(seconds=30)
    threads: int = 8
    batch: int = 200
    _cursors: dict[Lane, UUID] = field(default_factory=dict)
    _paces: dict[Lane, Pace] = field(default_factory=dict)
    _in_flight: dict[tuple[int, str], Work[Any]] = field(default_factory=dict)
    _futures: dict[Future[None], bool] = field(default_factory=dict)
    """What runs outside, and whether in the lane of replies."""
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _pools: dict[bool, ThreadPoolExecutor] = field(default_factory=dict)

    def promote(self) -> int:
        """Move scheduled work whose time has come into the queue; return how much."""
        with self.database.transaction(Scope.fleet()) as connection:
            return store.promote(
                connection,
                business_now=self.clocks.business.now(),
                real_now=self.clocks.real.now(),
                limit=_PROMOTED_AT_ONCE,
            )

    def step(self, lane: Lane, *, waiting_for: timedelta = timedelta(0)) -> int:
        """Claim one batch of a lane and run it; return how many pieces were claimed.

        Transactional handlers have run when this returns; outside ones run on in threads, and nothing more is claimed
        in a lane whose threads have enough to do. Replies have threads of their own: a slow provider that others wait
        for keeps no lead waiting.

        Args:
            lane: which lane.
            waiting_for: leave alone what has waited for less: it is a living worker's.
        """
        self.reap()
        room = self._room(lane)
        if room <= 0:
            return 0
        began = time.monotonic()
        pace = self._paces.setdefault(lane, Pace(self.batch))
        claimed = self._claim(lane, waiting_for, min(pace.batch, room))
        transactional: list[tuple[Work[Any], Transactional]] = []
        for row in claimed:
            try:
                work, handler = self._prepare(row)
            except (UnknownType, WorkerDied, ValidationError, ValueError) as error:
                self._settle_alone(_bare_work(row, self.clocks.real.now()), error=error)
                continue
            if handler is None:
                continue
            if isinstance(handler, Transactional):
                transactional.append((work, handler))
            else:
                self._submit(work, handler, lane)
        if transactional:
            self._run_transactional(transactional)
        if claimed:
            pace.learn(len(claimed), time.monotonic() - began)
        return len(claimed)

    @property
    def is_busy(self) -> bool:
        """Whether outside handlers are running."""
        self.reap()
        return bool(self._futures)

    def wait_for_one(self, seconds: float) -> None:
        """Wait until an outside handler ends, at most so long."""
        wait(list(self._futures), timeout=seconds, return_when="FIRST_COMPLETED")

    def run_until_idle(
        self,
        deadline: datetime,
        lanes: Iterable[Lane] = tuple(Lane),
        *,
        waiting_for: timedelta = timedelta(0),
    ) -> int:
        """Drain until nothing is due or the deadline (real time) has passed; return how many pieces were claimed."""
        total, lanes = 0, list(lanes)
        while self.clocks.real.now() < deadline:
            moved = self.promote()
            claimed = sum(self.step(lane, waiting_for=waiting_for) for lane in lanes)
            total += claimed
            if not claimed and not moved and not self._wait_for_one():
                break
        self.finish()
        return total

    def renew_leases(self) -> None:
        """Extend the leases of what is running; called at least three times per lease."""
        with self._mutex:
            held = [_triple(work) for work in self._in_flight.values()]
        if held:
            with self.database.transaction(Scope.fleet()) as connection:
                store.extend(connection, held, self.clocks.real.now() + self.lease)

    def finish(self) -> None:
        """Wait for the handlers that are running."""
        wait(list(self._futures))
        self.reap()

    def close(self) -> None:
        """Finish and give the threads back."""
        self.finish()
        for pool in self._pools.values():
            pool.shutdown()
        self._pools.clear()

    def _room(self, lane: Lane) -> int:
        """How much more a lane's threads can be given: a little ahead, so that they never wait for it."""
        if lane is Lane.INBOX:
            return self.batch
        is_reply = lane is Lane.REPLY
        under_way = sum(1 for of_replies in self._futures.values() if of_replies == is_reply)
        return self.batch if not under_way else self.threads * 4 - under_way

    def _claim(self, lane: Lane, waiting_for: timedelta, most: int | None = None) -> list[Any]:
        most = most or self.batch
        workspaces = min(_WORKSPACES_PER_CLAIM, most)
        now = self.clocks.real.now()
        cursor = self._cursors.get(lane, store.ABOVE_ALL)
        with self.database.transaction(Scope.fleet()) as connection:

            def claim(cursor: UUID, each: int) -> tuple[list[Any], UUID | None, int]:
                return store.claim(
                    connection,
                    lane=lane,
                    cursor=cursor,
                    workspaces=workspaces,
                    each=each,
                    due_before=now - waiting_for,
                    now=now,
                    lease_until=now + self.lease,
                    worker=self.worker,
                )

            rows, reached, visited = claim(cursor, max(1, most // workspaces))
            if visited < workspaces:
                # The walk came to its end: back to the top, and since few workspaces have work, take more of each.
                if len(rows) <= most // 2:
                    more, *_ = claim(store.ABOVE_ALL, most - len(rows))
                    rows += more
                reached = None
        self._cursors[lane] = reached or store.ABOVE_ALL
        return rows

    def _prepare(self, row: Any) -> tuple[Work[Any], Transactional | Outside | None]:
        if row.attempts > row.max_attempts:
            raise WorkerDied(f"Whoever worked on this died {row.max_attempts} times.")
        kind = Kind(row.kind)
        handlers = self.registry.handlers_of(kind, row.type)
        if row.handler:
            if row.handler not in handlers:
                raise UnknownType(f"{row.type} has no handler named {row.handler!r} any more.")
            handler = handlers[row.handler]
        elif len(handlers) == 1:
            handler = next(iter(handlers.values()))
        else:
            self._fan_out(row, list(handlers))
            return _bare_work(row, self.clocks.real.now()), None
        content: object
        if kind is Kind.DELIVERY:
            content = Delivery(row.type, row.external_id, row.headers, bytes(row.body))
        else:
            content = self.registry.parse(kind, row.type, row.payload)
        return _work(row, content, self.clocks.real.now()), handler

    def _fan_out(self, row: Any, names: Sequence[str]) -> None:
        """A fact with several handlers (each retries on its own) or with none (then it is done)."""
        with self.database.transaction(Scope.fleet()) as connection:
            store.fan_out(connection, row.position, names)
            now = self.clocks.real.now()
            settled = store.SettledRow(row.position, row.handler, row.fencing_token, row.type, "fanned_out", now)
            store.settle(connection, [settled], now)

    def _run_transactional(self, batch: Sequence[tuple[Work[Any], Transactional]]) -> None:
        """Run a batch in one transaction, each piece under a savepoint, so that one poison piece fails alone."""
        with self.database.transaction(Scope.fleet()) as connection:
            held = store.hold(connection, [_triple(work) for work, _ in batch])
            settled = []
            for work, handler in batch:
                if (work.position, work.handler) not in held:
                    continue
                try:
                    with connection.begin_nested():
                        result = handler.run(connection, work)
                except Exception as error:
                    settled.append(self._failed(connection, work, error))
                else:
                    settled.append(self._done(work, result))
            store.settle(connection, settled, self.clocks.real.now())

    def _submit(self, work: Work[Any], handler: Outside, lane: Lane) -> None:
        is_reply = lane is Lane.REPLY
        if is_reply not in self._pools:
            self._pools[is_reply] = ThreadPoolExecutor(self.threads, "replies" if is_reply else "outside")
        with self._mutex:
            self._in_flight[work.position, work.handler] = work
        self._futures[self._pools[is_reply].submit(self._run_outside, work, handler)] = is_reply

    def _run_outside(self, work: Work[Any], handler: Outside) -> None:
        try:
            try:
                result = handler.run(work)
            except Exception as error:
                self._settle_alone(work, error=error)
            else:
                self._settle_alone(work, result=result)
        finally:
            with self._mutex:
                self._in_flight.pop((work.position, work.handler), None)

    def _settle_alone(self, work: Work[Any], *, error: Exception | None = None, result: Result = None) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            row = self._failed(connection, work, error) if error else self._done(work, result)
            if not store.settle(connection, [row], self.clocks.real.now()):
                log.warning("the lease on %s %s was lost before it was settled", work.type, work.id)

    def _wait_for_one(self) -> bool:
        """Wait until a running handler ends; False where none runs."""
        self.reap()
        if not self._futures:
            return False
        wait(list(self._futures), timeout=self.lease.total_seconds() / 3, return_when="FIRST_COMPLETED")
        self.renew_leases()
        self.reap()
        return True

    def reap(self) -> None:
        """Forget the handlers that have ended, and log what they could not settle."""
        ended = {future for future in self._futures if future.done()}
        for future in ended:
            del self._futures[future]
            # What could not be settled (the database is away) is leased until it is claimed again.
            if error := future.exception():
                log.error("a piece of work could not be settled: %s", error)

    @staticmethod
    def _done(work: Work[Any], result: Result) -> store.SettledRow:
        return store.SettledRow(
            work.position,
            work.handler,
            work.fencing_token,
            work.type,
            "done",
            work.claimed_at,
            result=json.dumps(mask(result), default=str) if result else None,
        )

    def _failed(self, connection: Connection, work: Work[Any], error: Exception) -> store.SettledRow:
        now = self.clocks.real.now()
        code = error.code if isinstance(error, PilarError) else type(error).__name__
        text = mask_text(str(error))[:2_000]
        due_at: datetime | None = None
        if isinstance(error, Snooze):
            outcome, due_at = "snoozed", now + error.delay
        elif _may_succeed_later(error) and work.attempts < work.max_attempts:
            asked = error.retry_after if isinstance(error, Transient) else None
            outcome, due_at = "retry", now + backoff(work.attempts, at_least=asked)
        else:
            outcome = "dead"
            self._report_dead_letter(connection, work, code, text)
        if not isinstance(error, PilarError | Snooze):
            log.error("%s %s failed", work.type, work.id, exc_info=error)
        return store.SettledRow(
            work.position,
            work.handler,
            work.fencing_token,
            work.type,
            outcome,
            work.claimed_at,
            due_at=due_at,
            error_code=code,
            error=text,
        )

    def _report_dead_letter(self, connection: Connection, work: Work[Any], code: str, text: str) -> None:
        if work.type.startswith(ABOUT_INCIDENTS):
            return  # an incident about the failure to record or to show an incident would never end
        request = IncidentRequested(
            dedupe_key=f"dead_letter:{work.type}:{code}",
            title=f"Work of type {work.type} can't be done",
            description=text or code,
            severity="high",
            component="queue_processing",
        )
        event = incident(
            request, key=f"{work.position}:{work.handler}:{work.fencing_token}", workspace_id=work.workspace_id
        )
        emit(connection, self.clocks, [event], work.cause)


def _may_succeed_later(error: Exception) -> bool:
    """Our own errors say so by their type; anything else is a defect or the database's, and worth another try."""
    return isinstance(error, Transient) or not isinstance(error, PilarError | ValidationError)


def _triple(work: Work[Any]) -> tuple[int, str, int]:
    return work.position, work.handler, work.fencing_token


def _work(row: Any, content: object, now: datetime) -> Work[Any]:
    return Work(
        position=row.position,
        handler=row.handler,
        kind=Kind(row.kind),
        id=row.id,
        workspace_id=None if row.workspace_id == FLEET else row.workspace_id,
        type=row.type,
        content=content,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        fencing_token=row.fencing_token,
        correlation_id=row.correlation_id or row.id,
        recorded_at=row.recorded_at,
        claimed_at=now,
    )


def _bare_work(row: Any, now: datetime) -> Work[Any]:
    return _work(row, None, now)
