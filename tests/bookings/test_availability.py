"""What can be booked: inside opening hours, beside what is busy, on every day of the year."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.bookings.availability import Hours, Interval, Slot, free_slots, merged, opening_intervals

AMSTERDAM, NEW_YORK = ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/New_York")
HALF_HOUR, HOUR = timedelta(minutes=30), timedelta(hours=1)
ALL_DAY = [Hours(weekday, time(9), time(17)) for weekday in range(1, 8)]
CHANGES = {
    AMSTERDAM: [date(2026, 3, 29), date(2026, 10, 25)],
    NEW_YORK: [date(2026, 3, 8), date(2026, 11, 1)],
    ZoneInfo("Australia/Lord_Howe"): [date(2026, 4, 5), date(2026, 10, 4)],  # by half an hour
}
"""Where and when the clocks are changed."""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _slots(opening: Sequence[Interval], busy: Sequence[Interval] = (), **changes: Any) -> list[Slot]:
    asked: dict[str, Any] = {
        "duration": timedelta(minutes=45),
        "buffer": timedelta(minutes=15),
        "start": _at("2026-01-01"),
        "end": _at("2027-01-01"),
        **changes,
    }
    return free_slots(opening, busy, **asked)


def test_a_day_is_cut_from_opening_time_on_and_the_last_slot_ends_by_closing_time() -> None:
    opening = opening_intervals([Hours(1, time(9, 15), time(11, 15))], AMSTERDAM, date(2026, 3, 2), 7)
    assert [slot.starts_at for slot in _slots(opening)] == [
        _at("2026-03-02 08:15"),
        _at("2026-03-02 08:45"),
        _at("2026-03-02 09:15"),
    ]
    quarters = _slots(opening, granularity=timedelta(minutes=15))
    assert [slot.starts_at.minute for slot in quarters] == [15, 30, 45, 0, 15, 30]


def test_the_buffer_keeps_its_distance_on_both_sides_and_may_run_past_closing_time() -> None:
    opening = [Interval(_at("2026-03-02 09:00"), _at("2026-03-02 12:00"))]
    busy = [Interval(_at("2026-03-02 10:00"), _at("2026-03-02 10:30"))]
    starts = [slot.starts_at.time() for slot in _slots(opening, busy)]
    assert starts == [time(9), time(10, 30), time(11)]


def test_only_what_starts_within_the_time_asked_for_is_told_and_no_more_than_wanted() -> None:
    opening = opening_intervals(ALL_DAY, ZoneInfo("UTC"), date(2026, 3, 2), 3)
    found = _slots(opening, start=_at("2026-03-02 16:01"), end=_at("2026-03-03 10:00"), limit=2)
    assert [slot.starts_at for slot in found] == [_at("2026-03-03 09:00"), _at("2026-03-03 09:30")]
    assert _slots(opening, limit=0) == []


def test_two_stretches_that_meet_are_one_and_a_night_belongs_to_the_day_before() -> None:
    hours = [Hours(1, time(9), time(12)), Hours(1, time(12), time(17)), Hours(1, time(22), time(2))]
    assert opening_intervals(hours, ZoneInfo("UTC"), date(2026, 3, 2), 1) == [
        Interval(_at("2026-03-02 09:00"), _at("2026-03-02 17:00")),
        Interval(_at("2026-03-02 22:00"), _at("2026-03-03 02:00")),
    ]
    always = [Hours(weekday, time(0), time(0)) for weekday in range(1, 8)]
    assert opening_intervals(always, ZoneInfo("UTC"), date(2026, 3, 2), 7) == [
        Interval(_at("2026-03-02"), _at("2026-03-09"))
    ]


@pytest.mark.parametrize(
    ("zone", "day", "opens", "hours"),
    [
        (AMSTERDAM, date(2026, 3, 28), "2026-03-28 08:00", 8),
        (AMSTERDAM, date(2026, 3, 29), "2026-03-29 07:00", 8),
        (AMSTERDAM, date(2026, 10, 25), "2026-10-25 08:00", 8),
        (NEW_YORK, date(2026, 3, 8), "2026-03-08 13:00", 8),
        (NEW_YORK, date(2026, 11, 1), "2026-11-01 14:00", 8),
    ],
)
def test_opening_time_is_the_wall_clocks(zone: ZoneInfo, day: date, opens: str, hours: int) -> None:
    start = _at(opens)
    assert opening_intervals(ALL_DAY, zone, day, 1) == [Interval(start, start + timedelta(hours=hours))]


@pytest.mark.parametrize(
    ("zone", "spring", "autumn"), [(AMSTERDAM, *CHANGES[AMSTERDAM]), (NEW_YORK, *CHANGES[NEW_YORK])]
)
def test_a_night_that_loses_an_hour_has_an_hour_less_to_book(zone: ZoneInfo, spring: date, autumn: date) -> None:
    night = [Hours(7, time(0), time(6))]
    for day, hours in ((spring, 5), (spring + timedelta(days=7), 6), (autumn, 7)):
        opening = opening_intervals(night, zone, day, 1)
        slots = _slots(opening, duration=HOUR, buffer=timedelta(0), granularity=HOUR)
        assert len(slots) == hours


def test_hours_that_the_clocks_skip_are_no_hours() -> None:
    assert opening_intervals([Hours(7, time(2, 15), time(2, 45))], AMSTERDAM, date(2026, 3, 29), 1) != []
    assert opening_intervals([Hours(7, time(2, 30), time(3))], AMSTERDAM, date(2026, 3, 29), 1) == []


minutes = st.integers(0, 24 * 4 - 1).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
hours = st.lists(st.builds(Hours, st.integers(1, 7), minutes, minutes), max_size=8)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[ZoneInfo, date, list[Interval]]:
    """Opening hours over a week around a change of the clocks."""
    zone = draw(st.sampled_from(list(CHANGES)))
    first = draw(st.sampled_from(CHANGES[zone])) - timedelta(days=draw(st.integers(0, 6)))
    return zone, first, opening_intervals(draw(hours), zone, first, 7)


@st.composite
def busy_times(draw: st.DrawFn, first: date) -> list[Interval]:
    """What is booked, in no order and with overlaps."""
    midnight = datetime.combine(first, time(0), UTC)
    numbers = draw(st.lists(st.tuples(st.integers(-60, 9 * 1440), st.integers(1, 600)), max_size=20))
    return [
        Interval(midnight + timedelta(minutes=start), midnight + timedelta(minutes=start + length))
        for start, length in numbers
    ]


@given(weeks(), st.data())
def test_slots_are_all_that_is_open_and_free_and_nothing_else(
    week: tuple[ZoneInfo, date, list[Interval]], data: st.DataObject
) -> None:
    _, first, opening = week
    busy = data.draw(busy_times(first))
    duration = timedelta(minutes=data.draw(st.integers(1, 180)))
    buffer = timedelta(minutes=data.draw(st.integers(0, 45)))
    grid = timedelta(minutes=data.draw(st.sampled_from([15, 30])))
    start = datetime.combine(first, time(0), UTC) + timedelta(minutes=data.draw(st.integers(-1440, 3 * 1440)))
    end = start + timedelta(days=data.draw(st.integers(0, 9)))
    found = free_slots(
        opening, busy, duration=duration, buffer=buffer, start=start, end=end, granularity=grid, limit=None
    )
    expected = []
    for interval in opening:
        moment = interval.start
        while moment + duration <= interval.end:
            free = not any(taken.start < moment + duration + buffer and moment < taken.end for taken in busy)
            if start <= moment < end and free:
                expected.append(Slot(moment, moment + duration))
            moment += grid
    assert found == expected


@given(weeks())
def test_opening_intervals_are_in_order_and_apart(week: tuple[ZoneInfo, date, list[Interval]]) -> None:
    opening = week[2]
    assert all(interval.start < interval.end for interval in opening)
    assert all(one.end < other.start for one, other in pairwise(opening))
    assert merged(opening) == opening


@given(st.sampled_from(list(CHANGES)), st.integers(0, 364), st.sampled_from([HALF_HOUR, HOUR]))
def test_in_local_time_each_slot_lies_between_opening_and_closing(
    zone: ZoneInfo, day: int, duration: timedelta
) -> None:
    first = date(2026, 1, 1) + timedelta(days=day)
    slots = _slots(
        opening_intervals(ALL_DAY, zone, first, 1), duration=duration, start=_at("2025-12-01"), end=_at("2028-01-01")
    )
    local = [(slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)) for slot in slots]
    assert len(local) == 16 - duration // HALF_HOUR + 1
    assert all(start.date() == end.date() == first for start, end in local)
    assert all(time(9) <= start.time() and end.time() <= time(17) for start, end in local)
