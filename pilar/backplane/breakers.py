"""Circuit breakers: whoever does not answer is left alone for a while, and then asked by one call before all others.

What belongs here: the rule, and what is known of each other side. What does not: what counts as no answer (the call
policy of `providers`, the front of locks), and anything that is said over a network.

The knowledge is a process's own. Each process learns within a few calls that a provider is away; a shared breaker would
cost each call a look into the database, and would have to be right about networks that are not its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pilar.clocks import Clock
from pilar.errors import CircuitOpen


class State(StrEnum):
    """What a breaker lets through: everything, nothing, or the one call that finds out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Rule:
    """When a breaker opens and for how long.

    Attributes:
        failures: so many in a row open it, if they lie within
        within: this span; older ones are forgotten.
        rest: how long nobody is let through, doubled each time the probe fails, up to
        longest_rest: this.
        probe: how long the probe is waited for; one that says nothing by then has died, and another is let through.
    """

    failures: int = 5
    within: timedelta = timedelta(minutes=1)
    rest: timedelta = timedelta(seconds=10)
    longest_rest: timedelta = timedelta(minutes=2)
    probe: timedelta = timedelta(minutes=1)


@dataclass(frozen=True)
class Seen:
    """A breaker as it stands, for the status page.

    Attributes:
        name: whom it is about.
        state: what it lets through.
        failures: in a row, up to now.
        since: when it opened; None while it is closed.
        retry_at: when the next call may be let through; None while it is closed.
    """

    name: str
    state: State
    failures: int
    since: datetime | None
    retry_at: datetime | None


class Breaker:
    """The breaker for one other side. Safe to share between threads."""

    def __init__(self, name: str, clock: Clock, rule: Rule | None = None) -> None:
        """Take whom it is about, and real time."""
        self.name = name
        self._clock = clock
        self._rule = rule or Rule()
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._failed_at: list[datetime] = []
        self._rest = self._rule.rest
        self._since: datetime | None = None
        self._retry_at: datetime | None = None
        # Grows with each change of state: what a call from before it has to say is no news any more.
        self._term = 0

    def enter(self) -> int:
        """Ask to be let through; the answer goes into `succeeded`, `failed` or `abandoned`, one of which must follow.

        Raises:
            CircuitOpen: not now; nothing was asked of the other side.
        """
        with self._lock:
            self._refuse_unless_due()
            if self._state is not State.CLOSED:
                # Told apart from a closed one by its time: should this probe die, the next may go after it.
                self._change(State.HALF_OPEN, self._clock.now() + self._rule.probe)
            return self._term

    def check(self) -> None:
        """Raise `CircuitOpen` where a call would not be let through just now; the probe is left to the call itself."""
        with self._lock:
            self._refuse_unless_due()

    def succeeded(self, term: int) -> None:
        """The other side answered, be it with a refusal."""
        with self._lock:
            if term != self._term:
                return
            self._failed_at.clear()
            if self._state is not State.CLOSED:
                self._rest, self._since = self._rule.rest, None
                self._change(State.CLOSED, None)

    def failed(self, term: int) -> None:
        """The other side did not answer, or not sensibly."""
        with self._lock:
            if term != self._term:
                return
            now = self._clock.now()
            self._failed_at = [at for at in self._failed_at if at > now - self._rule.within] + [now]
            if self._state is State.HALF_OPEN:
                self._rest = min(self._rest * 2, self._rule.longest_rest)
            elif len(self._failed_at) < self._rule.failures:
                return
            self._since = self._since or now
            self._change(State.OPEN, now + self._rest)

    def abandoned(self, term: int) -> None:
        """The call ended without a word about the other side; if it was the probe, the next one may be."""
        with self._lock:
            if term == self._term and self._state is State.HALF_OPEN:
                self._change(State.OPEN, self._clock.now())

    @contextmanager
    def guarding(self, *failures: type[Exception]) -> Iterator[None]:
        """Around one call: those errors mean no answer, any other error says nothing of the other side.

        Raises:
            CircuitOpen: it is not let through.
        """
        term = self.enter()
        try:
            yield
        except failures:
            self.failed(term)
            raise
        except BaseException:
            self.abandoned(term)
            raise
        self.succeeded(term)

    def snapshot(self) -> Seen:
        """What is known now."""
        with self._lock:
            return Seen(self.name, self._state, len(self._failed_at), self._since, self._retry_at)

    def _refuse_unless_due(self) -> None:
        if self._retry_at is None:
            return
        left = self._retry_at - self._clock.now()
        if left <= timedelta(0):
            return
        if self._state is State.HALF_OPEN:
            left = min(left, self._rule.rest)  # the probe says something soon, as a rule
        raise CircuitOpen(f"{self.name} does not answer and is left alone for now.", retry_after=left, name=self.name)

    def _change(self, state: State, retry_at: datetime | None) -> None:
        self._state, self._retry_at = state, retry_at
        self._term += 1


class Breakers:
    """The breakers of one process, by name."""

    def __init__(self, clock: Clock) -> None:
        """Take real time."""
        self._clock = clock
        self._lock = threading.Lock()
        self._by_name: dict[str, Breaker] = {}

    def of(self, name: str, rule: Rule | None = None) -> Breaker:
        """The breaker by that name, made when it is first asked for."""
        with self._lock:
            return self._by_name.setdefault(name, Breaker(name, self._clock, rule))

    def snapshot(self) -> list[Seen]:
        """What is known of each other side, by name."""
        with self._lock:
            known = sorted(self._by_name.items())
        return [breaker.snapshot() for _, breaker in known]
