"""Durable work with retries. What belongs here: queueing, order, back-off and idleness; what the work is does not.

A task is a row, so that nothing is lost when this process or the product dies. It is tried until it succeeds, or until
its worker raises `Dropped`. A task that was under way when the process died is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable

import httpx

from pilar.clocks import Clock
from provider_sandbox.config import Retry
from provider_sandbox.state import State, Transaction

logger = logging.getLogger(__name__)

LOOK_AHEAD = 500
"""Due rows read at once: enough to find `width` free lanes behind the busy ones."""


Work = Callable[[sqlite3.Row], Awaitable[int | None]]
"""Does one task and returns the HTTP status that ended it, where there was one; any exception means another attempt."""


class NotDone(Exception):
    """The attempt failed in a way that the next one may not."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Dropped(Exception):
    """There is nobody left to do this for."""


class Postponed(Exception):
    """It is not the time yet: no attempt was made."""

    def __init__(self, message: str, until: float) -> None:
        """`until` is the moment of the next look, in Unix seconds."""
        super().__init__(message)
        self.until = until


class Bell:
    """Wakes everybody who waits for a change. Take `next()` first, look at the state, then wait: nothing is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.rung = 0
        """How often it rang since the process began."""

    def next(self) -> asyncio.Event:
        """The event that the next ring will set."""
        return self._event

    def ring(self) -> None:
        """Wake all who wait. To be called on the event loop."""
        self.rung += 1
        rung, self._event = self._event, asyncio.Event()
        rung.set()


async def heard(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for a ring at most so many seconds (None: for ever); whether it came."""
    # Not `wait_for`: up to Python 3.11 it swallows a cancellation that meets the ring.
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


class TaskQueue:
    """One queue of tasks: several lanes at once, one task at a time in a lane, in order of its due time."""

    def __init__(
        self,
        name: str,
        state: State,
        bell: Bell,
        clock: Clock,
        retry: Retry,
        width: int,
    ) -> None:
        self.name = name
        self._state = state
        self._bell = bell
        self._clock = clock
        self._retry = retry
        self._width = width
        self._busy: dict[int, str] = {}

    def add(
        self,
        tx: Transaction,
        *,
        topic: str,
        name: str,
        lane: str,
        body: str = "",
        address: str = "",
        delay: float = 0.0,
    ) -> int:
        """Queue a task, to be tried after `delay` seconds, durable when the transaction commits; return its id."""
        now = tx.now()
        rows = tx.run(
            "insert into task (queue, topic, name, lane, address, body, next_at, created_at)"
            " values (?, ?, ?, ?, ?, ?, ?, ?) returning id",
            *(self.name, topic, name, lane, address, body, now.timestamp() + delay, now.isoformat()),
        )
        return int(rows[0]["id"])

    def again(self, tx: Transaction, number: int) -> int | None:
        """Queue a task once more, due now, whatever became of it; return the new one's id, None where there is none."""
        rows = tx.run("select * from task where queue = ? and id = ?", self.name, number)
        if not rows:
            return None
        return self.add(tx, **{name: rows[0][name] for name in ("topic", "name", "lane", "body", "address")})

    def rows(self, tx: Transaction) -> list[sqlite3.Row]:
        """Every task, oldest first."""
        return tx.run("select * from task where queue = ? order by id", self.name)

    def pending(self, tx: Transaction) -> int:
        """How many tasks are not ended."""
        return int(tx.run("select count(*) from task where queue = ? and state = 'pending'", self.name)[0][0])

    def hurry(self, tx: Transaction) -> None:
        """Make every pending task due now."""
        now = tx.now().timestamp()
        tx.run("update task set next_at = ? where queue = ? and state = 'pending' and next_at > ?", now, self.name, now)

    def due(self, tx: Transaction, lane: str) -> list[sqlite3.Row]:
        """What is due in a lane, in order: for work that does several tasks in one go."""
        return tx.run(
            "select * from task where queue = ? and lane = ? and state = 'pending' and next_at <= ?"
            " order by next_at, id",
            *(self.name, lane, tx.now().timestamp()),
        )

    def end(self, tx: Transaction, task: sqlite3.Row) -> None:
        """Note a task as done in the transaction that did it, so that a crash can't have it done twice."""
        moment = tx.now().isoformat()
        tx.run("update task set state = 'done', ended_at = ? where id = ?", moment, task["id"])

    def done(self, tx: Transaction, name: str) -> bool:
        """Whether every task of this name has been done, and there is one."""
        states = tx.run("select state from task where queue = ? and name = ?", self.name, name)
        return bool(states) and all(row["state"] == "done" for row in states)

    async def run(self, work: Work) -> None:
        """Do what is due, for ever. Cancelling it leaves what was under way pending."""
        async with asyncio.TaskGroup() as attempts:
            while True:
                bell = self._bell.next()
                # One moment for both questions: a task that falls due between two would be seen by neither.
                now = self._clock.now().timestamp()
                for task in self._due(now):
                    self._busy[task["id"]] = task["lane"]
                    attempts.create_task(self._attempt(task, work))
                await heard(bell, self._seconds_to_next(now))

    def _due(self, now: float) -> list[sqlite3.Row]:
        free = self._width - len(self._busy)
        lanes = set(self._busy.values())
        chosen: list[sqlite3.Row] = []
        with self._state.transaction() as tx:
            rows = tx.run(
                "select * from task where queue = ? and state = 'pending' and next_at <= ?"
                " order by next_at, id limit ?",
                *(self.name, now, LOOK_AHEAD),
            )
        for row in rows:
            if len(chosen) < free and row["lane"] not in lanes:
                lanes.add(row["lane"])
                chosen.append(row)
        return chosen

    def _seconds_to_next(self, now: float) -> float | None:
        with self._state.transaction() as tx:
            rows = tx.run(
                "select min(next_at) from task where queue = ? and state = 'pending' and next_at > ?", self.name, now
            )
        return None if rows[0][0] is None else rows[0][0] - now

    async def _attempt(self, task: sqlite3.Row, work: Work) -> None:
        status: int | None = None
        error: str | None = None
        outcome = "pending"
        until: float | None = None
        try:
            status = await work(task)
            outcome = "done"
        except Postponed as reason:
            until, error = reason.until, str(reason)
        except Dropped as reason:
            outcome, error = "dropped", str(reason)
        except NotDone as failure:
            status, error = failure.status, str(failure)
        except httpx.HTTPError as failure:
            error = f"{type(failure).__name__}: {failure}"
        except Exception as failure:
            logger.exception("%s task %s failed", self.name, task["id"])
            error = f"{type(failure).__name__}: {failure}"
        finally:
            del self._busy[task["id"]]
        attempts = task["attempts"] + (until is None)
        with self._state.transaction() as tx:
            now = tx.now()
            tx.run(
                "update task set state = ?, attempts = ?, next_at = ?, last_status = ?, last_error = ?, ended_at = ?"
                " where id = ?",
                *(outcome, attempts, until or now.timestamp() + self._retry.pause(attempts), status, error),
                *(None if outcome == "pending" else now.isoformat(), task["id"]),
            )
