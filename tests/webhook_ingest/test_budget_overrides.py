"""Another limit for a while, over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.backplane import budgets
from pilar.clocks import ManualClock
from pilar.database.engine import Scope
from pilar.errors import OverBudget
from pilar.ids import new_id
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House, Studio

PATH = "/api/operator/budget/override"


@pytest.fixture
def studio(house: House) -> Studio:
    made = house.studio("North")
    with house.app.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, made.workspace_id, "messages", "day", 10, "queue")
    return made


def wanted(house: House, studio: Studio, **changes: Any) -> dict[str, Any]:
    until = house.app.clocks.business.now() + timedelta(hours=2)
    return {
        "workspace_id": str(studio.workspace_id), "resource": "messages", "amount": 50, "until": until.isoformat(),
        "reason": "open day", **changes,
    }  # fmt: skip


def use(house: House, studio: Studio, amount: int) -> bool:
    try:
        with house.app.database.transaction(Scope.fleet()) as connection:
            budgets.consume(connection, house.app.clocks, studio.workspace_id, "messages", amount)
    except OverBudget:
        return False
    return True


def test_an_override_stands_until_its_time_is_over(client: TestClient, house: House, studio: Studio) -> None:
    admin = house.bearer(Kind.ADMIN)
    assert not use(house, studio, 11)
    made = client.post(PATH, json=wanted(house, studio), headers=admin)
    assert made.status_code == 201
    assert (made.json()["amount"], made.json()["period"], made.json()["ended_at"]) == (50, "day", None)
    assert client.get(PATH, headers=admin).json()["items"] == [made.json()]
    assert use(house, studio, 11)
    business = house.app.clocks.business
    assert isinstance(business, ManualClock)
    business.advance(timedelta(hours=2))
    assert client.get(PATH, headers=admin).json()["items"] == []
    assert len(client.get(PATH, params={"ended": True}, headers=admin).json()["items"]) == 1
    assert not use(house, studio, 1)


def test_an_override_is_ended_early_once_and_replaced_by_the_next(
    client: TestClient, house: House, studio: Studio
) -> None:
    admin = house.bearer(Kind.ADMIN)
    first = client.post(PATH, json=wanted(house, studio), headers=admin).json()
    second = client.post(PATH, json=wanted(house, studio, amount=60), headers=admin).json()
    path = f"{PATH}/{studio.workspace_id}"
    assert client.delete(f"{path}/{first['id']}", headers=admin).status_code == 404
    ended = client.delete(f"{path}/{second['id']}", headers=admin)
    assert (ended.status_code, ended.json()["id"]) == (200, second["id"])
    assert ended.json()["ended_by"].startswith("token:")
    assert client.delete(f"{path}/{second['id']}", headers=admin).status_code == 404
    assert not use(house, studio, 11)
    everything = client.get(PATH, params={"ended": True, "workspace_id": str(studio.workspace_id)}, headers=admin)
    assert [one["id"] for one in everything.json()["items"]] == [second["id"], first["id"]]


def test_what_has_no_limit_has_no_override(client: TestClient, house: House, studio: Studio) -> None:
    admin = house.bearer(Kind.ADMIN)
    assert client.post(PATH, json=wanted(house, studio, period="hour"), headers=admin).status_code == 404
    assert client.post(PATH, json=wanted(house, studio, workspace_id=str(new_id())), headers=admin).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -1}, {"amount": 2**63}, {"until": "2027-03-01T11:00:00"}, {"until": "2027-03-01T09:00:00Z"},
        {"reason": " "}, {"resource": "gold"}, {"period": "week"}, {"more": 1},
    ],
)  # fmt: skip
def test_an_override_has_a_form(change: dict[str, Any], client: TestClient, house: House, studio: Studio) -> None:
    answer = client.post(PATH, json=wanted(house, studio, **change), headers=house.bearer(Kind.ADMIN))
    assert answer.status_code == 422
