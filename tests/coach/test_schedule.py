"""When a nudge is due: on the wall clock of where the lead is, also on the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pilar.coach import schedule
from pilar.errors import Invalid

ZONES = (
    "Europe/Amsterdam", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo",
    "Pacific/Chatham", "Asia/Kolkata", "America/Santiago", "UTC",
)  # fmt: skip
DAYS = st.dates(date(2024, 1, 1), date(2028, 12, 31))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
ZONE = st.sampled_from(ZONES)
CRONS = st.sampled_from(["0 8 * * *", "30 2 * * *", "0 17 * * 0", "15 9,21 * * 1-5", "0 0 1 * *", "*/10 * * * 3"])
DAY = timedelta(days=1)


def span(begin: date, days: int) -> tuple[datetime, datetime]:
    start = datetime.combine(begin, time(), UTC)
    return start, start + days * DAY


@given(DAYS, TIMES, ZONE)
@example(date(2026, 3, 29), time(2, 30), "Europe/Amsterdam")
@example(date(2026, 10, 25), time(2, 30), "Europe/Amsterdam")
@example(date(2026, 10, 4), time(2, 10), "Australia/Lord_Howe")
@example(date(2026, 4, 24), time(0, 30), "Africa/Cairo")
def test_a_time_that_there_is_falls_due_then_and_a_skipped_one_at_the_first_minute_after(
    day: date, at: time, zone: str
) -> None:
    place = ZoneInfo(zone)
    due = schedule.moment(day, at, place)
    shown = due.astimezone(place).replace(tzinfo=None)
    if shown == datetime.combine(day, at):
        same = [m for m in _around(due) if m.astimezone(place).replace(tzinfo=None) == shown]
        assert due == min(same), "what comes twice falls due when it comes first"
    else:
        assert shown > datetime.combine(day, at)
        before = (due - timedelta(minutes=1)).astimezone(place).replace(tzinfo=None)
        assert before < datetime.combine(day, at), "there was no earlier minute after the one that was skipped"


def _around(moment: datetime) -> list[datetime]:
    return [moment + timedelta(minutes=15 * step) for step in range(-16, 17)]


@pytest.mark.parametrize(
    ("day", "at", "zone", "due"),
    [
        (date(2026, 3, 29), time(2, 30), "Europe/Amsterdam", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (date(2026, 10, 25), time(2, 30), "Europe/Amsterdam", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (date(2026, 3, 8), time(2, 30), "America/New_York", datetime(2026, 3, 8, 7, 0, tzinfo=UTC)),
        (date(2026, 10, 4), time(2, 10), "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        (date(2026, 4, 24), time(0, 30), "Africa/Cairo", datetime(2026, 4, 23, 22, 0, tzinfo=UTC)),
        (date(2026, 4, 5), time(1, 45), "Australia/Lord_Howe", datetime(2026, 4, 4, 14, 45, tzinfo=UTC)),
        (date(2026, 9, 5), time(23, 30), "America/Santiago", datetime(2026, 9, 6, 3, 30, tzinfo=UTC)),
        (date(2026, 9, 6), time(0, 30), "America/Santiago", datetime(2026, 9, 6, 4, 0, tzinfo=UTC)),
        # Samoa left the 30th of December out.
        (date(2011, 12, 30), time(8, 0), "Pacific/Apia", datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
        (date(2011, 12, 31), time(8, 0), "Pacific/Apia", datetime(2011, 12, 30, 18, 0, tzinfo=UTC)),
        (date(2026, 3, 29), time(8, 0), "Europe/Amsterdam", datetime(2026, 3, 29, 6, 0, tzinfo=UTC)),
        (date(2026, 3, 28), time(8, 0), "Europe/Amsterdam", datetime(2026, 3, 28, 7, 0, tzinfo=UTC)),
    ],
)
def test_days_on_which_clocks_change(day: date, at: time, zone: str, due: datetime) -> None:
    assert schedule.moment(day, at, ZoneInfo(zone)) == due


@given(CRONS, ZONE, DAYS, st.integers(1, 5), st.integers(1, 120))
def test_two_spans_give_what_the_whole_gives_and_nothing_twice(
    cron: str, zone: str, begin: date, days: int, cut: int
) -> None:
    first, last = span(begin, days)
    middle = min(first + timedelta(hours=cut), last)
    whole = schedule.due_moments([cron], zone, first, last)
    parts = schedule.due_moments([cron], zone, first, middle), schedule.due_moments([cron], zone, middle, last)
    assert not parts[0].keys() & parts[1].keys()
    assert {**parts[0], **parts[1]} == whole
    assert all(first <= due < last for due in whole.values())


@given(ZONE, DAYS)
def test_a_daily_schedule_falls_due_once_on_every_local_day(zone: str, begin: date) -> None:
    first, last = span(begin, 10)
    found = schedule.due_moments(["0 8 * * *"], zone, first, last)
    assert len(found) == 10
    for day, due in found.items():
        assert due.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == datetime.combine(day, time(8))


def test_of_several_times_on_a_day_the_first_counts() -> None:
    first, last = span(date(2026, 3, 2), 1)
    crons = ["0 20 * * *", "0 9,18 * * *"]
    assert schedule.due_moments(crons, "UTC", first, last) == {date(2026, 3, 2): first + timedelta(hours=9)}
    assert schedule.due_moments(crons, "UTC", first + timedelta(hours=10), last) == {}


def test_days_of_the_week_are_the_leads_own() -> None:
    """Sunday evening in Auckland is Sunday morning in Amsterdam."""
    first, last = span(date(2026, 3, 2), 7)
    (due,) = schedule.due_moments(["0 18 * * 0"], "Pacific/Auckland", first, last).values()
    assert due == datetime(2026, 3, 8, 5, 0, tzinfo=UTC)


def test_a_leads_own_time_replaces_hour_and_minute_and_leaves_the_days() -> None:
    assert schedule.at_time_of_day("0 17 * * 0", "09:05") == "5 9 * * 0"
    assert schedule.at_time_of_day("0 17 * * 0", None) == "0 17 * * 0"


def test_the_next_moments_are_told_also_over_changing_clocks_and_rare_days() -> None:
    begin = datetime(2026, 3, 27, 12, tzinfo=UTC)
    fires = schedule.next_fires(["30 2 * * *"], "Europe/Amsterdam", begin, 3)
    assert fires == [
        datetime(2026, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]
    assert schedule.next_fires(["0 9 29 2 *", "0 8 29 2 *"], "UTC", begin, 2) == [
        datetime(2028, 2, 29, 8, tzinfo=UTC),
        datetime(2032, 2, 29, 8, tzinfo=UTC),
    ]


@given(CRONS, ZONE, DAYS)
def test_the_next_moments_are_those_of_the_spans(cron: str, zone: str, begin: date) -> None:
    first, last = span(begin, 40)
    fires = schedule.next_fires([cron], zone, first, 4)
    within = sorted(schedule.due_moments([cron], zone, first + timedelta(microseconds=1), last).values())
    assert [fire for fire in fires if fire < last] == within[:4]


@pytest.mark.parametrize("cron", ["61 * * * *", "0 8 * *", "a b c d e", "0 0 30 2 *", "0 8 * * 9"])
def test_what_can_not_be_read_or_never_comes_is_refused(cron: str) -> None:
    with pytest.raises(Invalid, match="not a schedule"):
        schedule.check(cron)


@pytest.mark.parametrize("cron", ["0 8 * * *", "0 0 29 2 *", "0 10 L * *", "0 9 * * MON#1"])
def test_what_comes_rarely_is_a_schedule_all_the_same(cron: str) -> None:
    schedule.check(cron)
