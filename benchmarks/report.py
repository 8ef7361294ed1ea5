"""Figures beside their bars: what every benchmark prints, and when it fails.

What belongs here: the shape of a figure, its verdict, the options that all benchmarks have in common, the table and
the JSON. What does not: anything that measures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table


class Verdict(StrEnum):
    """What is to be said about a figure."""

    HOLDS = "holds"
    FALLS_SHORT = "falls short"
    MISSING = "not measured"
    NOT_JUDGED = "not judged"
    TOLD = ""
    """It has no bar: it informs."""


@dataclass(frozen=True)
class Bar:
    """What a figure has to reach.

    Attributes:
        value: the bar itself.
        at_most: whether the figure has to stay under it, else it has to be at least that.
        is_goal: whether missing it is only said, and fails nothing.
    """

    value: float
    at_most: bool = False
    is_goal: bool = False

    def is_reached_by(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return value <= self.value if self.at_most else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.value:g}{' (goal)' if self.is_goal else ''}"


@dataclass(frozen=True)
class Figure:
    """A figure, measured once per round, beside its bar.

    Attributes:
        rounds: what each round gave; the figure is their median. Empty: it could not be measured.
        missing: why it could not be measured.
        note: what a reader has to know to understand it.
    """

    name: str
    unit: str
    rounds: tuple[float, ...] = ()
    bar: Bar | None = None
    missing: str = ""
    note: str = ""

    @property
    def value(self) -> float | None:
        """The median of the rounds."""
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def verdict(self) -> Verdict:
        """Whether the bar is reached."""
        if self.value is None:
            return Verdict.MISSING
        if self.bar is None:
            return Verdict.TOLD
        return Verdict.HOLDS if self.bar.is_reached_by(self.value) else Verdict.FALLS_SHORT

    @property
    def fails(self) -> bool:
        """Whether it is a gate that does not hold. A gate that could not be measured does not hold either."""
        is_gate = self.bar is not None and not self.bar.is_goal
        return is_gate and self.verdict in (Verdict.FALLS_SHORT, Verdict.MISSING)


def ratios(upper: Sequence[float], lower: Sequence[float]) -> tuple[float, ...]:
    """One thing's rounds over another's, round by round: what both suffered in a round falls out."""
    return tuple(a / b for a, b in zip(upper, lower, strict=True) if b > 0)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values")
    rank = -int(-len(values) * share // 1)  # rounded up
    return sorted(values)[max(rank, 1) - 1]


@dataclass
class Report:
    """All figures of a run, and what they were measured on.

    Attributes:
        context: versions, cores, settings: what the figures depend on.
        is_judged: False for a smoke run, whose few items say nothing: it shows the bars and fails at none.
    """

    benchmark: str
    context: Mapping[str, Any]
    is_judged: bool = True
    figures: list[Figure] = field(default_factory=list)

    def verdict_on(self, figure: Figure) -> Verdict:
        """A figure's verdict in this run."""
        if figure.verdict in (Verdict.MISSING, Verdict.TOLD) or self.is_judged:
            return figure.verdict
        return Verdict.NOT_JUDGED

    @property
    def exit_code(self) -> int:
        """1 when a gate falls short."""
        return int(self.is_judged and any(figure.fails for figure in self.figures))

    def as_json(self) -> dict[str, Any]:
        """The report as JSON's own types."""
        return {
            "benchmark": self.benchmark,
            "holds": None if not self.is_judged else not self.exit_code,
            "context": dict(self.context),
            "figures": [
                {
                    "name": figure.name,
                    "value": _short(figure.value),
                    "unit": figure.unit,
                    "bar": figure.bar and figure.bar.value,
                    "bar_is": figure.bar and ("at most" if figure.bar.at_most else "at least"),
                    "kind": "figure" if figure.bar is None else "goal" if figure.bar.is_goal else "gate",
                    "verdict": self.verdict_on(figure).value,
                    "rounds": [_short(value) for value in figure.rounds],
                    **({"missing": figure.missing} if figure.missing else {}),
                    **({"note": figure.note} if figure.note else {}),
                }
                for figure in self.figures
            ],
        }

    def show(self, *, as_json: bool) -> None:
        """Print it on standard output."""
        if as_json:
            print(json.dumps(self.as_json(), ensure_ascii=False, indent=1))
            return
        console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
        for name, value in self.context.items():
            told = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, Mapping) else value
            console.print(f"{name}: {told}", soft_wrap=True, markup=False)
        table = Table(box=None, pad_edge=False)
        for heading, side in (("figure", "left"), ("value", "right"), ("", "left"), ("bar", "left"), ("", "left")):
            table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
        for figure in self.figures:
            verdict = self.verdict_on(figure)
            said = f"{verdict}: {figure.missing}" if verdict is Verdict.MISSING and figure.missing else str(verdict)
            value = "" if figure.value is None else _readable(figure.value)
            table.add_row(figure.name, value, figure.unit, str(figure.bar or ""), said)
        console.print(table)


def options(description: str, *, names: Sequence[str], epilog: str | None = None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--quick", action="store_true", help="few items and one round: shows that it runs, and judges nothing"
    )
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument(
        "--scale", type=_scale, default=1.0, metavar="F", help="so many times as many items (0.1: a tenth)"
    )
    return parser


def progress(text: str) -> None:
    """Say what is being done, on standard error."""
    print(text, file=sys.stderr, flush=True)


def _scale(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError("a scale lies between 0 and 100")
    return value


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _readable(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
