"""The pages: signing in and out, the overview, a studio, the owner's set-up link."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from pilar.backplane import audit, heartbeat
from pilar.backplane.notices import IncidentRequested
from pilar.clocks import ManualClock
from pilar.database.engine import Scope
from pilar.health.incidents import open_incident
from pilar.provisioning import store
from pilar.security import sessions
from pilar.tokens import token_hash
from tests.webhook_ingest.conftest import ORIGIN, House
from webhook_ingest.dashboards import rendering

PASSWORD = "correct horse battery"


class Outline(HTMLParser):
    """A page's elements with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def having(self, name: str, value: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if attributes.get(name) == value]


@pytest.fixture
def founder(house: House) -> None:
    house.person("founder@pilar.test", is_founder=True, password=PASSWORD)


def sign_in(browser: TestClient, password: str = PASSWORD, **more: str) -> tuple[int, str]:
    form = {"email": "founder@pilar.test", "password": password, **more}
    answer = browser.post("/sign-in", data=form, follow_redirects=False)
    return answer.status_code, answer.headers.get("location", answer.text)


def test_strangers_are_led_to_the_sign_in_and_back(browser: TestClient, founder: None) -> None:
    answer = browser.get("/overview?cursor=", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/overview%3Fcursor%3D")
    [field] = Outline(browser.get(answer.headers["location"]).text).having("name", "next")
    assert sign_in(browser, next=field["value"] or "") == (303, "/overview?cursor=")
    assert browser.get("/", follow_redirects=False).headers["location"] == "/overview"


@pytest.mark.parametrize(
    "target", ["https://evil.test/", "//evil.test", "/\\evil.test", "\\\\evil", "javascript:x", "/\t/e"]
)
def test_the_sign_in_leads_to_pages_of_ours_only(target: str, browser: TestClient, founder: None) -> None:
    assert sign_in(browser, next=target) == (303, "/")


def test_a_wrong_password_is_said_and_five_of_them_lock(browser: TestClient, founder: None) -> None:
    for _ in range(5):
        status, page = sign_in(browser, "wrong")
        assert status == 401
        assert "don&#39;t belong together" in page
    status, page = sign_in(browser)
    assert status == 429
    assert "Too many attempts" in page
    assert "pilar_session" not in browser.cookies


def test_the_cookie_is_out_of_reach_of_scripts(browser: TestClient, founder: None) -> None:
    form = {"email": "founder@pilar.test", "password": PASSWORD}
    cookie = browser.post("/sign-in", data=form, follow_redirects=False).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # this address is http


def test_a_link_is_not_used_up_by_a_preview(browser: TestClient, house: House) -> None:
    person = house.person("ada@studio.test")
    with house.app.database.transaction(Scope.fleet()) as connection:
        link = sessions.make_sign_in_link(connection, person, actor="system", now=house.real.now())
    for _ in range(2):
        assert "signs you in" in browser.get(f"/sign-in/link/{link}").text
    assert browser.post(f"/sign-in/link/{link}", follow_redirects=False).status_code == 303
    browser.cookies.clear()
    assert browser.get(f"/sign-in/link/{link}").status_code == 410
    assert browser.post(f"/sign-in/link/{link}").status_code == 410


def test_signing_out_ends_the_session(browser: TestClient, house: House) -> None:
    csrf = house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    cookie = browser.cookies["pilar_session"]
    assert browser.post("/sign-out", data={"csrf_token": "guess"}).status_code == 403
    page = browser.post("/sign-out", data={"csrf_token": csrf})
    assert "You are signed out." in page.text
    browser.cookies.set("pilar_session", cookie)
    assert browser.get("/overview", follow_redirects=False).status_code == 303


def test_people_come_to_their_own_studio_first(browser: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    house.sign_in(browser, north.owner)
    assert browser.get("/", follow_redirects=False).headers["location"] == f"/studios/{north.workspace_id}"
    with house.app.database.transaction(Scope.fleet()) as connection:
        from pilar.workspaces.store import ensure_membership

        ensure_membership(connection, south.workspace_id, north.owner, "member", house.real.now())
    page = browser.get("/").text
    assert f"/studios/{north.workspace_id}" in page
    assert f"/studios/{south.workspace_id}" in page


def test_the_overview_tells_who_waits_on_whom_and_what_is_the_matter(browser: TestClient, house: House) -> None:
    waiting, failed, running = house.studio("North"), house.studio("South"), house.studio("<b>East</b>")
    house.step(
        waiting, "whatsapp_connection", "waiting", status="waiting", waits_on="studio", wait_since=house.real.now(),
        wait_reason="the owner has to accept Meta's terms",
    )  # fmt: skip
    house.step(failed, "workspace_creation", "failed", status="failed", error="no such plan")
    with house.app.database.transaction(Scope.fleet()) as connection:
        request = IncidentRequested(
            dedupe_key="k", title="Twilio is slow", description="d", severity="high", component="c"
        )
        open_incident(connection, request, waiting.workspace_id, None, house.app.clocks.business.now())
    house.refresh(waiting)
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    page = browser.get("/overview").text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Active 0 Provisioning 1 Waiting 1 Failed 1" in text
    assert "no such plan" in text
    assert "the owner has to accept Meta&#39;s terms" in text
    assert "Twilio is slow" in text
    assert "To North" in text
    assert "&lt;b&gt;East" in page
    states = {attributes["data-workspace"]: attributes["data-state"] for attributes in rows(page)}
    assert states == {
        str(waiting.workspace_id): "waiting",
        str(failed.workspace_id): "failed",
        str(running.workspace_id): "running",
    }
    assert "/dagster/" in page


def rows(page: str) -> list[dict[str, str | None]]:
    return [attributes for _, attributes in Outline(page).elements if "data-workspace" in attributes]


def test_a_studios_page_shows_its_steps_and_lets_its_owner_try_again(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.step(studio, "workspace_creation", "failed", status="failed", attempts=3, error="no such plan")
    with house.app.database.transaction(Scope.fleet()) as connection:
        audit.tell(
            connection, studio.workspace_id, key="k", type="x", text="Your number is ready.",
            now=house.app.clocks.business.now(),
        )  # fmt: skip
    house.refresh(studio)
    csrf = house.sign_in(browser, studio.owner)
    page = browser.get(f"/studios/{studio.workspace_id}").text
    steps = [attributes["data-step"] for _, attributes in Outline(page).elements if "data-step" in attributes]
    assert steps == [step.name for step in house.app.steps]
    assert "3 attempts" in page
    assert "Your number is ready." in page
    page = browser.post(f"/studios/{studio.workspace_id}/retry", data={"csrf_token": csrf}).text
    assert rendering.NOTICES["retried"] in page
    assert "no such plan" not in page


def test_a_member_looks_and_does_not_act(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.step(studio, "whatsapp_connection", "waiting", status="waiting", waits_on="studio", wait_reason="r")
    house.step(studio, "workspace_creation", "failed", status="failed", error="e")
    house.sign_in(browser, studio.member)
    page = browser.get(f"/studios/{studio.workspace_id}").text
    assert "/set-up" not in page
    assert "Try again" not in page


def test_the_set_up_link_is_read_when_somebody_follows_it_and_is_on_no_page(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.sign_in(browser, studio.owner)
    address = f"/studios/{studio.workspace_id}/set-up"
    house.step(studio, "whatsapp_registration", "running", status="completed")
    assert browser.get(address).status_code == 404, "nothing waits on the studio, and its number is there"
    house.step(studio, "whatsapp_connection", "waiting", status="waiting", waits_on="studio", wait_reason="r")
    page = browser.get(f"/studios/{studio.workspace_id}").text
    assert studio.setup_token not in page
    assert Outline(page).having("href", address)
    answer = browser.get(address, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ORIGIN}/setup/{studio.setup_token}")
    assert answer.headers["cache-control"] == "no-store"
    house.step(studio, "whatsapp_connection", "running", status="completed", waits_on=None)
    assert browser.get(address).status_code == 404


def test_the_pages_show_what_was_last_refreshed_and_since_when(
    browser: TestClient, house: House, real: ManualClock
) -> None:
    studio = house.studio("North")
    house.refresh(studio)
    with house.app.database.transaction(Scope.fleet()) as connection:
        store.set_job(connection, studio.job_id, {"state": "failed"})
    real.advance(timedelta(minutes=7))
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    overview, page = browser.get("/overview").text, browser.get(f"/studios/{studio.workspace_id}").text
    assert [attributes["data-state"] for attributes in rows(overview)] == ["running"]
    for text in (overview, page):
        assert "7 minutes ago" in text
    house.refresh(studio)
    overview = browser.get("/overview").text
    assert [attributes["data-state"] for attributes in rows(overview)] == ["failed"]


def test_a_dead_worker_is_noticed_however_fresh_the_rows_are(
    browser: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhook_ingest.api.health._FRESH_SECONDS", -1.0)
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    for beat, pulse in ((heartbeat.beat, "1 worker at work"), (heartbeat.leave, "No worker is alive")):
        with house.app.database.transaction(Scope.fleet()) as connection:
            beat(connection, "worker-1", *([house.real.now()] if beat is heartbeat.beat else []))
        house.refresh(house.studio(pulse))
        assert pulse in browser.get("/overview").text


def test_the_set_up_link_shows_the_one_thing_to_do(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    [anchor] = Outline(browser.get(f"/setup/{studio.setup_token}").text).having("data-action", "connect-whatsapp")
    assert (anchor["href"] or "").startswith("https://www.facebook.com/")
    assert studio.setup_token in (anchor["href"] or "")
    answer = browser.get("/setup/callback", params={"state": studio.setup_token, "code": "meta-code"})
    assert answer.status_code == 200
    assert Outline(answer.text).having("data-state", "done")
    assert "meta-code" not in answer.text
    page = browser.get(f"/setup/{studio.setup_token}").text
    assert Outline(page).having("data-state", "done")
    with house.app.database.transaction(Scope.fleet()) as connection:
        job = store.job_by_token(connection, token_hash(studio.setup_token))
        assert house.app.box.open(job.sealed_setup_code) == "meta-code"


def test_an_owner_who_declines_may_begin_again(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    answer = browser.get("/setup/callback", params={"state": studio.setup_token, "error": "access_denied"})
    assert answer.status_code == 200
    assert "nothing was changed" in answer.text
    assert Outline(answer.text).having("data-action", "connect-whatsapp")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/setup/made-up", 404), ("/setup/callback?state=made-up&code=x", 404), ("/setup/callback", 422)],
)
def test_a_set_up_link_that_leads_nowhere_says_so_on_a_page(path: str, status: int, browser: TestClient) -> None:
    answer = browser.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("settings", [{"meta_app_id": None}], indirect=True)
def test_without_metas_settings_the_owner_is_told_to_come_back(browser: TestClient, house: House) -> None:
    page = browser.get(f"/setup/{house.studio('North').setup_token}").text
    assert "come back" in page
    assert not Outline(page).having("data-action", "connect-whatsapp")


def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    home = f"/studios/{studio.workspace_id}"
    ours = ("/overview", home, f"{home}/conversations", f"{home}/messages", "/controls", "/experiments")
    for path in (*ours, f"/setup/{studio.setup_token}", "/nothing"):
        page = browser.get(path).text
        for tag, attributes in Outline(page).elements:
            assert tag != "style"
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "script" or attributes["src"]
            for name in ("src", "action"):
                assert (attributes.get(name) or "/").startswith("/")
        names = [attributes["id"] for _, attributes in Outline(page).elements if "id" in attributes]
        assert len(names) == len(set(names))
        assert Outline(page).having("lang", "en")


def test_static_files_are_kept_by_browsers_under_their_version(browser: TestClient) -> None:
    page = browser.get("/sign-in").text
    for address in re.findall(r"/static/[^\"]+", page):
        answer = browser.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert browser.get("/static/../rendering.py").status_code == 404
    assert browser.get("/static/%2e%2e%2frendering.py").status_code == 404
    assert "no-store" in browser.get("/sign-in").headers["cache-control"]
    assert ORIGIN.startswith("http")
