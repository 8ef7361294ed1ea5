"""No page leads anybody to where they are refused: each link on each page that somebody may see."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.security.principals import ANONYMOUS, Kind, Principal
from pilar.workspaces.store import ensure_membership
from tests.webhook_ingest.conftest import House
from webhook_ingest.reach import Reach
from webhook_ingest.routes import PAGES, ROUTES

ADDRESS = re.compile(r'href="(/[^"#]*)')


def _pages(studio: UUID, affiliate: UUID) -> list[str]:
    """Every page that is about nothing but a studio or an affiliate."""
    paths = [entry.path for entry in PAGES if entry.method == "GET" and entry.answers == "page"]
    filled = [path.replace("{workspace_id}", str(studio)).replace("{affiliate_id}", str(affiliate)) for path in paths]
    return [path for path in filled if "{" not in path]


@pytest.mark.parametrize("who", ["founder", "owner", "member", "owner and member", "affiliate"])
def test_nobody_is_led_to_where_they_are_refused(browser: TestClient, house: House, who: str) -> None:
    north, south, bram = house.studio("North"), house.studio("South"), house.affiliate("Bram")
    if who == "owner and member":
        with house.app.database.transaction(Scope.fleet()) as connection:
            ensure_membership(connection, south.workspace_id, north.owner, "member", house.real.now())
    people = {
        "founder": house.person("founder@pilar.test", is_founder=True),
        "member": north.member,
        "affiliate": house.person("bram@blog.test"),
    }
    house.sign_in(browser, people.get(who, north.owner))
    shown, followed = 0, set()
    for page in (path for studio in (north, south) for path in _pages(studio.workspace_id, bram)):
        answer = browser.get(page, follow_redirects=False)
        if answer.status_code in (403, 404):
            continue
        shown += 1
        for address in set(ADDRESS.findall(answer.text)) - followed - {"/dagster/"}:
            followed.add(address)
            status = browser.get(address, follow_redirects=False).status_code
            assert status != 403, f"{who} is led from {page} to {address}"
    assert shown > 2, "nothing was looked at"


def test_tabs_are_those_that_one_gets_to(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    page = f"/studios/{studio.workspace_id}"
    for person, sees in ((studio.owner, True), (studio.member, False)):
        browser.cookies.clear()
        house.sign_in(browser, person)
        text = browser.get(page).text
        assert (f'href="{page}/leads"' in text) is sees
        assert f'href="{page}/subscription"' in text
        assert 'href="/overview"' not in text
        assert browser.get(f"{page}/leads").status_code == (200 if sees else 403)


def test_an_address_that_leads_nowhere_is_for_nobody(house: House) -> None:
    reach, founder = Reach(ROUTES), Principal(Kind.ADMIN)
    assert reach.may(founder, "/queue?span=1h")
    assert not reach.may(founder, "/no-such-page")
    assert not reach.may(ANONYMOUS, "/queue")
    assert reach.may(ANONYMOUS, "/sign-in")
