"""Affiliates' links and pages, and their API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from pilar.affiliates import ledger
from pilar.affiliates.ledger import Account, Transaction
from pilar.affiliates.links import create_link
from pilar.affiliates.tables import commission, conversion
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import ORIGIN, House
from tests.webhook_ingest.test_pages import Outline
from webhook_ingest.app import create_app


@dataclass
class Books:
    """An affiliate with a link, whose books have entries."""

    house: House
    affiliate_id: UUID
    code: str
    link_id: UUID
    studio: UUID
    studio_name: str

    def earn(self, number: int, amount_minor: int, kind: ledger.Kind = ledger.Kind.EARNED) -> None:
        """Book a commission on an invoice of the studio's."""
        app, now = self.house.app, self.house.app.clocks.business.now()
        commission_id, conversion_id, click = new_id(), new_id(), new_id()
        with app.database.engine.begin() as connection:  # the click is made up: foreign keys sleep
            connection.exec_driver_sql("set local session_replication_role = replica")
            connection.execute(
                insert(conversion).values(
                    affiliate_id=self.affiliate_id,
                    id=conversion_id,
                    link_id=self.link_id,
                    click_id=click,
                    stripe_subscription_id=f"sub_{number}",
                    stripe_customer_id="cus",
                    workspace_id=self.studio,
                    converted_at=now,
                )
            )
            connection.execute(
                insert(commission).values(
                    affiliate_id=self.affiliate_id,
                    id=commission_id,
                    conversion_id=conversion_id,
                    workspace_id=self.studio,
                    stripe_invoice_id=f"in_{number}",
                    base_minor=amount_minor * 5,
                    refunded_minor=0,
                    currency="EUR",
                    rate_basis_points=2000,
                    amount_minor=amount_minor,
                    held_until=now + timedelta(days=30),
                    created_at=now,
                    read_at=now,
                )
            )
        entry = Transaction(
            affiliate_id=self.affiliate_id,
            commission_id=commission_id,
            kind=kind,
            cause=f"earned:in_{number}",
            amount_minor=amount_minor,
            currency="EUR",
            source=Account.PROGRAMME_EXPENSE,
            to=Account.HELD,
            posted_at=now,
        )
        with app.database.transaction(Scope.fleet()) as connection:
            assert ledger.post(connection, [entry]) == 1
            assert ledger.post(connection, [entry]) == 0


@pytest.fixture
def books(house: House) -> Books:
    affiliate, studio = house.affiliate("Bram"), house.studio("Noord")
    with house.app.database.transaction(Scope.fleet()) as connection:
        link = create_link(connection, house.app.clocks, affiliate, actor="system", campaign="spring", target="/?a=1")
    return Books(house, affiliate, link.code, link.id, studio.workspace_id, studio.name)


def founder(browser: TestClient, house: House) -> dict[str, str]:
    return {"csrf_token": house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))}


# The link


def test_a_link_leads_on_with_its_click_and_leaves_a_cookie(client: TestClient, books: Books) -> None:
    headers = {"user-agent": "Phone 1", "referer": "https://blog.example/best?reader=anna"}
    answer = client.get(f"/a/{books.code}", headers=headers, follow_redirects=False)
    assert answer.status_code == 303
    location = urlsplit(answer.headers["location"])
    query = parse_qs(location.query)
    assert (location.netloc, location.path, query["a"]) == ("", "/", ["1"])
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"pilar_click={query['click'][0]};")
    for attribute in ("HttpOnly", "SameSite=lax", f"Max-Age={60 * 86_400}", "Path=/"):
        assert attribute in cookie
    [row] = _clicks(books.house)
    assert (str(row.id), row.affiliate_id, row.link_id) == (query["click"][0], books.affiliate_id, books.link_id)
    assert row.clicked_at == books.house.app.clocks.business.now()
    assert row.referrer_host == "blog.example"


def test_a_click_tells_visitors_of_a_day_apart_and_keeps_none_of_them(client: TestClient, books: Books) -> None:
    for agent in ("Phone 1", "Phone 1", "Phone 2"):
        client.get(f"/a/{books.code}", headers={"user-agent": agent}, follow_redirects=False)
    books.house.app.clocks.business.advance(timedelta(days=1))  # type: ignore[attr-defined]
    client.get(f"/a/{books.code}", headers={"user-agent": "Phone 1", "referer": "no address"}, follow_redirects=False)
    rows = _clicks(books.house)
    hashes = [bytes(row.visitor_hash) for row in rows]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    assert [row.referrer_host for row in rows] == [None] * 4
    assert not any("testclient" in str(row) or "Phone" in str(row) for row in rows)


@pytest.mark.parametrize("settings", [{"public_url": "https://pilar.test"}], indirect=True)
def test_over_https_the_cookie_is_for_https_only(books: Books) -> None:
    with TestClient(create_app(books.house.app), base_url="https://pilar.test") as client:
        answer = client.get(f"/a/{books.code}", follow_redirects=False)
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("code", ["unknown1", "%00", "a" * 300])
def test_an_unknown_link_leads_nowhere(code: str, browser: TestClient, books: Books) -> None:
    answer = browser.get(f"/a/{code}")
    assert answer.status_code == 404
    assert "Not Found" in answer.text
    assert "pilar_click" not in browser.cookies


def test_a_link_that_is_switched_off_or_whose_affiliate_has_left_leads_nowhere(
    client: TestClient, books: Books
) -> None:
    for statement in ("update affiliate set state = 'closed'", "update affiliate_link set active = false"):
        with books.house.app.database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        assert client.get(f"/a/{books.code}", follow_redirects=False).status_code == 404


# Pages


def test_the_founder_adds_an_affiliate_and_makes_them_a_link(browser: TestClient, house: House) -> None:
    form = founder(browser, house)
    assert "No affiliate yet" in browser.get("/affiliates").text
    added = browser.post("/affiliates", data=form | {"name": " Bram ", "email": "Bram@Blog.test"})
    assert added.status_code == 200
    assert "Nothing was earned yet" in added.text
    again = browser.post("/affiliates", data=form | {"name": "Someone", "email": "bram@blog.test"})
    assert again.url.path == added.url.path
    made = browser.post(f"{added.url.path}/links", data=form | {"campaign": "Spring & <co>", "target": ""})
    assert "Spring &amp; &lt;co&gt;" in made.text
    [address] = [one["href"] for one in Outline(made.text).having("rel", "nofollow")]
    assert str(address).startswith(f"{ORIGIN}/a/")
    listed = browser.get("/affiliates").text
    assert ">Bram</a>" in listed
    assert 'href="/affiliates" aria-current="page"' in listed
    with house.app.database.transaction(Scope.fleet()) as connection:
        actions = connection.exec_driver_sql(
            "select action, actor like 'admin:%%' from audit_log where action like 'affiliates.%%' order by position"
        ).all()
    assert actions == [("affiliates.registered", True), ("affiliates.link_created", True)]


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"email": "nobody"}, {"email": ""}, {"name": "a\0b"}, {"email": "a@b c.test"}]
)
def test_an_affiliate_has_a_name_and_an_address(wrong: dict[str, str], browser: TestClient, house: House) -> None:
    form = founder(browser, house) | {"name": "Bram", "email": "bram@blog.test"}
    assert browser.post("/affiliates", data=form | wrong).status_code == 422


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:x", "/\t/e", "x"])
def test_links_lead_to_pages_of_ours_only(target: str, client: TestClient, books: Books) -> None:
    wanted = {"affiliate_id": str(books.affiliate_id), "target": target}
    answer = client.post("/api/affiliate/links", json=wanted, headers=books.house.bearer(Kind.ADMIN))
    assert answer.status_code == 422


def test_the_founder_sees_whose_payment_it_was_and_the_affiliate_sees_that_it_was_a_studios(
    browser: TestClient, books: Books
) -> None:
    books.earn(1, 1980)
    page = f"/affiliates/{books.affiliate_id}"
    founder(browser, books.house)
    shown = browser.get(page).text
    assert f'<a href="/studios/{books.studio}">{books.studio_name}</a>' in shown
    assert "19.80 EUR" in browser.get("/affiliates").text
    browser.cookies.clear()
    books.house.sign_in(browser, books.house.person("bram@blog.test"))
    assert browser.get("/", follow_redirects=False).headers["location"] == page
    shown = browser.get(page).text
    assert books.studio_name not in shown
    for part in ("a studio", "19.80 EUR", "Commission earned", "held until", f"{ORIGIN}/a/{books.code}"):
        assert part in shown
    assert "/overview" not in shown


def test_a_long_ledger_comes_in_pages(browser: TestClient, books: Books) -> None:
    for number in range(52):
        books.earn(number, 100 + number)
    founder(browser, books.house)
    first = browser.get(f"/affiliates/{books.affiliate_id}").text
    assert first.count("<tr data-kind") == 50
    [older] = [
        attributes["href"]
        for tag, attributes in Outline(first).elements
        if tag == "a" and "cursor=" in (attributes.get("href") or "")
    ]
    assert browser.get(str(older)).text.count("<tr data-kind") == 2


def test_the_pages_hold_nothing_inline(browser: TestClient, books: Books) -> None:
    books.earn(1, 1980)
    founder(browser, books.house)
    for path in ("/affiliates", f"/affiliates/{books.affiliate_id}"):
        for tag, attributes in Outline(browser.get(path).text).elements:
            assert tag != "style"
            assert not any(name == "style" or name.startswith("on") for name in attributes), (path, tag)


# The API


def test_a_dashboard_tells_balances_and_links(client: TestClient, books: Books) -> None:
    books.earn(1, 1980)
    client.get(f"/a/{books.code}", follow_redirects=False)
    answer = client.get(f"/api/affiliate/dashboard/{books.affiliate_id}", headers=books.house.bearer(Kind.ADMIN))
    found = answer.json()
    assert found["balances"] == [
        {"account": "held", "amount_minor": 1980, "currency": "EUR"},
        {"account": "payable", "amount_minor": 0, "currency": "EUR"},
        {"account": "paid_out", "amount_minor": 0, "currency": "EUR"},
    ]
    [link] = found["links"]
    assert (link["address"], link["campaign"], link["clicks"], link["conversions"]) == (
        f"{ORIGIN}/a/{books.code}",
        "spring",
        1,
        1,
    )
    assert (found["name"], found["state"], found["clicks"], found["conversions"]) == ("Bram", "verified", 1, 1)


def test_the_ledger_goes_on_by_cursor_without_gap_or_repetition(client: TestClient, books: Books) -> None:
    for number in range(5):
        books.earn(number, 100 + number)
    headers = books.house.bearer(Kind.ADMIN)
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/api/affiliate/ledger/{books.affiliate_id}", params=query, headers=headers).json()
        seen += [(item["amount_minor"], item["account"], item["kind"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [(104 - number, "held", "earned") for number in range(5)]


def test_what_is_no_affiliate_is_not_found(client: TestClient, house: House) -> None:
    headers = house.bearer(Kind.ADMIN)
    nobody = new_id()
    assert client.get(f"/api/affiliate/dashboard/{nobody}", headers=headers).status_code == 404
    assert client.get(f"/api/affiliate/ledger/{nobody}", headers=headers).status_code == 404
    assert client.post("/api/affiliate/links", json={"affiliate_id": str(nobody)}, headers=headers).status_code == 404
    assert client.post("/api/affiliate/links", json={}, headers=headers).status_code == 422


def test_an_affiliate_makes_links_of_their_own_fifty_a_day(browser: TestClient, books: Books) -> None:
    headers = {"x-csrf-token": books.house.sign_in(browser, books.house.person("bram@blog.test"))}
    for _ in range(49):  # the fiftieth is there already
        made = browser.post("/api/affiliate/links", json={"campaign": "more"}, headers=headers)
        assert (made.status_code, made.json()["affiliate_id"]) == (200, str(books.affiliate_id))
    refused = browser.post("/api/affiliate/links", json={}, headers=headers)
    assert refused.status_code == 429
    assert "retry-after" in refused.headers


def _clicks(house: House) -> list:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return connection.exec_driver_sql("select * from affiliate_click order by clicked_at, id").all()
