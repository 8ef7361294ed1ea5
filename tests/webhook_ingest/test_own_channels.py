"""What a studio brings along, and what WhatsApp wants of it, over the API and on its pages."""

from __future__ import annotations

from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.providers.whatsapp.standing import Trouble, WhatsAppStanding
from pilar.provisioning import prerequisite_store
from pilar.provisioning.prerequisites import TITLES, judge
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House


def test_a_number_is_brought_changed_and_bought_after_all(client: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    path = f"/api/provisioning/workspace/{studio.workspace_id}/own-channel"
    assert client.get(path, headers=owner).json()["may_change"]
    wrong = client.put(path, json={"brings": "number", "phone_number": "020 1234567"}, headers=owner)
    assert wrong.status_code == 422
    assert "with + and its country's code" in wrong.json()["detail"]
    brought = client.put(path, json={"brings": "number", "phone_number": "+31 20 123 4567"}, headers=owner).json()
    assert (brought["brings"], brought["phone_number"], brought["codes_left"]) == ("number", "+31201234567", 10)
    early = client.post(f"{path}/code", json={"method": "sms"}, headers=owner)
    assert (early.status_code, early.json()["detail"]) == (409, "No code is wanted now: nothing has to be proven.")
    house.step(
        studio, "whatsapp_registration", "waiting", status="waiting", waits_on="studio", wait_reason="Ask for the code."
    )
    assert client.post(f"{path}/verify", json={"code": "123456"}, headers=owner).status_code == 409
    assert client.post(f"{path}/code", json={"method": "voice"}, headers=owner).json()["codes_left"] == 9
    assert client.post(f"{path}/code", json={"method": "sms"}, headers=owner).json()["codes_left"] == 9, "not sent yet"
    page = client.get(f"/setup/{studio.setup_token}").text
    assert 'data-next="act"' in page
    assert "9 of 10 codes are left" in page
    assert client.delete(path, headers=owner).json()["brings"] is None
    foreign = f"/api/provisioning/workspace/{other.workspace_id}/own-channel"
    assert client.get(foreign, headers=owner).status_code == 403


def test_what_whatsapp_wants_is_told_one_by_one(client: TestClient, browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    path = f"/api/provisioning/whatsapp/{studio.workspace_id}/status"
    member = house.bearer(Kind.MEMBER, studio.workspace_id)
    assert client.get(path, headers=member).json()["prerequisites"] == []
    trouble = Trouble(141006, "It fails.", None)
    standing = WhatsAppStanding("APPROVED", "not_verified", "North", "APPROVED", is_verified=True, troubles=(trouble,))
    with house.app.database.transaction(Scope.fleet()) as connection:
        found = judge(standing, is_subscribed=True, purposes=[])
        prerequisite_store.keep(connection, studio.workspace_id, found, house.real.now())
    told = client.get(path, headers=member).json()["prerequisites"]
    assert [one["name"] for one in told] == list(TITLES)
    assert {one["name"]: one["blocks"] for one in told if one["state"] != "met"} == {
        "business_verified": False,
        "payment_method": True,
    }
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    page = browser.get(f"/studios/{studio.workspace_id}").text
    assert 'data-prerequisite="payment_method" data-state="missing"' in page
    assert "https://business.facebook.com/billing_hub/payment_settings" in page
