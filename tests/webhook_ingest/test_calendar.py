"""A studio's calendar over the web: what is booked by whom, and calling it off, once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from starlette.testclient import TestClient

from pilar.backplane.facts import Cause
from pilar.bookings import defaults, feeds
from pilar.bookings.bookings import book_first_free, cancel, free_slots
from pilar.database.engine import Scope
from pilar.messaging.receiving import lead_of
from pilar.security.principals import Kind
from tests.bookings.icalendar import parse
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


def test_free_times_are_told_booked_and_called_off_over_the_api(client: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    lead = booked(house, studio).lead_id
    member = house.bearer(Kind.MEMBER, studio.workspace_id)
    address = f"/api/calendar/{studio.workspace_id}"
    asked = {"event_type": "trial-session", "limit": 1}
    (slot,) = client.get(f"{address}/slots", params=asked, headers=member).json()["slots"]
    wanted = {"event_type": "trial-session", "lead_id": str(lead), "starts_at": slot["starts_at"]}
    made = client.post(f"{address}/bookings", json=wanted, headers=member)
    assert made.status_code == 201
    again = client.post(f"{address}/bookings", json=wanted, headers=member)
    assert (again.status_code, again.json()["detail"]) == (409, "That time is not free: choose another.")
    assert (
        client.post(f"{address}/bookings", json={**wanted, "starts_at": "2027-03-02"}, headers=member).status_code
        == 422
    )
    listed = client.get(f"{address}/bookings", headers=member).json()["items"]
    assert [one["state"] for one in listed] == ["booked", "booked"]
    gone = client.delete(f"{address}/bookings/{made.json()['id']}", headers=member)
    assert gone.json()["state"] == "cancelled"
    stranger = house.bearer(Kind.OWNER, other.workspace_id)
    elsewhere = f"/api/calendar/{other.workspace_id}/bookings"
    assert client.post(elsewhere, json=wanted, headers=stranger).status_code == 404  # not its lead
    assert client.delete(f"{elsewhere}/{listed[0]['id']}", headers=stranger).status_code == 404


def test_a_calendar_is_followed_by_a_secret_address_until_it_is_taken_back(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    booking = booked(house, studio)
    csrf = house.sign_in(browser, studio.owner)
    page = f"/studios/{studio.workspace_id}/calendar"
    made = browser.post(f"{page}/feeds", data={"csrf_token": csrf, "name": "Reception <b>"})
    (address,) = re.findall(r"data-feed-address>([^<]+)<", made.text)
    assert made.headers["cache-control"] == "no-store"
    shown = browser.get(page).text
    assert address not in shown and "Reception &lt;b&gt;" in shown
    browser.cookies.clear()
    followed = browser.get(address)
    assert followed.headers["content-type"] == "text/calendar; charset=utf-8"
    calendar = parse(followed.content)
    assert calendar.properties["X-WR-CALNAME"] == "North"
    (event,) = calendar.events
    assert event["UID"] == f"{booking.id}@pilar"
    assert (event["SUMMARY"], event["STATUS"], event["SEQUENCE"]) == ("Trial session: Anna <i>", "CONFIRMED", "0")
    assert event["DTSTART"] == booking.starts_at.strftime("%Y%m%dT%H%M%SZ")
    with house.app.database.transaction(Scope.fleet()) as connection:
        cancel(connection, house.app.clocks, studio.workspace_id, booking.id, story=Cause.new())
    (event,) = parse(browser.get(address).content).events
    assert (event["UID"], event["STATUS"], event["SEQUENCE"]) == (f"{booking.id}@pilar", "CANCELLED", "1")

    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    (feed,) = browser.get(f"/api/calendar/{studio.workspace_id}/feeds", headers=owner).json()["items"]
    for _ in range(2):
        gone = browser.delete(f"/api/calendar/{studio.workspace_id}/feeds/{feed['id']}", headers=owner)
        assert gone.status_code == 204
    assert browser.get(address).status_code == 404
    assert browser.get("/calendar/calendar_x.ics").status_code == 404
    with house.app.database.transaction(Scope.fleet()) as connection:
        kept = connection.exec_driver_sql("select row_to_json(f)::text from booking_feed f").scalar_one()
        told = (
            connection.exec_driver_sql("select action from audit_log where action like 'bookings.feed%%'")
            .scalars()
            .all()
        )
    assert address.rpartition("/")[2].removesuffix(".ics") not in kept
    assert sorted(told) == ["bookings.feed_made", "bookings.feed_revoked"]


def test_a_studio_has_no_more_addresses_than_it_may(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    address = f"/api/calendar/{studio.workspace_id}/feeds"
    for number in range(feeds.AT_MOST):
        assert client.post(address, json={"name": f"Device {number}"}, headers=owner).status_code == 201
    refused = client.post(address, json={"name": "One more"}, headers=owner)
    assert refused.status_code == 409 and "revoke one" in refused.json()["detail"]
    assert client.post(address, json={"name": "   "}, headers=owner).status_code == 422
