"""The picture of a goal: the same values give the same picture, and whatever was written has room."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pilar.coach.chart import painted

pytest.importorskip("PIL")


def chart(**changes: Any) -> dict[str, Any]:
    step = {"description": "x" * 200, "target_date": "2027-04-01", "done": True}
    values = {"goal": "Tien kilometer", "progress": 40, "deadline": "2027-06-01", "studio": "Noord", "language": "nl"}
    return {**values, "milestones": [step] * 2, **changes}


def size_and_green(picture: bytes) -> tuple[tuple[int, int], int]:
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return image.size, sum(1 for x in range(image.width) if image.getpixel((x, image.height // 2)) == (31, 122, 77))


def test_more_progress_is_a_longer_bar() -> None:
    assert painted(chart()) == painted(chart())
    lengths = []
    for progress in (0, 1, 40, 100):
        size, green = size_and_green(painted(chart(progress=progress, milestones=[], deadline=None)))
        lengths.append(green)
        assert size[0] == 1000
    assert lengths == sorted(lengths) and lengths[0] == 0 and lengths[-1] > 2 * lengths[-2]


@pytest.mark.parametrize("words", ["", "w" * 200, "été größer é " * 15, "a\nb"])
def test_whatever_was_written_has_room(words: str) -> None:
    many = [{"description": words, "target_date": "2027-04-01", "done": False}] * 20
    picture = painted(chart(goal=words, studio=words, milestones=many))
    size, _ = size_and_green(picture)
    assert size[1] < 900 and len(picture) < 200_000
