"""The programs that are measured, as processes of their own. What belongs here: starting, hearing and ending them.

Each side is a program that is told what to do on its command line and answers in lines of JSON. A worker reports how
many pieces it has handled, when the first and when the last, some times a second, and ends when its standard input is
closed: so it ends too when whoever started it is killed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

_ENDS_WITHIN = 60.0
_TAIL = 1_500


class Failed(RuntimeError):
    """A program did not do what it was asked; the message holds its last words."""


@dataclass
class Heard:
    """What a worker has said.

    Attributes:
        handled: how many pieces it had handled when it spoke last.
        since: how many it had handled when it first spoke, and when it had handled the last one of these.
        last: when it had handled the last one of all.
        waits: seconds from sending to handling of each dated piece; told at its end.
    """

    handled: int = 0
    since: tuple[int, float] = (0, 0.0)
    last: float = 0.0
    waits: list[float] = field(default_factory=list)

    def take(self, said: Mapping[str, Any]) -> None:
        """Take note of a line."""
        if not self.handled:
            # Where it speaks but once, all it can tell is the time between its first piece and its last.
            self.since = (0, said["first"])
        elif not self.since[0] and said["handled"] > self.handled:
            self.since = (self.handled, self.last)
        self.handled, self.last = said["handled"], said["last"]
        self.waits = said.get("waits", self.waits)


@dataclass
class Workers:
    """Some equal workers at work."""

    programs: list[subprocess.Popen[str]]
    words: list[Any]
    """Files that hold what they said on standard error."""
    heard: list[Heard]
    _lines: queue.SimpleQueue[tuple[int, str]] = field(default_factory=queue.SimpleQueue)

    @property
    def handled(self) -> int:
        """How many pieces they have handled in all, as far as they have told."""
        return sum(one.handled for one in self.heard)

    @property
    def rate(self) -> float:
        """Pieces per second, between the moment when each had first told of some and the end.

        Handlers are called in bursts, with the queue's own work between them: from one burst's end to another's is
        what a piece costs. From the first piece to the last would leave out the first claim, and be the kinder the
        larger a side's batches are.
        """
        working = [one for one in self.heard if one.handled]
        if not working:
            return 0.0
        took = max(one.last for one in working) - min(one.since[1] for one in working)
        return sum(one.handled - one.since[0] for one in working) / took if took > 0 else 0.0

    def wait_for(self, total: int, within: float) -> None:
        """Wait until they have handled so many in all.

        Raises:
            Failed: one of them ended, or it took too long.
        """
        deadline = time.monotonic() + within
        while self.handled < total:
            try:
                number, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self.handled} of {total} were handled within {within:.0f} s.{self._said()}") from None
            if not line:
                raise Failed(f"A worker ended before its time.{self._said()}")
            self.heard[number].take(json.loads(line))

    def finish(self) -> None:
        """Have them end, and hear what they still have to say.

        Raises:
            Failed: one of them does not end, or ended badly.
        """
        for program in self.programs:
            if program.stdin:
                program.stdin.close()
        running = len(self.programs)
        deadline = time.monotonic() + _ENDS_WITHIN
        while running:
            try:
                number, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"A worker does not end.{self._said()}") from None
            if line:
                self.heard[number].take(json.loads(line))
            else:
                running -= 1
        for program in self.programs:
            if program.wait(_ENDS_WITHIN) != 0:
                raise Failed(f"A worker ended with {program.returncode}.{self._said()}")

    def listen(self, number: int) -> None:
        """Pass on what one of them says; an empty line is its end."""
        output = self.programs[number].stdout
        for line in output or ():
            self._lines.put((number, line))
        self._lines.put((number, ""))

    def _said(self) -> str:
        return "".join(last_words(words) for words in self.words)


@contextmanager
def workers(command: Sequence[str], environment: Mapping[str, str], count: int) -> Iterator[Workers]:
    """Start so many workers; those that still run when the block ends are killed."""
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        programs = []
        for words in files:
            program = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                env={**os.environ, **environment},
            )
            stack.callback(_end, program)
            programs.append(program)
        started = Workers(programs, files, [Heard() for _ in programs])
        for number in range(count):
            threading.Thread(target=started.listen, args=(number,), daemon=True).start()
        yield started


def call(command: Sequence[str], environment: Mapping[str, str], within: float) -> dict[str, Any]:
    """Run a program to its end and return the last line it printed.

    Raises:
        Failed: it failed, took too long, or printed nothing.
    """
    with tempfile.TemporaryFile("w+") as words:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                env={**os.environ, **environment},
                timeout=within,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[-2]} took longer than {within:.0f} s.{last_words(words)}") from None
        lines = done.stdout.splitlines()
        if done.returncode != 0 or not lines:
            raise Failed(f"It ended with {done.returncode}.{last_words(words)}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def last_words(words: Any) -> str:
    """The end of what a program said on standard error."""
    words.seek(0)
    said = words.read().strip()
    return f" It said: {said[-_TAIL:]}" if said else ""


def _end(program: subprocess.Popen[str]) -> None:
    if program.poll() is None:
        program.kill()
    program.wait()
    for pipe in (program.stdin, program.stdout):
        if pipe:
            pipe.close()
