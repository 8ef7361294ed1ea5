"""A studio's calendar over the web: what is booked by whom, and calling it off, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.testclient import TestClient

from pilar.backplane.facts import Cause
from pilar.bookings import defaults
from pilar.bookings.bookings import book_first_free, free_slots
from pilar.database.engine import Scope
from pilar.messaging.receiving import lead_of
from tests.webhook_ingest.conftest import House, Studio


def booked(house: House, studio: Studio) -> Any:
    now = house.app.clocks.business.now()
    with house.app.database.transaction(Scope.fleet()) as connection:
        defaults.install(connection, studio.workspace_id, now)
        lead = lead_of(connection, studio.workspace_id, "31612345678", "+31612345678", "Anna <i>", "nl", "NL", now)
        return book_first_free(
            connection, house.app.clocks, studio.workspace_id, "trial-session", lead, cause="c", source="test",
            story=Cause.new(),
        )  # fmt: skip


def test_a_member_sees_who_comes_when_and_calls_it_off(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(browser, studio.member)
    address = f"/studios/{studio.workspace_id}/calendar"
    assert "Nothing is booked" in browser.get(address).text
    booking = booked(house, studio)
    page = browser.get(address).text
    assert "Trial session" in page
    assert "Anna &lt;i&gt;" in page
    assert 'data-state="booked"' in page
    for _ in range(2):
        done = browser.post(f"{address}/{booking.id}/cancel", data={"csrf_token": csrf})
        assert "The booking is called off." in done.text
    assert 'data-state="cancelled"' in browser.get(address).text
    with house.app.database.transaction(Scope.fleet()) as connection:
        events = connection.exec_driver_sql("select count(*) from autopilot_event where type = 'booking.cancelled'")
        assert events.scalar_one() == 1
        start = booking.starts_at - timedelta(minutes=1)
        free = free_slots(connection, studio.workspace_id, "trial-session", start=start, days=1, limit=1)
        assert free[0].starts_at == booking.starts_at


def test_another_studios_people_see_nothing_of_it(browser: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    booking = booked(house, studio)
    csrf = house.sign_in(browser, other.owner)
    assert browser.get(f"/studios/{studio.workspace_id}/calendar").status_code == 403
    elsewhere = f"/studios/{other.workspace_id}/calendar/{booking.id}/cancel"
    assert browser.post(elsewhere, data={"csrf_token": csrf}).status_code == 404
