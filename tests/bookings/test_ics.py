"""What other calendars read is what was written, whatever the words, line by line as RFC 5545 wants it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pilar.bookings.ics import Entry, calendar
from pilar.ids import new_id
from tests.bookings.icalendar import parse

STARTS = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam"), fold=1)
"""The second half past two of the night in which the clocks go back."""
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=300)


def entry(title: str, *, is_cancelled: bool = False) -> Entry:
    ends = STARTS.astimezone(UTC) + timedelta(minutes=45)
    return Entry(new_id(), STARTS, ends, datetime(2026, 1, 1, tzinfo=UTC), 1, title, is_cancelled)


@given(WORDS, WORDS)
@example("a; b, c \\ d\\n", "é" * 80)
@example("x" * 67 + "💪🏽" * 40, "")
def test_any_words_come_through(name: str, title: str) -> None:
    read = parse(calendar(name, [entry(title), entry(title, is_cancelled=True)]))
    assert read.properties["X-WR-CALNAME"] == name
    assert [(one["SUMMARY"], one["STATUS"]) for one in read.events] == [(title, "CONFIRMED"), (title, "CANCELLED")]


def test_times_are_told_in_utc_though_the_clocks_change() -> None:
    (event,) = parse(calendar("North", [entry("Trial")])).events
    assert (event["DTSTART"], event["DTEND"]) == ("20261025T013000Z", "20261025T021500Z")


@pytest.mark.parametrize("evil", ["a\r\nEND:VCALENDAR", "a\nBEGIN:VEVENT", "a\rUID:b", "a\x00\x07\x7fb"])
def test_words_can_not_break_out_of_their_line(evil: str) -> None:
    (event,) = parse(calendar("North", [entry(evil)])).events
    assert event["SUMMARY"].startswith("a")


def test_an_empty_calendar_is_one() -> None:
    assert parse(calendar("North", [])).events == []
