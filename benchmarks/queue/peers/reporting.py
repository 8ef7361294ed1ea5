"""How a Python side reports: lines of JSON. What belongs here: the standard library only, since peers run it too.

The same in JavaScript: `reporting.mjs`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_EVERY = 0.1


class Tally:
    """Counts what a worker handles, and tells it some times a second until standard input ends."""

    def __init__(self) -> None:
        self.handled = 0
        self._first = self._last = 0.0
        self._waits: list[float] = []
        self._counting = threading.Lock()
        self._ended = threading.Event()
        self._reporter = threading.Thread(target=self._report, daemon=True)

    def hit(self, sent: float = 0.0) -> None:
        """Count one piece; `sent` is when it was sent, 0 where that does not matter."""
        now = time.time()
        with self._counting:
            if not self.handled:
                self._first = now
            self._last = now
            self.handled += 1
            if sent:
                self._waits.append(now - sent)

    def report_until_told(self, stop: Callable[[], Any]) -> None:
        """Report in a thread, and call `stop` when standard input ends."""
        self._reporter.start()
        threading.Thread(target=self._watch, args=(stop,), daemon=True).start()

    def close(self) -> None:
        """Say the last: called when nothing more will be handled."""
        self._ended.set()
        self._reporter.join()
        answer(**self._state(), waits=self._waits)

    def _state(self) -> dict[str, Any]:
        return {"handled": self.handled, "first": self._first, "last": self._last}

    def _report(self) -> None:
        told = 0
        while not self._ended.wait(_EVERY):
            if self.handled != told:
                told = self.handled
                answer(**self._state())

    def _watch(self, stop: Callable[[], Any]) -> None:
        sys.stdin.read()
        stop()


def answer(**said: Any) -> None:
    """Print a line for whoever started this program."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


class Stopwatch:
    """Times a block and answers how many pieces it was and how long it took."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            answer(count=self._count, seconds=time.perf_counter() - self._began)


def pauses(count: int, pace: float) -> Any:
    """For each of `count` pieces sent at `pace` per second: the seconds to wait until its turn."""
    began = time.perf_counter()
    for number in range(count):
        yield max(0.0, began + number / pace - time.perf_counter())
