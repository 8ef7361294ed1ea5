"""The studio's owner reads mail, accepts Meta's terms, and does not give up."""

from __future__ import annotations

import smtplib
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest

from provider_sandbox.mail import Mail
from provider_sandbox.owner import address_of, links_in
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.product import Answer, Product, Received, running_product

SETUP = '<main data-state="{state}"><a data-action="connect-whatsapp" href="{href}">Connect</a></main>'


def studio(sandbox: RunningSandbox, product: Product, *, through_product: bool) -> Callable[[Received], Answer]:
    """A product page as small as can be: set-up, redirect to the dialog, callback."""
    query = {
        "client_id": sandbox.config.meta_app_id,
        "redirect_uri": f"{product.url}/callback?from=meta",
        "state": "studio-1",
        "config_id": "1",
        "response_type": "code",
    }
    dialog = f"{sandbox.base_url}/meta/v23.0/dialog/oauth?{urlencode(query)}"

    def respond(request: Received) -> Answer:
        if request.path.startswith("/setup/"):
            href = "/connect" if through_product else dialog.replace("&", "&amp;")
            state = "done" if product.at("/callback") else "waiting"
            return Answer(body=SETUP.format(state=state, href=href))
        if request.path == "/connect":
            return Answer(303, headers={"Location": dialog})
        if request.path == "/callback" and {"code", "state", "from"} <= request.query.keys():
            return Answer(body="<p>Connected.</p>")
        return Answer(404)

    return respond


def send(sandbox: RunningSandbox, link: str, *, html: bool = False, to: str = "anna@studio.example") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "PILAR <no-reply@localhost>", to, "Één stap — nog"
    message.set_content("See the other part." if html else f"Open this link:\n\n{link}.\n\nThank you.")
    if html:
        message.add_alternative(f'<p><a href="{link}">Set up</a></p>', subtype="html")
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as server:
        server.send_message(message)


@pytest.mark.parametrize("through_product", [True, False])
def test_the_owner_follows_the_mail_through_the_dialog_back_to_the_product(
    sandbox: RunningSandbox, product: Product, through_product: bool
):
    product.respond = studio(sandbox, product, through_product=through_product)
    send(sandbox, f"{product.url}/setup/abc?t=1", html=through_product)
    sandbox.wait_idle()

    [callback] = product.at("/callback")
    assert (callback.query["state"], callback.query["from"]) == ("studio-1", "meta")
    [visit] = sandbox.owners()
    assert (visit["email"], visit["state"], visit["attempts"]) == ("anna@studio.example", "done", 1)
    assert sandbox.effects() == {"mail.sent": 1, "meta.waba_connected": 1}


def test_the_owner_does_nothing_where_nothing_is_left_to_do(sandbox: RunningSandbox, product: Product):
    product.respond = lambda _request: Answer(body=SETUP.format(state="done", href="/connect"))
    send(sandbox, f"{product.url}/setup/abc")
    sandbox.wait_idle()

    assert [request.path for request in product.received] == ["/setup/abc"]
    assert sandbox.owners()[0]["state"] == "done"


def test_a_reminder_makes_the_owner_look_again_and_accept_once(sandbox: RunningSandbox, product: Product):
    product.respond = studio(sandbox, product, through_product=True)
    for _time in range(2):
        send(sandbox, f"{product.url}/setup/abc")
    sandbox.wait_idle()

    assert [visit["state"] for visit in sandbox.owners()] == ["done", "done"]
    assert len(product.at("/setup/abc")) == 2
    assert len(product.at("/callback")) == sandbox.effects()["meta.waba_connected"] == 1
    assert sandbox.effects_by_key()["mail.sent", "anna@studio.example"] == 2


def test_a_slow_owner_comes_to_their_mail_in_business_time_and_some_never(sandbox: RunningSandbox, product: Product):
    product.respond = studio(sandbox, product, through_product=True)
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def move_to(moment: datetime) -> None:
        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=moment, rate=0.0)
        sandbox.wait_idle()

    move_to(start)
    sandbox.set_owner_habit("anna@studio.example", 20)
    sandbox.set_owner_habit("never@studio.example", None)
    send(sandbox, f"{product.url}/setup/abc")
    send(sandbox, f"{product.url}/setup/never", to="never@studio.example")
    move_to(start + timedelta(hours=19))
    send(sandbox, f"{product.url}/setup/abc")
    sandbox.wait_idle()
    assert not product.at("/setup/abc")
    move_to(start + timedelta(hours=20))
    changed = sandbox.client.get("/control/owners").json()
    assert [(visit["email"], visit["state"]) for visit in changed] == [("anna@studio.example", "done")]
    assert len(product.at("/callback")) == 1
    move_to(start + timedelta(days=300))
    assert not product.at("/setup/never")
    assert sandbox.client.put("/control/owners", json={"email": "x@y.example", "hours": -1}).status_code == 422


@pytest.mark.parametrize("path", ["/setup/abc", "/connect", "/callback"])
def test_whatever_fails_on_the_way_is_tried_again(sandbox: RunningSandbox, product: Product, path: str):
    works = studio(sandbox, product, through_product=True)
    failures = iter([500, 404])

    def respond(request: Received) -> Answer:
        status = next(failures, None) if request.path == path else None
        if status:
            product.received.remove(request)
            return Answer(status)
        return works(request)

    product.respond = respond
    send(sandbox, f"{product.url}/setup/abc")
    sandbox.wait_idle()

    [visit] = sandbox.owners()
    assert (visit["state"], visit["attempts"]) == ("done", 3)
    assert len(product.at("/callback")) == 1
    assert sandbox.effects()["meta.waba_connected"] == 1


def test_a_page_that_is_not_as_expected_is_told_and_tried_again(sandbox: RunningSandbox, product: Product):
    seen = threading.Semaphore(0)

    def respond(_request: Received) -> Answer:
        seen.release()
        return Answer(body="<h1>Coming soon</h1>")

    product.respond = respond
    send(sandbox, f"{product.url}/setup/abc")
    # The second attempt begins after the first was written down.
    assert all(seen.acquire(timeout=30) for _attempt in range(2))

    [visit] = sandbox.owners()
    assert (visit["state"], visit["last_status"]) == ("pending", 200)
    assert "offers no way to connect" in visit["last_error"]


def test_a_visit_outlives_the_sandbox_and_waits_for_the_product(tmp_path: Path):
    config = sandbox_config(tmp_path / "state")
    with running_product() as gone:
        port = int(gone.url.rpartition(":")[2])
    with running_sandbox(config) as sandbox:
        send(sandbox, f"http://127.0.0.1:{port}/setup/abc")
    with running_sandbox(config) as sandbox, running_product(port) as product:
        product.respond = studio(sandbox, product, through_product=True)
        sandbox.wait_idle()
        assert sandbox.owners()[0]["state"] == "done"
        assert len(product.at("/callback")) == 1


def test_the_owner_takes_some_time(tmp_path: Path, product: Product):
    with running_sandbox(sandbox_config(tmp_path, owner_delay=3600.0)) as sandbox:
        send(sandbox, f"{product.url}/setup/abc")
        with pytest.raises(AssertionError, match="still busy"):
            sandbox.wait_idle(0.1)
        assert sandbox.owners()[0]["attempts"] == 0
    assert product.received == []


def test_mail_is_kept_as_it_came_and_found_by_its_recipient(sandbox: RunningSandbox):
    send(sandbox, "https://product.example/other/page", to="anna@studio.example, ben@studio.example")
    send(sandbox, "https://product.example/other/page", html=True, to="ben@studio.example")

    assert len(sandbox.mails()) == len(sandbox.mails("ben@studio.example")) == 2
    [mail] = sandbox.mails("anna@studio.example")
    assert mail["subject"] == "Één stap — nog"
    assert "https://product.example/other/page" in mail["text"]
    assert sandbox.effects_by_key()["mail.sent", "ben@studio.example"] == 2
    assert sandbox.owners() == []


def test_a_mail_server_with_a_password_is_answered_too(sandbox: RunningSandbox):
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as server:
        server.login("anybody", "anything")
        server.sendmail("a@b.example", ["c@d.example"], "Subject: hi\r\n\r\nhello\r\n")

    assert [mail["subject"] for mail in sandbox.mails()] == ["hi"]


def test_only_set_up_links_are_opened_and_each_once():
    first, second = "https://p.example/setup/a?x=1&y=2", "https://p.example/setup/b"
    text = f"Go to {first}, or ({second}). Not {second.replace('setup', 'login')}?next={quote('/setup/')}"
    html = f'<a href="{first.replace("&", "&amp;")}">here</a>'

    assert links_in(Mail(("a@b.example",), "", text, html)) == [first, second]


def test_the_overview_shows_what_happened(sandbox: RunningSandbox):
    sandbox.sign_up()
    send(sandbox, "https://product.example/other", to="<b>@studio.example")
    page = httpx.get(sandbox.base_url).text

    assert "mail.sent" in page
    assert "customers" in page


def test_each_owner_comes_from_an_address_of_their_own() -> None:
    here, there = "http://127.0.0.1:8000/setup/x", "https://pilar.example/setup/x"
    found = {address_of(f"owner{number}@studio.example", here) for number in range(50)}
    assert len(found) == 50 or not sys.platform.startswith("linux")
    assert address_of("owner1@studio.example", here) == address_of("owner1@studio.example", here)
    assert address_of("owner1@studio.example", there) is None
