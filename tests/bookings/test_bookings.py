"""What the calendar promises: a time is taken once, a cause books once, and what was told is what is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.backplane.breaches import find_breaches
from pilar.backplane.facts import Cause
from pilar.bookings import defaults, store
from pilar.bookings.bookings import book, book_first_free, cancel, free_slots
from pilar.bookings.invariants import INVARIANTS
from pilar.bookings.store import Booking
from pilar.database.engine import Scope
from pilar.errors import Conflict, NotFound
from pilar.ids import new_id
from tests.fixtures.studios import OPENED, add_studio
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import START, Bench

NINE = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
"""Tuesday at nine in Amsterdam, the day after `START`."""


@pytest.fixture
def studio(bench: Bench) -> UUID:
    return _studio(bench)


def _studio(bench: Bench, **changes: Any) -> UUID:
    studio = add_studio(bench.database, **changes)
    with bench.database.transaction(Scope.fleet()) as connection:
        defaults.install(connection, studio, OPENED)
    return studio


def _book(bench: Bench, studio: UUID, starts_at: datetime, cause: str, **changes: Any) -> Booking:
    asked: dict[str, Any] = {"source": "rule:trial", "story": Cause.new(), **changes}
    with bench.database.transaction(Scope.fleet()) as connection:
        return book(connection, bench.clocks, studio, "trial-session", new_id(), starts_at, cause=cause, **asked)


def _first(bench: Bench, studio: UUID, cause: str, **changes: Any) -> Booking:
    asked: dict[str, Any] = {"source": "rule:trial", "story": Cause.new(), **changes}
    with bench.database.transaction(Scope.fleet()) as connection:
        return book_first_free(connection, bench.clocks, studio, "trial-session", new_id(), cause=cause, **asked)


def _free(bench: Bench, studio: UUID, *, days: int = 1, limit: int = 100, start: datetime = NINE) -> list[datetime]:
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        found = free_slots(connection, studio, "trial-session", start=start, days=days, limit=limit)
    return [slot.starts_at for slot in found]


def _events(bench: Bench) -> list[Any]:
    return bench.rows("select type, payload from autopilot_event order by position")


def test_what_is_booked_is_free_no_more_with_its_buffer_and_is_told(bench: Bench, studio: UUID) -> None:
    assert _free(bench, studio, limit=3) == [NINE, NINE + timedelta(minutes=30), NINE + timedelta(hours=1)]
    made = _book(bench, studio, NINE, "a")
    assert (made.ends_at - NINE, made.busy_until - NINE) == (timedelta(minutes=45), timedelta(hours=1))
    assert _free(bench, studio, limit=2) == [NINE + timedelta(hours=1), NINE + timedelta(minutes=90)]
    assert _events(bench) == [("booking.made", {"booking_id": str(made.id), "lead_id": str(made.lead_id)})]
    assert bench.rows("select source, state from booking") == [("rule:trial", "booked")]


def test_a_cause_books_once_however_often_it_is_told(bench: Bench, studio: UUID) -> None:
    made = _book(bench, studio, NINE, "a")
    assert _book(bench, studio, NINE, "a") == made
    assert _book(bench, studio, NINE + timedelta(hours=3), "a") == made
    assert _first(bench, studio, "a") == made
    assert len(_events(bench)) == 1


@pytest.mark.parametrize(
    ("starts_at", "says"),
    [
        (NINE + timedelta(minutes=30), "not free"),  # the buffer of what is booked at nine
        (NINE - timedelta(hours=1), "not free"),  # closed
        (NINE + timedelta(hours=2, minutes=1), "not free"),  # no slot begins there
        (NINE + timedelta(days=5), "not free"),  # Sunday
        (START - timedelta(minutes=30), "over"),
    ],
)
def test_a_time_that_is_not_free_is_refused(bench: Bench, studio: UUID, starts_at: datetime, says: str) -> None:
    _book(bench, studio, NINE, "a")
    with pytest.raises(Conflict, match=says):
        _book(bench, studio, starts_at, "b")


def test_what_is_cancelled_is_free_again_and_told_once(bench: Bench, studio: UUID) -> None:
    made = _book(bench, studio, NINE, "a")
    for _ in range(2):
        with bench.database.transaction(Scope.fleet()) as connection:
            gone = cancel(connection, bench.clocks, studio, made.id, story=Cause.new())
        bench.business.advance(timedelta(minutes=1))
    assert (gone.state, gone.cancelled_at) == ("cancelled", START)
    assert [row[0] for row in _events(bench)] == ["booking.made", "booking.cancelled"]
    assert _book(bench, studio, NINE, "a") == gone  # that cause has had its booking
    assert _book(bench, studio, NINE, "b").starts_at == NINE
    with bench.database.transaction(Scope.fleet()) as connection, pytest.raises(NotFound):
        cancel(connection, bench.clocks, studio, new_id(), story=Cause.new())


def test_the_first_free_time_is_from_now_on_or_from_when_it_is_wanted(bench: Bench, studio: UUID) -> None:
    assert _first(bench, studio, "a").starts_at == START  # Monday, ten in Amsterdam
    assert _first(bench, studio, "b").starts_at == START + timedelta(hours=1)
    assert _first(bench, studio, "c", not_before=NINE).starts_at == NINE
    assert _first(bench, studio, "d", not_before=NINE - timedelta(days=30)).starts_at == START + timedelta(hours=2)
    with pytest.raises(Conflict, match="within 1 days"):
        _first(bench, studio, "e", not_before=NINE + timedelta(days=4, hours=12), days=1)  # Saturday evening


def test_a_studio_is_booked_in_its_own_time_zone_and_by_itself(bench: Bench, studio: UUID) -> None:
    elsewhere = _studio(bench, time_zone="America/New_York", country="US")
    _book(bench, studio, NINE, "a")
    assert _free(bench, elsewhere, limit=1) == [datetime(2026, 3, 3, 14, 0, tzinfo=UTC)]
    assert _first(bench, elsewhere, "a", not_before=NINE).starts_at == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)


def test_what_is_open_past_midnight_can_be_booked_after_midnight(bench: Bench, studio: UUID) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("delete from booking_opening_hours"))
        connection.execute(
            text("insert into booking_opening_hours values (:studio, 1, '22:00', '02:00')"), {"studio": studio}
        )
    midnight = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)  # in Amsterdam, from Monday to Tuesday
    assert _free(bench, studio, start=midnight, limit=1) == [midnight]
    assert _book(bench, studio, midnight, "a").starts_at == midnight


def test_time_is_kept_free_before_a_booking_too_and_both_ways(bench: Bench, studio: UUID) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(
            text("update booking_event_type set buffer_before_minutes = 30 where slug = 'trial-session'")
        )
    made = _book(bench, studio, NINE + timedelta(hours=2), "a")
    assert made.busy_from == NINE + timedelta(minutes=90)
    # 11:00 to 11:45 is booked, 10:30 to 12:00 is busy; what follows wants half an hour of its own before it.
    free = _free(bench, studio, limit=4)
    assert free == [NINE, NINE + timedelta(minutes=30), NINE + timedelta(minutes=210), NINE + timedelta(minutes=240)]
    for near in (timedelta(hours=1), timedelta(minutes=180)):
        with pytest.raises(Conflict, match="not free"):
            _book(bench, studio, NINE + near, "b")
    _all_promises_hold(bench)


def test_the_table_itself_refuses_a_second_booking_and_spares_other_studios(bench: Bench, studio: UUID) -> None:
    made = _book(bench, studio, NINE, "a")
    late = replace(
        made, id=new_id(), cause="b", starts_at=NINE + timedelta(minutes=50), ends_at=NINE + timedelta(hours=2)
    )
    late = replace(late, busy_from=late.starts_at, busy_until=late.ends_at)
    with bench.database.transaction(Scope.fleet()) as connection:
        with pytest.raises(Conflict, match="not free"):
            store.add_booking(connection, late)
        # The transaction goes on, and what touches is no overlap.
        store.add_booking(connection, replace(late, starts_at=made.busy_until, busy_from=made.busy_until))
    elsewhere = _studio(bench)
    kind = bench.one(f"select id from booking_event_type where workspace_id = '{elsewhere}' limit 1")
    with bench.database.transaction(Scope.fleet()) as connection:
        store.add_booking(connection, replace(made, workspace_id=elsewhere, event_type_id=kind))
    assert bench.one("select count(*) from booking") == 3


def test_what_can_not_be_booked_is_not_found(bench: Bench, studio: UUID) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update booking_event_type set active = false where slug = 'trial-session'"))
    for work in (
        lambda: _free(bench, studio),
        lambda: _book(bench, studio, NINE, "a"),
        lambda: _first(bench, studio, "a"),
    ):
        with pytest.raises(NotFound, match="trial-session"):
            work()


def test_of_many_who_want_the_same_time_one_gets_it(bench: Bench, studio: UUID) -> None:
    def attempt(number: int) -> str:
        try:
            _book(bench, studio, NINE, f"cause {number}")
        except Conflict:
            return "refused"
        return "booked"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == ["booked"] + ["refused"] * 7
    assert len(_events(bench)) == 1


def test_many_at_once_get_a_time_each_and_the_same_cause_gets_one(bench: Bench, studio: UUID) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: _first(bench, studio, f"cause {number // 2}"), range(16)))
    assert sorted({booking.starts_at for booking in made}) == [START + timedelta(hours=n) for n in range(8)]
    assert len({booking.id for booking in made}) == len(_events(bench)) == 8
    _all_promises_hold(bench)


@pytest.mark.parametrize("after_commit", [False, True])
def test_who_is_killed_at_the_commit_and_tries_again_has_booked_once(
    bench: Bench, studio: UUID, after_commit: bool
) -> None:
    mortal = MortalDatabase(bench.database.url, dies_at=1, after_commit=after_commit)
    dying = Bench(mortal, bench.business, bench.real)
    with pytest.raises(Killed):
        _book(dying, studio, NINE, "a")
    mortal.close()
    assert len(_events(bench)) == after_commit
    _book(bench, studio, NINE, "a")
    assert bench.one("select count(*) from booking") == len(_events(bench)) == 1


def _all_promises_hold(bench: Bench) -> None:
    for invariant in INVARIANTS:
        with bench.database.transaction(Scope.fleet()) as connection:
            assert find_breaches(connection, bench.clocks, invariant).rows == (), invariant.name


@pytest.mark.parametrize(
    ("name", "breach"),
    [
        # Pushed under the second of three, so that the two that overlap don't start one after the other.
        (
            "no_two_bookings_overlap",
            # The table refuses it: what a restored or hand-made row may have got around is what the promise watches.
            """alter table booking drop constraint booking_not_twice;
               update booking set busy_until = busy_until + interval '90 minutes' where cause = 'a'""",
        ),
        ("bookings_are_whole", "update booking set cancelled_at = created_at where cause = 'a'"),
        ("bookings_are_whole", "update booking set ends_at = starts_at where cause = 'b'"),
    ],
)
def test_a_broken_promise_is_seen(bench: Bench, studio: UUID, name: str, breach: str) -> None:
    for cause in "abc":
        _first(bench, studio, cause, not_before=NINE)
    _all_promises_hold(bench)
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("reset role")
        for statement in breach.split(";"):
            connection.execute(text(statement))
        (invariant,) = (invariant for invariant in INVARIANTS if invariant.name == name)
        assert find_breaches(connection, bench.clocks, invariant).count > 0
