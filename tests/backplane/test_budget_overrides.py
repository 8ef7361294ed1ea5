"""What an override promises: it stands in place of the limit while it lasts, ends by itself, and is accounted for."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from pilar.backplane import budget_overrides, budgets
from pilar.backplane.budget_overrides import Override
from pilar.database.engine import Scope
from pilar.errors import Invalid, NotFound, OverBudget
from pilar.ids import new_id
from tests.fixtures.work import Bench

HOUR = timedelta(hours=1)


@pytest.fixture
def studio(bench: Bench) -> UUID:
    studio = new_id()
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "messages", "day", 10, "queue")
    return studio


def override(bench: Bench, studio: UUID, amount: int, lasts: timedelta = HOUR, reason: str = "a fair") -> Override:
    with bench.database.transaction(Scope.fleet()) as connection:
        until = bench.business.now() + lasts
        return budget_overrides.override(
            connection, bench.clocks, studio, "messages", "day", amount, until, "admin:1", reason
        )


def fits(bench: Bench, studio: UUID, amount: int) -> bool:
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        try:
            budgets.consume(connection, bench.clocks, studio, "messages", amount)
        except OverBudget:
            return False
        return True


def in_force(bench: Bench, **which: bool) -> list[int]:
    with bench.database.transaction(Scope.fleet()) as connection:
        return [one.amount for one in budget_overrides.list_overrides(connection, bench.clocks, **which)]


def test_it_stands_in_place_of_the_limit_and_ends_by_itself(bench: Bench, studio: UUID) -> None:
    assert fits(bench, studio, 10)
    assert not fits(bench, studio, 1)
    override(bench, studio, 12)
    assert in_force(bench) == [12]
    assert fits(bench, studio, 1)
    bench.business.advance(HOUR)
    assert not fits(bench, studio, 1)
    assert in_force(bench) == []
    assert in_force(bench, in_force=False) == [12]


def test_it_may_be_lower_than_the_limit_and_than_what_is_used(bench: Bench, studio: UUID) -> None:
    assert fits(bench, studio, 5)
    override(bench, studio, 0)
    assert not fits(bench, studio, 1)


def test_it_is_ended_early_once(bench: Bench, studio: UUID) -> None:
    made = override(bench, studio, 100)
    with bench.database.transaction(Scope.fleet()) as connection:
        ended = budget_overrides.end_override(connection, bench.clocks, studio, made.id, actor="admin:2")
        assert (ended.ended_at, ended.ended_by) == (bench.business.now(), "admin:2")
        for other, one in ((studio, made.id), (new_id(), made.id), (studio, new_id())):
            with pytest.raises(NotFound):
                budget_overrides.end_override(connection, bench.clocks, other, one, actor="admin:2")
    assert not fits(bench, studio, 11)


def test_what_is_over_can_not_be_ended(bench: Bench, studio: UUID) -> None:
    made = override(bench, studio, 100)
    bench.business.advance(HOUR)
    with bench.database.transaction(Scope.fleet()) as connection, pytest.raises(NotFound):
        budget_overrides.end_override(connection, bench.clocks, studio, made.id, actor="admin:2")


def test_a_second_one_replaces_the_first_and_one_that_is_over_makes_room(bench: Bench, studio: UUID) -> None:
    override(bench, studio, 100)
    override(bench, studio, 20)
    assert in_force(bench) == [20]
    bench.business.advance(2 * HOUR)
    override(bench, studio, 30)
    assert in_force(bench) == [30]
    with bench.database.transaction(Scope.fleet()) as connection:
        all_of_them = budget_overrides.list_overrides(connection, bench.clocks, workspace_id=studio, in_force=False)
    assert [one.amount for one in all_of_them] == [30, 20, 100]
    assert [one.ended_at and one.ended_at <= one.until for one in all_of_them] == [None, True, True]


def test_it_is_audited(bench: Bench, studio: UUID) -> None:
    made = override(bench, studio, 100)
    with bench.database.transaction(Scope.fleet()) as connection:
        budget_overrides.end_override(connection, bench.clocks, studio, made.id, actor="admin:2")
    told = bench.rows(
        "select actor, action, subject, workspace_id, details ->> 'granted' from audit_log order by position"
    )
    assert told == [
        ("admin:1", "budget.overridden", "budget:messages/day", studio, "10"),
        ("admin:2", "budget.override_ended", "budget:messages/day", studio, None),
    ]


def test_what_can_not_be_one_is_refused(bench: Bench, studio: UUID) -> None:
    for amount, lasts, reason in ((-1, HOUR, "x"), (2**63, HOUR, "x"), (1, timedelta(0), "x"), (1, HOUR, "  ")):
        with pytest.raises(Invalid):
            override(bench, studio, amount, lasts, reason)
    with pytest.raises(NotFound):
        override(bench, new_id(), 1)
    assert in_force(bench, in_force=False) == []


def test_a_studio_sees_its_own_only(bench: Bench, studio: UUID) -> None:
    override(bench, studio, 100)
    for who, seen in ((studio, 1), (new_id(), 0)):
        with bench.database.transaction(Scope.workspace(who)) as connection:
            assert len(budget_overrides.list_overrides(connection, bench.clocks)) == seen
