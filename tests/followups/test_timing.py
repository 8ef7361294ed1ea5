"""When a follow-up goes: by day where the lead is, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.followups.timing import day_begins, due_at, next_day, zones_to_ask
from pilar.messaging.zones import is_quiet

AMSTERDAM, NEW_YORK, LOS_ANGELES = "Europe/Amsterdam", "America/New_York", "America/Los_Angeles"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("base", "zones", "time_of_day", "due"),
    [
        ("2026-03-03 10:00", [AMSTERDAM], None, "2026-03-03 10:00"),
        ("2026-03-03 20:30", [AMSTERDAM], None, "2026-03-04 07:00"),
        ("2026-03-03 03:00", [AMSTERDAM], None, "2026-03-03 07:00"),
        # Eight in Los Angeles is eleven in New York: a number that leaves both possible waits for the later one.
        ("2026-03-03 13:00", [NEW_YORK, LOS_ANGELES], None, "2026-03-03 16:00"),
        ("2026-03-03 10:00", [AMSTERDAM], "18:30", "2026-03-03 17:30"),
        ("2026-03-03 18:00", [AMSTERDAM], "18:30", "2026-03-04 17:30"),
        # The clocks go forward on the 29th.
        ("2026-03-28 18:00", [AMSTERDAM], "18:30", "2026-03-29 16:30"),
        ("2026-03-03 10:00", [NEW_YORK, LOS_ANGELES], "09:00", "2026-03-03 16:00"),
    ],
)
def test_it_is_due_at_the_first_decent_moment(base: str, zones: list[str], time_of_day: str | None, due: str) -> None:
    assert due_at(at(base), zones, time_of_day) == at(due)


@settings(max_examples=60)
@given(
    base=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    zones=st.lists(st.sampled_from([AMSTERDAM, NEW_YORK, LOS_ANGELES, "Asia/Kolkata"]), min_size=1, max_size=2),
    time_of_day=st.none() | st.sampled_from(["08:00", "12:15", "20:59"]),
)
def test_it_never_comes_early_late_or_by_night(base: datetime, zones: list[str], time_of_day: str | None) -> None:
    due = due_at(base, zones, time_of_day)
    assert base <= due < base + timedelta(days=2)
    if {"Asia/Kolkata", LOS_ANGELES} - set(zones):
        assert not is_quiet(due, zones)


def test_a_day_is_the_leads_own() -> None:
    assert day_begins(at("2026-03-03 23:30"), AMSTERDAM) == at("2026-03-03 23:00")
    assert next_day(at("2026-03-28 23:30"), AMSTERDAM).astimezone(ZoneInfo(AMSTERDAM)).hour == 0
    assert next_day(at("2026-03-28 23:30"), AMSTERDAM) == at("2026-03-29 22:00")
    assert zones_to_ask((NEW_YORK, LOS_ANGELES), LOS_ANGELES) == (LOS_ANGELES, NEW_YORK)
    assert zones_to_ask((NEW_YORK,), AMSTERDAM) == (NEW_YORK,)
