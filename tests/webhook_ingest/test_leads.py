"""Bringing leads over the web: by program and by page, with the report of what could not be used."""

from __future__ import annotations

from starlette.testclient import TestClient

from pilar.backplane.facts import Lane
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House

FILE = (
    b"phone,name,consent source,consent date,consent proof\n"
    b"0612345678,Anna,Form,2027-02-01,form 17\n0612345679,Bo,Form,2027-02-01,\n"
)


def worked_off(house: House) -> None:
    drain = house.app.drain("test")
    drain.promote()
    drain.step(Lane.BULK)
    drain.close()


def test_a_program_brings_a_file_follows_it_and_reads_what_was_refused(client: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    headers = {**owner, "content-type": "text/csv"}
    taken = client.post("/api/leads/import", params={"file_name": "maart.csv"}, content=FILE, headers=headers)
    assert (taken.status_code, taken.json()["state"]) == (202, "waiting"), taken.text
    address = f"/api/leads/import/{studio.workspace_id}/{taken.json()['id']}"
    worked_off(house)
    done = client.get(address, headers=owner).json()
    assert (done["state"], done["added"], done["refused"], done["file_name"]) == ("done", 1, 1, "maart.csv")
    refused = client.get(f"{address}/refused", headers=owner)
    assert refused.headers["content-type"].startswith("text/csv")
    assert refused.text.splitlines()[1].startswith("3,consent_proof is missing")
    again = client.post("/api/leads/import", content=FILE, headers=headers)
    assert (again.status_code, again.json()["id"]) == (200, done["id"])
    wrong = client.post("/api/leads/import", content=b"name\nAnna\n", headers=headers)
    assert wrong.status_code == 422 and "missing: phone" in wrong.json()["detail"]
    founder = {**house.bearer(Kind.ADMIN), "content-type": "text/csv"}
    assert client.post("/api/leads/import", content=FILE, headers=founder).status_code == 422
    stranger = house.bearer(Kind.OWNER, other.workspace_id)
    elsewhere = f"/api/leads/import/{other.workspace_id}/{done['id']}"
    assert client.get(elsewhere, headers=stranger).status_code == 404
    assert client.get(f"{elsewhere}/refused", headers=stranger).status_code == 404
    named = {"workspace_id": str(studio.workspace_id)}
    sent = {**stranger, "content-type": "text/csv"}
    assert client.post("/api/leads/import", params=named, content=FILE, headers=sent).status_code == 403


def test_an_owner_brings_a_file_by_page(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.sign_in(browser, studio.owner)
    page = f"/studios/{studio.workspace_id}/leads"
    assert "No file yet" in browser.get(page).text
    sent = browser.post(page, files={"file": ("<b>.csv", FILE, "text/csv")})
    assert "The file is taken." in sent.text and 'data-state="waiting"' in sent.text and "<b>.csv" not in sent.text
    worked_off(house)
    shown = browser.get(page).text
    assert 'data-state="done"' in shown and "1 new, 0 known, 1 refused" in shown
    again = browser.post(page, files={"file": ("x.csv", FILE, "text/csv")})
    assert "was brought before" in again.text
    foreign = browser.post(page, files={"file": ("x.csv", FILE)}, headers={"origin": "https://evil.test"})
    assert foreign.status_code == 403
    assert browser.post(page, files={"file": ("x.csv", b"name\nAnna\n")}).status_code == 422
