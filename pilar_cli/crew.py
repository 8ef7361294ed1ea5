"""The programs of one run. What belongs here: starting them at once, watching them, waiting for each from any thread.

What does not: which programs there are (`system.py`), and how one is started and ended (`processes.py`).

Where processors are few, programs that start together are all late: those that people wait for are started first, and
the others once these are ready.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pilar.errors import PilarError, Transient
from pilar_cli.processes import Exit, ProcessSpec, Supervisor

RESTARTS_PER_MINUTE = 8
"""The pauses before so many restarts add up to more than a minute: no program is given up, it is tried less often."""

_LOOK_SECONDS = 0.1


class Interrupted(PilarError):
    """It was stopped before it was done."""


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C, SIGTERM and the terminal's end, in place of what they do otherwise.

    So nothing is torn apart in the midst of starting a program or of stopping one.
    """
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, lambda _number, _frame: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class Crew:
    """The programs of a run.

    Args:
        supervisor: starts and ends them.
        first: the programs to be started first.
        then: those that are started when the first ones are ready.
        stop: ends the watch when it is set.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        first: Sequence[ProcessSpec],
        then: Sequence[ProcessSpec],
        stop: threading.Event,
    ) -> None:
        self._supervisor = supervisor
        self._first = first
        self._then = then
        self._specs = {spec.name: spec for spec in (*first, *then)}
        self._stop = stop
        self._deaths: dict[str, Exit] = {}

    def start(self) -> None:
        """Start the first ones, from the main thread, and wait for none.

        Raises:
            Interrupted: somebody wants to stop.
        """
        for spec in self._first:
            if self._stop.is_set():
                raise Interrupted
            self._supervisor.start(replace(spec, ready=None))

    def go_on(self) -> None:
        """Wait until the first ones are ready and have the others started by the watch; from another thread than that.

        Raises:
            Transient: one was not ready in its time.
            Interrupted: somebody wants to stop.
        """
        self.wait_ready(*(spec.name for spec in self._first))
        for spec in self._then:
            self._supervisor.start_soon(spec)

    def watch(self, report: Callable[[str], None]) -> None:
        """Start again what ends by itself, from the main thread, until the event is set."""
        for exit_ in self._supervisor.watch(self._stop, restarts_per_minute=RESTARTS_PER_MINUTE):
            self._deaths[exit_.name] = exit_
            then = "" if exit_.restarts_in is None else f", and is started again in {exit_.restarts_in:g} s"
            report(f"{exit_.name} ended with code {exit_.code}{then} (log: {self._supervisor.log(exit_.name)}).")

    def wait_ready(self, *names: str) -> None:
        """Wait until these programs are ready; others go on starting meanwhile.

        Raises:
            Transient: one was not ready in its time; the message has its last words.
            Interrupted: somebody wants to stop.
        """
        for name in names:
            spec = self._specs[name]
            deadline = time.monotonic() + spec.ready_timeout
            while spec.ready is not None and not spec.ready():
                if time.monotonic() > deadline:
                    raise Transient(f"{name} was not ready after {spec.ready_timeout:g} s.\n{self._last_words(name)}")
                if self._stop.wait(_LOOK_SECONDS):
                    raise Interrupted

    def wait(self, seconds: float) -> None:
        """Let time pass; raise `Interrupted` when somebody wants to stop meanwhile."""
        if self._stop.wait(seconds):
            raise Interrupted

    def _last_words(self, name: str) -> str:
        death = self._deaths.get(name)
        return death.log_tail if death and death.log_tail else self._supervisor.tail(name)
