"""A studio's subscription over the API and on its page, and time to pay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.money import Money
from pilar.providers.stripe.client import StripeCustomer, StripeSubscription
from pilar.provisioning.subscription import Told
from pilar.security.principals import Kind
from pilar.workspaces import store as workspaces
from tests.webhook_ingest.conftest import House, Studio

DAY = timedelta(days=1)


@pytest.fixture
def studio(house: House) -> Studio:
    """A studio that is open and owes a payment since nine days."""
    made, app = house.studio("North"), house.app
    begun = app.clocks.business.now() - 9 * DAY
    payer = StripeCustomer("cus_north", "owner@north.test", "Owner", None, "NL", False, {})
    subscription = StripeSubscription(
        "sub_north", "past_due", payer, "price_of_nobody", Money(9900, "EUR"), begun + 30 * DAY, None, False, {},
        current_period_start=begun,
    )  # fmt: skip
    with app.database.transaction(Scope.fleet()) as connection:
        workspaces.set_state(connection, made.workspace_id, "active", activated_at=begun)
        told = Told(subscription, [], house.real.now())
        app.subscriptions.keep(connection, made.workspace_id, told, Cause.new(), "first")
    return made


def address(studio: Studio, what: str) -> str:
    return f"/api/billing/{studio.workspace_id}/{what}"


def test_the_owner_sees_how_it_stands_and_the_founder_gives_time(
    client: TestClient, house: House, studio: Studio
) -> None:
    owner, admin = house.bearer(Kind.OWNER, studio.workspace_id), house.bearer(Kind.ADMIN)
    seen = client.get(address(studio, "subscription"), headers=owner).json()
    assert (seen["standing"], seen["status"], seen["plan"], seen["amount_minor"]) == (
        "suspended",
        "past_due",
        "PRO",
        9900,
    )
    assert seen["budgets"]["messages per day"] == 5000
    until = house.app.clocks.business.now() + 10 * DAY
    body: dict[str, Any] = {"until": until.isoformat(), "reason": "They called."}
    assert client.post(address(studio, "grace"), json=body, headers=owner).status_code == 403
    given = client.post(address(studio, "grace"), json=body, headers=admin)
    assert given.status_code == 200
    assert given.json()["standing"] == "past_due"
    again = client.post(address(studio, "grace"), json=body, headers=admin)
    assert again.status_code == 422
    assert "it has that long anyway" in again.json()["detail"]
    assert client.get(address(studio, "subscription"), headers=owner).json() == given.json()


def test_a_price_of_no_plan_leaves_the_plan_and_is_told(house: House, studio: Studio) -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        assert workspaces.get_workspace(connection, studio.workspace_id).plan == "PRO"
        title = connection.exec_driver_sql(
            "select payload ->> 'title' from autopilot_event where type = 'incident.requested'"
        ).scalar_one()
    assert title == "A studio pays a price that belongs to no plan"


def test_the_page_tells_it_and_offers_the_form_to_the_founder_alone(
    client: TestClient, house: House, studio: Studio
) -> None:
    page = f"/studios/{studio.workspace_id}/subscription"
    house.sign_in(client, studio.owner)
    shown = client.get(page)
    assert 'data-standing="suspended"' in shown.text
    assert "what leads write is kept" in shown.text
    assert 'id="grace"' not in shown.text

    client.cookies.clear()
    csrf = house.sign_in(client, house.person("founder@pilar.test", is_founder=True))
    assert 'id="grace"' in client.get(page).text
    form = {"csrf_token": csrf, "days": "20", "reason": "They called."}
    done = client.post(f"{page}/grace", data=form, headers={"origin": "http://testserver"}, follow_redirects=False)
    assert done.status_code == 303, done.text
    assert done.headers["location"] == f"{page}?notice=grace-extended"
    assert 'data-standing="past_due"' in client.get(page).text
