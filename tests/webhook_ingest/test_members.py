"""Who works in a studio: as many as its plan has room for, over the API and on the page; and another plan."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.errors import Conflict
from pilar.security.members import add_member, people_of
from pilar.security.principals import Kind
from pilar.workspaces import features
from pilar.workspaces import store as workspaces
from pilar.workspaces.plans import GRANTS, Plan
from tests.webhook_ingest.conftest import House, Studio

BASIC = GRANTS[Plan.BASIC].members


def on_plan(house: House, studio: Studio, plan: Plan) -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        workspaces.set_plan(connection, studio.workspace_id, plan)
        version, document = workspaces.load_configuration(connection, studio.workspace_id)
        workspaces.save_configuration(
            connection, studio.workspace_id, document.model_copy(update={"plan": plan}), changed_by="system", note="x",
            now=house.app.clocks.business.now(), expected_version=version,
        )  # fmt: skip


def test_a_plan_has_room_for_so_many_and_the_refusal_says_how_to_go_on(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    on_plan(house, studio, Plan.BASIC)
    owner, address = house.bearer(Kind.OWNER, studio.workspace_id), f"/api/workspaces/{studio.workspace_id}/members"
    for number in range(1, BASIC):
        body = {"email": f" P{number}@North.test ", "name": f"P  {number}"}
        added = client.post(address, json=body, headers=owner)
        assert (added.status_code, added.json()["email"], added.json()["name"]) == (
            201,
            f"p{number}@north.test",
            f"P {number}",
        )
    again = client.post(address, json={"email": "p1@north.test", "name": "Again"}, headers=owner)
    assert again.json()["name"] == "P 1", "who is there already takes no room"
    refused = client.post(address, json={"email": "late@north.test", "name": "Late"}, headers=owner)
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "The plan, BASIC, has room for 3 people besides the owner, and 3 are there. Take somebody out, or move to PRO,"
        " which has room for 20."
    )
    for body, says in (
        ({"email": "nobody", "name": "X"}, "no mail address"),
        ({"email": "a@b.test", "name": " "}, "100"),
    ):
        wrong = client.post(address, json=body, headers=owner)
        assert wrong.status_code == 422 and says in wrong.json()["detail"]
    seen = client.get(address, headers=owner).json()
    assert (seen["limit"], seen["room"], [one["role"] for one in seen["items"]]) == (3, 0, ["owner", *["member"] * 3])
    assert client.delete(f"{address}/{studio.owner}", headers=owner).status_code == 409
    assert client.delete(f"{address}/{studio.member}", headers=owner).status_code == 204
    assert client.delete(f"{address}/{studio.member}", headers=owner).status_code == 404
    assert client.post(address, json={"email": "late@north.test", "name": "Late"}, headers=owner).status_code == 201


def test_a_smaller_plan_keeps_its_people_and_takes_nobody_in_and_the_pages_say_so(
    browser: TestClient, house: House
) -> None:
    studio = house.studio("North")
    csrf, home = house.sign_in(browser, studio.owner), f"/studios/{studio.workspace_id}"
    for number in range(BASIC):
        form = {"csrf_token": csrf, "email": f"p{number}@north.test", "name": f"<b>{number}"}
        assert "They are let in" in browser.post(f"{home}/team", data=form).text
    on_plan(house, studio, Plan.BASIC)
    page = browser.get(f"{home}/team").text
    assert "4 are there. They all stay; nobody can be added." in page
    assert "&lt;b&gt;0" in page and "<b>0" not in page
    assert f'href="{home}/subscription"' in page
    form = {"csrf_token": csrf, "email": "late@north.test", "name": "Late"}
    refused = browser.post(f"{home}/team", data=form)
    assert refused.status_code == 409 and "They all stay" in refused.text
    subscription = browser.get(f"{home}/subscription").text
    assert "4 of 3. All of them stay, and nobody can be added" in subscription
    assert "Only in the plan PRO" in subscription
    out = browser.post(f"{home}/team/{studio.member}/remove", data={"csrf_token": csrf})
    assert "They work here no more." in out.text
    assert browser.post(f"{home}/team", data={**form, "csrf_token": "guess"}).status_code == 403
    browser.cookies.clear()
    house.sign_in(browser, studio.member)
    assert browser.get(home).status_code == 403, "who was taken out gets in no more"


def test_two_who_add_at_once_do_not_go_past_the_limit(house: House) -> None:
    studio, refused = house.studio("North"), []
    on_plan(house, studio, Plan.BASIC)

    def add(number: int) -> None:
        try:
            with house.app.database.transaction(Scope.fleet()) as connection:
                add_member(
                    connection, house.app.clocks, studio.workspace_id, email=f"p{number}@north.test", name="P",
                    actor="test",
                )  # fmt: skip
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with house.app.database.transaction(Scope.fleet()) as connection:
        assert people_of(connection, studio.workspace_id).taken == BASIC
    assert len(refused) == 4 - (BASIC - 1)


def test_a_feature_that_the_plan_has_not_is_refused_with_the_plan_that_has_it(house: House) -> None:
    studio = house.studio("North")
    on_plan(house, studio, Plan.BASIC)

    def ask(workspace_id: UUID) -> None:
        with house.app.database.transaction(Scope.fleet()) as connection:
            features.require(connection, workspace_id, "calendar")
            features.require(connection, workspace_id, "experiments")

    with pytest.raises(Conflict, match=r"Experiments: not part of the plan BASIC. Move to PRO"):
        ask(studio.workspace_id)
    on_plan(house, studio, Plan.PRO)
    ask(studio.workspace_id)
