"""Work that is done in groups: the same promises as one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from pilar.backplane.handlers import ALONE, Outside, Result, Snooze, Transactional, Work
from pilar.backplane.pace import LEAST, LEAST_TOGETHER, Pace
from pilar.errors import Permanent, Transient
from tests.fixtures.work import START, Bench, Chore


def test_what_runs_outside_in_groups_is_answered_for_piece_by_piece(bench: Bench) -> None:
    groups: list[list[str]] = []

    def together(works: Sequence[Work[Chore]]) -> list[Result | Exception]:
        groups.append([work.content.name for work in works])
        told: dict[str, Result | Exception] = {
            "refused": Permanent("no"),
            "later": Transient("not now"),
            "asleep": Snooze(bench.drain().lease),
        }
        return [told.get(work.content.name, {"name": work.content.name}) for work in works]

    def alone(work: Work[Chore]) -> Result:
        raise AssertionError("nothing is done alone here")

    bench.registry.on_job(Chore, Outside(alone, together=together, at_once=3))
    bench.ask("one", "refused", "later", "asleep", "two")
    bench.run()
    assert [len(group) for group in groups] == [3, 2]
    assert bench.rows("select outcome, count(*) from queue_log group by 1 order by 1") == [
        *(("dead", 1), ("done", 2), ("retry", 1), ("snoozed", 1))
    ]
    assert bench.one("select count(*) from scheduled") == 2
    assert bench.one("select count(*) from dead_letter") == 1


def test_a_group_that_fails_outside_fails_for_each_of_its_pieces(bench: Bench) -> None:
    def together(_works: Sequence[Work[Chore]]) -> list[Result | Exception]:
        raise Transient("the database was away")

    bench.registry.on_job(Chore, Outside(lambda work: None, together=together))
    bench.ask("one", "two")
    bench.run()
    assert bench.rows("select outcome, attempts from queue_log") == [("retry", 1), ("retry", 1)]


def test_a_bad_piece_of_a_group_in_the_batch_fails_alone(bench: Bench) -> None:
    """What the group did is undone, and done again one by one; the neighbours are done once."""

    def note(connection: Connection, name: str) -> None:
        values = {"name": name, "now": START}
        statement = "insert into send_bucket (subject, due_at, strikes) values (:name, :now, 0)"
        connection.execute(text(statement), values)

    def together(connection: Connection, works: Sequence[Work[Chore]]) -> list[Result]:
        for work in works:
            note(connection, work.content.name)
        if any(work.content.name == "bad" for work in works):
            connection.execute(text("select 1 / 0"))
        return [{"together": True} for _ in works]

    def alone(connection: Connection, work: Work[Chore]) -> dict[str, Any]:
        if work.content.name == "bad":
            raise Permanent("no")
        note(connection, work.content.name)
        return {"together": False}

    bench.registry.on_job(Chore, Transactional(alone, together=together))
    bench.ask("good", "fine")
    bench.run()
    bench.ask("better", "bad", "best")
    bench.run()
    assert sorted(bench.rows("select subject from send_bucket")) == [("best",), ("better",), ("fine",), ("good",)]
    assert bench.rows("select outcome, result ->> 'together', count(*) from queue_log group by 1, 2 order by 1, 2") == [
        *(("dead", None, 1), ("done", "false", 2), ("done", "true", 2))
    ]


def test_what_a_group_leaves_is_done_alone_after_it_and_the_group_stays(bench: Bench) -> None:
    def together(_connection: Connection, works: Sequence[Work[Chore]]) -> list[Any]:
        return [ALONE if work.content.name in ("left", "bad") else {"together": True} for work in works]

    def alone(_connection: Connection, work: Work[Chore]) -> dict[str, Any]:
        if work.content.name == "bad":
            raise Permanent("no")
        return {"together": False}

    bench.registry.on_job(Chore, Transactional(alone, together=together))
    bench.ask("one", "left", "bad", "two")
    bench.run()
    assert bench.rows("select outcome, result ->> 'together', count(*) from queue_log group by 1, 2 order by 1, 2") == [
        *(("dead", None, 1), ("done", "false", 1), ("done", "true", 2))
    ]


def test_what_is_done_together_is_not_taken_in_handfuls_however_slow_the_machine() -> None:
    pace = Pace(500)
    for _ in range(20):
        pace.learn(pace.batch, 0.4, together=pace.batch)
    assert pace.batch == LEAST_TOGETHER
    for _ in range(20):
        pace.learn(pace.batch, 0.4)
    assert pace.batch == LEAST
