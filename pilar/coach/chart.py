"""The picture of a goal. What belongs here: what it shows, as plain values, and painting it; pure.

The values are kept with the message (and erased with it), never the picture: it is painted anew wherever it is shown.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pilar.coach.goals import DONE, Goal

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

_WIDTH = 1000
_MARGIN = 60
_BAR = 56
_ROW = 58
_MOST_STEPS = 6
_INK, _MUTED, _PAPER = "#1c2430", "#5b6675", "#ffffff"
_TRACK, _FILL, _DONE = "#e3e8ef", "#1f7a4d", "#1f7a4d"

_FACE = "NotoSans[wdth,wght].ttf"

_WORDS: Mapping[str, tuple[str, str, str]] = {
    "en": ("Your goal", "by {day}", "and {count} more"),
    "nl": ("Je doel", "uiterlijk {day}", "en nog {count}"),
    "de": ("Dein Ziel", "bis {day}", "und {count} weitere"),
}


def chart_of(goal: Goal, studio: str, language: str) -> dict[str, Any]:
    """What the picture of a goal shows, as JSON may hold it.

    Args:
        goal: with its milestones.
        studio: its name.
        language: of the lead; in English where we don't speak it.
    """
    return {
        "goal": goal.row.target,
        "progress": goal.row.progress,
        "deadline": goal.row.deadline.isoformat() if goal.row.deadline else None,
        "studio": studio,
        "language": language if language in _WORDS else "en",
        "milestones": [
            {
                "description": step.description,
                "target_date": step.target_date.isoformat(),
                "done": step.completed_at is not None,
            }
            for step in goal.milestones
        ],
    }


def painted(chart: Mapping[str, Any]) -> bytes:
    """The picture as PNG; the same values give the same picture.

    Args:
        chart: as `chart_of` gives it.
    """
    from PIL import Image, ImageDraw

    mine, until, more = _WORDS[chart["language"]]
    steps = _shown(chart["milestones"])
    title = _lines(chart["goal"], _font(44), _WIDTH - 2 * _MARGIN, most=2)
    left_out = len(chart["milestones"]) - len(steps)
    height = 190 + 56 * len(title) + _BAR + 50 + _ROW * (len(steps) + bool(left_out)) + 70
    image = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(image)
    top = 50
    head = mine + (f" · {until.format(day=_day(chart['deadline'], chart['language']))}" if chart["deadline"] else "")
    draw.text((_MARGIN, top), head, fill=_MUTED, font=_font(28))
    top += 48
    for line in title:
        draw.text((_MARGIN, top), line, fill=_INK, font=_font(44))
        top += 56
    top = _bar(draw, top + 24, chart["progress"])
    for step in steps:
        _step(draw, top, step, chart["language"])
        top += _ROW
    if left_out:
        draw.text((_MARGIN + 52, top), more.format(count=left_out), fill=_MUTED, font=_font(28))
    studio = _lines(chart["studio"], _font(26), _WIDTH - 2 * _MARGIN, most=1)[0]
    draw.text((_WIDTH - _MARGIN, height - 56), studio, fill=_MUTED, font=_font(26), anchor="ra")
    kept = io.BytesIO()
    image.quantize(64).save(kept, "PNG", optimize=True)
    return kept.getvalue()


def _shown(milestones: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The steps that there is room for: the last that are done, and those to come."""
    coming = next((place for place, one in enumerate(milestones) if not one["done"]), len(milestones))
    start = max(0, min(coming - 2, len(milestones) - _MOST_STEPS))
    return milestones[start : start + _MOST_STEPS]


def _bar(draw: ImageDraw.ImageDraw, top: int, progress: int) -> int:
    """Paint the progress; return where it goes on below."""
    right = _WIDTH - _MARGIN - 150
    draw.rounded_rectangle((_MARGIN, top, right, top + _BAR), _BAR // 2, fill=_TRACK)
    share = min(max(progress, 0), DONE) / DONE
    if share:
        # Never narrower than its round ends.
        end = _MARGIN + max(_BAR, round((right - _MARGIN) * share))
        draw.rounded_rectangle((_MARGIN, top, end, top + _BAR), _BAR // 2, fill=_FILL)
    draw.text((_WIDTH - _MARGIN, top + _BAR // 2), f"{progress} %", fill=_INK, font=_font(48), anchor="rm")
    return top + _BAR + 50


def _step(draw: ImageDraw.ImageDraw, top: int, step: Mapping[str, Any], language: str) -> None:
    box = (_MARGIN, top + 2, _MARGIN + 32, top + 34)
    if step["done"]:
        draw.ellipse(box, fill=_DONE)
        tick = [(_MARGIN + 8, top + 18), (_MARGIN + 14, top + 25), (_MARGIN + 25, top + 11)]
        draw.line(tick, fill=_PAPER, width=4, joint="curve")
    else:
        draw.ellipse(box, outline=_MUTED, width=3)
    day = _day(step["target_date"], language)
    draw.text((_WIDTH - _MARGIN, top + 2), day, fill=_MUTED, font=_font(28), anchor="ra")
    room = _WIDTH - 2 * _MARGIN - 52 - 200
    draw.text(
        (_MARGIN + 52, top + 2), _lines(step["description"], _font(28), room, most=1)[0], fill=_INK, font=_font(28)
    )


def _day(day: str, language: str) -> str:
    found = date.fromisoformat(day)
    return f"{found:%d.%m.%Y}" if language == "de" else f"{found.day}-{found.month}-{found.year}"


def _lines(words: str, font: ImageFont.FreeTypeFont, room: int, *, most: int) -> list[str]:
    """Words in at most so many lines of so many points; what has no room is cut, with dots."""
    lines: list[str] = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= room or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}"
    return [_cut(line, font, room) for line in lines]


def _cut(line: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    if font.getlength(line) <= room:
        return line
    while line and font.getlength(f"{line}…") > room:
        line = line[:-1]
    return f"{line.rstrip()}…"


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Noto Sans: Pillow's own font has no letter with an accent."""
    from fontpkg_noto_sans import ROOT
    from PIL import ImageFont

    return ImageFont.truetype(ROOT / "files" / _FACE, size)
