"""Pauses by type, lane and workspace: nothing begins while one lasts, everything goes on after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pilar.backplane.facts import Lane
from pilar.backplane.pauses import Dimension, Pause, list_pauses, pause, resume
from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.ids import new_id
from tests.fixtures.work import START, Bench

STUDIO = UUID("01900000-0000-7000-8000-000000000001")
HOUR = timedelta(hours=1)
SUBJECTS: list[tuple[Dimension, str]] = [
    ("type", "test.chore"),
    ("lane", "default"),
    ("workspace", str(STUDIO).upper()),
]


def _pause(bench: Bench, dimension: Dimension, subject: str, until: datetime | None = None, **options: Any) -> Pause:
    options = {"actor": "admin:anna", "reason": "the provider is ill", **options}
    with bench.database.transaction(Scope.fleet()) as connection:
        return pause(connection, dimension, subject, until=until, now=bench.real.now(), **options)


def _resume(bench: Bench, dimension: Dimension, subject: str) -> bool:
    with bench.database.transaction(Scope.fleet()) as connection:
        return resume(connection, dimension, subject, actor="admin:anna", now=bench.real.now())


def _list(bench: Bench) -> list[Pause]:
    with bench.database.transaction(Scope.fleet()) as connection:
        return list_pauses(connection, bench.real.now())


@pytest.mark.parametrize(("dimension", "subject"), SUBJECTS)
def test_nothing_begins_under_a_pause_and_all_of_it_goes_on_in_order_after(
    bench: Bench, dimension: Dimension, subject: str
) -> None:
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    made = _pause(bench, dimension, subject)
    bench.ask("a", "b", "c", workspace_id=STUDIO)
    for _ in range(3):
        bench.run()
    assert done == []
    assert _list(bench) == [made]
    assert _resume(bench, dimension, subject)
    assert not _resume(bench, dimension, subject), "twice is once"
    for _ in range(3):
        bench.run()
    assert done == ["a", "b", "c"]
    assert _list(bench) == []
    owner = STUDIO if dimension == "workspace" else None
    assert bench.rows("select actor, action, workspace_id from audit_log order by position") == [
        ("admin:anna", "queue.paused", owner),
        ("admin:anna", "queue.resumed", owner),
    ]


@pytest.mark.parametrize(("dimension", "subject"), SUBJECTS)
def test_a_pause_with_an_end_ends_by_itself(bench: Bench, dimension: Dimension, subject: str) -> None:
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    _pause(bench, dimension, subject, START + HOUR)
    bench.ask("a", workspace_id=STUDIO)
    bench.run()
    bench.real.advance(HOUR)
    for _ in range(2):
        bench.run()
    assert done == ["a"]
    assert _list(bench) == []
    assert not _resume(bench, dimension, subject), "it is over"


def test_others_go_on(bench: Bench) -> None:
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    _pause(bench, "workspace", str(STUDIO))
    _pause(bench, "lane", "bulk")
    _pause(bench, "type", "test.other")
    bench.ask("paused", workspace_id=STUDIO)
    bench.ask("bulk", lane=Lane.BULK)
    bench.ask("other", workspace_id=new_id())
    bench.run()
    bench.run(lane=Lane.BULK)
    assert done == ["other"]


def test_pausing_again_is_one_pause_with_the_newest_reason(bench: Bench) -> None:
    _pause(bench, "lane", "bulk")
    again = _pause(bench, "lane", "bulk", START + HOUR, reason=" a deploy ")
    assert again.reason == "a deploy"
    assert _list(bench) == [again]


@pytest.mark.parametrize(
    ("dimension", "subject", "options"),
    [
        ("lane", "express", {}),
        ("workspace", "studio", {}),
        ("type", " ", {}),
        ("colour", "red", {}),
        ("lane", "bulk", {"reason": " "}),
        ("lane", "bulk", {"until": START}),
    ],
)
def test_what_cannot_be_paused_is_refused(bench: Bench, dimension: Any, subject: str, options: Any) -> None:
    with pytest.raises(Invalid):
        _pause(bench, dimension, subject, **options)
    assert _list(bench) == []
