"""Pictures of numbers as SVG. What belongs here: where things stand in the picture; pure. Templates draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 560.0, 160.0
_FILLED = 0.36
"""Share of a day's width that one of its two bars takes."""
_LINE_WIDTH, _MARGIN = 320.0, 24.0


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


def _round_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, … that is not less."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if value <= step * power:
                return step * power
        power *= 10
