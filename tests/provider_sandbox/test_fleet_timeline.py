"""A fleet's schedule: the same for the same seed, within its bounds, and as its rates ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import timezone as phone_zones

from provider_sandbox.fleet.people import HABITS, ZONES
from provider_sandbox.fleet.rates import ALL
from provider_sandbox.fleet.timeline import Event, Timeline
from provider_sandbox.twilio.pool import COUNTRIES

START = datetime(2026, 3, 2, tzinfo=UTC)
seeds = st.integers(0, 2**31)


def events(timeline: Timeline) -> list[Event]:
    return [event for day in timeline.by_day() for event in day]


def told(found: list[Event]) -> list[tuple[object, ...]]:
    return [(one.at, one.number, one.kind, one.studio, one.affiliate, one.lead, one.times) for one in found]


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(1, 15), st.integers(1, 8))
def test_the_same_seed_gives_the_same_life_in_order_and_within_its_days(seed: int, studios: int, days: int) -> None:
    timeline = Timeline(seed, studios, days, START)
    found = events(timeline)
    assert told(found) == told(events(Timeline(seed, studios, days, START)))
    assert found == sorted(found)
    assert all(START <= event.at < timeline.ends for event in found)
    signups = [event.studio for event in found if event.kind == "studio_signed_up" and event.studio]
    assert len({studio.name for studio in signups}) == studios
    assert timeline.counts["affiliate_joined"] == -(-studios // 3)


def test_another_seed_gives_another_life() -> None:
    assert told(events(Timeline(1, 3, 2, START))) != told(events(Timeline(2, 3, 2, START)))


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_nobody_writes_before_they_can_or_after_they_are_gone(seed: int) -> None:
    known: dict[tuple[str, str], datetime] = {}
    signed_up: dict[str, datetime] = {}
    cancelled: set[str] = set()
    stopped: set[tuple[str, str]] = set()
    for event in events(Timeline(seed, 12, 12, START)):
        if event.kind == "studio_signed_up" and event.studio:
            signed_up[event.studio.name] = event.at
        elif event.studio:
            assert event.at >= signed_up[event.studio.name]
            assert event.studio.name not in cancelled
        if event.kind == "cancelled" and event.studio:
            cancelled.add(event.studio.name)
        if event.lead is None or event.studio is None:
            continue
        who = (event.studio.name, event.lead.number)
        if event.kind == "lead_wrote":
            assert who not in known
            assert event.studio.consents_after is not None
            known[who] = event.at
        else:
            assert known[who] < event.at
        assert event.kind != "lead_again" or who not in stopped
        if event.kind == "lead_stop":
            stopped.add(who)


def test_every_rate_is_honoured_within_what_chance_allows() -> None:
    timeline = Timeline(11, 400, 6, START)
    for day in timeline.by_day():
        assert day
    for rate in ALL:
        drawn = timeline.tally.of(rate)
        assert drawn.asked > 10, rate.name
        variance = rate.value * (1 - rate.value) if rate.kind == "share" else rate.value
        assert abs(drawn.came - drawn.asked * rate.value) <= 4.5 * sqrt(drawn.asked * variance) + 1, rate.name
        assert rate.why


def test_people_write_at_the_hours_of_their_habit_where_they_live() -> None:
    zones = set()
    for event in events(Timeline(5, 24, 6, START)):
        if event.kind != "lead_wrote" or event.lead is None:
            continue
        zones.add(event.lead.zone.name)
        local = event.at.astimezone(ZoneInfo(event.lead.zone.name))
        low, high = HABITS[event.lead.habit]
        assert low <= local.hour + local.minute / 60 + local.second / 3600 <= high
    assert len(zones) == 12


def test_studios_live_where_numbers_are_sold_and_no_number_tells_another_zone() -> None:
    for zone in ZONES:
        assert zone.country in COUNTRIES
        assert len({zone.number(place) for place in range(zone.capacity)}) == zone.capacity
        found = phone_zones.time_zones_for_number(phonenumbers.parse(zone.number(0)))
        # A number of none that is given out tells no zone: then the studio's counts.
        assert zone.name in found or found == ("Etc/Unknown",)


def test_what_is_held_in_memory_does_not_grow_with_the_run() -> None:
    def most(days: int) -> int:
        timeline, held = Timeline(3, 6, days, START), []
        for day in timeline.by_day():
            assert all(event.at >= START for event in day)
            held.append(timeline.waiting)
        return max(held)

    assert most(120) < most(12) + 40


@pytest.mark.parametrize(("studios", "days"), [(0, 1), (1, 0), (10_001, 1), (1, 367)])
def test_a_fleet_that_can_not_be_is_refused(studios: int, days: int) -> None:
    with pytest.raises(ValueError, match="A fleet has from 1 to 10000 studios"):
        Timeline(1, studios, days, START)


def test_days_go_by_utc_wherever_the_start_is_told() -> None:
    there = START.astimezone(ZoneInfo("Pacific/Honolulu"))
    assert told(events(Timeline(1, 2, 2, there))) == told(events(Timeline(1, 2, 2, START)))
    assert Timeline(1, 2, 2, START).ends == START + timedelta(days=2)
