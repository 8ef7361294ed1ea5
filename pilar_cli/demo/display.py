"""Progress while the demonstration runs. What belongs here: bars at a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

BARS = 12
"""More studios than that share one bar."""


_CLOCK = "business time"


class Display:
    """Tells how it goes; safe to be used from several threads. Bars are shown where the output is a terminal."""

    def __init__(self, *, to_stderr: bool) -> None:
        self._console = Console(stderr=to_stderr, soft_wrap=True, highlight=False)
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._told: set[str] = set()
        self._progress: Progress | None = None
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description:<30}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[where]}"),
                console=self._console,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress:
            self._progress.stop()

    def say(self, text: str) -> None:
        """One line."""
        with self._lock:
            self._console.print(text, markup=False)

    def advance(self, studios: Mapping[str, tuple[int, int, str]]) -> None:
        """How far each studio is: steps done, steps in all, and in words where it is."""
        with self._lock:
            if self._progress is None:
                self._tell_finished(studios)
                return
            shown: Mapping[str, tuple[int, int, str]] = studios
            if len(studios) > BARS:
                done = sum(_is_done(one) for one in studios.values())
                shown = {"studios active": (done, len(studios), "")}
            for name, (done, total, where) in shown.items():
                if name not in self._bars:
                    self._bars[name] = self._progress.add_task(name, total=total or None, where=where)
                self._progress.update(self._bars[name], completed=done, total=total or None, where=where)

    def moment(self, text: str) -> None:
        """What time it is in the story; shown where there are bars."""
        with self._lock:
            if self._progress is None:
                return
            if _CLOCK not in self._bars:
                self._bars[_CLOCK] = self._progress.add_task(_CLOCK, total=None, where=text)
            self._progress.update(self._bars[_CLOCK], where=text)

    def clear(self) -> None:
        """Take the bars away."""
        with self._lock:
            if self._progress:
                for bar in self._bars.values():
                    self._progress.remove_task(bar)
                self._bars.clear()

    def _tell_finished(self, studios: Mapping[str, tuple[int, int, str]]) -> None:
        finished = [name for name, far in studios.items() if _is_done(far) and name not in self._told]
        for name in finished:
            self._told.add(name)
            self._console.print(f"  {name} is active ({len(self._told)} of {len(studios)})", markup=False)


def _is_done(far: tuple[int, int, str]) -> bool:
    done, total, _ = far
    return total > 0 and done == total
