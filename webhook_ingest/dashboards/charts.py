"""Pictures of numbers as SVG. What belongs here: where things stand in the picture; pure. Templates draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 560.0, 160.0
_FILLED = 0.36
"""Share of a day's width that one of its two bars takes."""
_LINE_WIDTH, _MARGIN = 320.0, 24.0
_COLUMN = 72.0
"""Height of a histogram's highest column."""
_TINY = 1e-6
"""Bounds are rounded powers of ten."""


@dataclass(frozen=True)
class Bar:
    """A bar: where it stands in the picture, which of a day's two it is, and its day's number."""

    x: float
    y: float
    width: float
    height: float
    series: int
    group: int


@dataclass(frozen=True)
class Bars:
    """A chart of two bars per day; `top` is the value that its height stands for."""

    width: float
    height: float
    top: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Interval:
    """An interval on a line: where zero, its ends and its middle stand, of `width`."""

    width: float
    zero: float
    low: float
    middle: float
    high: float


def bars(values: Sequence[tuple[int, int]]) -> Bars:
    """A chart of pairs, from left to right."""
    top = _round_up(max((max(pair) for pair in values), default=0))
    slot = _WIDTH / max(len(values), 1)
    drawn = []
    for group, pair in enumerate(values):
        for series, value in enumerate(pair):
            height = round(_HEIGHT * value / top, 1)
            x = slot * (group + 0.5 + (series - 1) * _FILLED)
            drawn.append(Bar(round(x, 1), round(_HEIGHT - height, 1), round(slot * _FILLED, 1), height, series, group))
    return Bars(_WIDTH, _HEIGHT, top, tuple(drawn))


@dataclass(frozen=True)
class Piece:
    """A part of a stacked bar: where it stands, which series it is of, and its bar's number."""

    x: float
    y: float
    width: float
    height: float
    series: int
    group: int


@dataclass(frozen=True)
class Stacks:
    """A chart of bars upon each other; `top` is the value that its height stands for."""

    width: float
    height: float
    top: float
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Tick:
    """A place on an axis: the value that it stands for, and which side of its words is there."""

    x: float
    value: float
    anchor: str


@dataclass(frozen=True)
class Columns:
    """A histogram over a logarithmic axis: a column per bucket with its number, ticks, and where marks stand."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[float, ...]


def stacks(values: Sequence[tuple[float, ...]]) -> Stacks:
    """A chart of stacked bars, from left to right; what is nothing is left out."""
    top = _top(max((sum(one) for one in values), default=0.0))
    slot = _WIDTH / max(len(values), 1)
    pieces = []
    for group, one in enumerate(values):
        below = 0.0
        for series, value in enumerate(one):
            if value > 0:
                height = max(_HEIGHT * value / top, 1.0)
                x, y = slot * (group + 0.1), _HEIGHT - _HEIGHT * below / top - height
                pieces.append(Piece(round(x, 1), round(y, 1), round(slot * 0.8, 1), round(height, 1), series, group))
                below += value
    return Stacks(_WIDTH, _HEIGHT, top, tuple(pieces))


def decades(bounds: Sequence[float], counts: Sequence[Sequence[int]]) -> tuple[int, int]:
    """The powers of ten between which all these histograms lie: three apart at least, within the bounds.

    Args:
        bounds: the upper ends of their buckets; one more bucket holds what is larger.
        counts: of each, by bucket.
    """
    least, most = math.floor(math.log10(bounds[0]) + _TINY), math.ceil(math.log10(bounds[-1]) - _TINY)
    used = [bucket for one in counts for bucket, count in enumerate(one) if count]
    if not used:
        return least, least + 3
    low = math.floor(math.log10(bounds[max(min(used) - 1, 0)]) + _TINY)
    high = math.ceil(math.log10(bounds[min(max(used), len(bounds) - 1)]) - _TINY)
    low = max(min(low, most - 3), least)
    return low, min(max(high, low + 3), most)


def columns(
    bounds: Sequence[float], counts: Sequence[int], between: tuple[int, int], marks: Sequence[float]
) -> Columns:
    """A histogram.

    Args:
        bounds: the upper ends of the buckets.
        counts: how many, by bucket; the first lies below the axis' begin at worst, the last above its end.
        between: the powers of ten that the axis goes from and to.
        marks: values to be marked on the axis.
    """
    low, high = between

    def place(value: float) -> float:
        share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return round(_LINE_WIDTH * min(max(share, 0.0), 1.0), 1)

    most = max(*counts, 1)
    drawn = []
    for bucket, count in enumerate(counts):
        if not count:
            continue
        begin = place(bounds[bucket - 1]) if bucket else 0.0
        end = place(bounds[bucket]) if bucket < len(bounds) else _LINE_WIDTH
        width = max(end - begin, 3.0)
        begin = min(begin, _LINE_WIDTH - width)
        height = round(max(_COLUMN * count / most, 1.5), 1)
        drawn.append(Bar(round(begin, 1), round(_COLUMN - height, 1), round(width - 1, 1), height, 0, bucket))
    step = 1 if high - low <= 4 else 2
    ticks = [
        Tick(place(10.0**power), 10.0**power, {low: "start", high: "end"}.get(power, "middle"))
        for power in range(low, high + 1, step)
    ]
    return Columns(_LINE_WIDTH, _COLUMN, tuple(drawn), tuple(ticks), tuple(place(mark) for mark in marks))


def intervals(wanted: Sequence[tuple[float | None, float | None, float | None]]) -> list[Interval | None]:
    """Lows, middles and highs on lines of one scale, so that they can be compared; None where something is missing."""
    whole = [one if None not in one else None for one in wanted]
    ends = [0.0, *(end for one in whole if one for end in one if end is not None)]
    least, span = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: float) -> float:
        return round(_MARGIN + (_LINE_WIDTH - 2 * _MARGIN) * (value - least) / span, 1)

    return [
        Interval(_LINE_WIDTH, place(0.0), *(place(end) for end in one if end is not None)) if one else None
        for one in whole
    ]


def _top(value: float) -> float:
    """The next of 1, 2, 5, 10, … or of its tenths that is not less; of what is nothing 1."""
    if value <= 0:
        return 1.0
    return _round_up(math.ceil(value)) if value > 1 else next(step for step in (0.1, 0.2, 0.5, 1.0) if value <= step)


def _round_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, … that is not less."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if value <= step * power:
                return step * power
        power *= 10
