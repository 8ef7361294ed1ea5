"""The sandbox's pages: each opens, is safe, and does what its buttons say."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from provider_sandbox.pages import Page
from provider_sandbox.testing import RunningSandbox
from provider_sandbox.web.acting import Refused, document, minor_units
from tests.provider_sandbox.graph import LEAD, STUDIO, Studio
from tests.provider_sandbox.product import Answer, Product
from tests.provider_sandbox.test_site_mails import post as mail
from tests.provider_sandbox.visitor import Visitor


@pytest.fixture
def visitor(sandbox: RunningSandbox) -> Visitor:
    return Visitor(sandbox)


def test_every_page_that_a_link_leads_to_opens_without_anything_inline(visitor: Visitor, studio: Studio) -> None:
    sandbox = visitor.sandbox
    sandbox.sign_up("Studio <b>Noord</b>")
    studio.graph.submit("hello", "Hello {{1}} there")
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="<script>alert(1)</script>", name="Sam")
    mail(sandbox, "anna@studio.example", "Your studio", "Go on at http://127.0.0.1:1/setup/x now.")
    seen, ahead = set(), ["/"]
    while ahead:
        path = ahead.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = sandbox.client.get(path)
        assert answer.status_code == 200, f"{path} answered {answer.status_code}"
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        page = Page(answer.text)
        assert [tag for tag, attributes in page.elements if "style" in attributes or tag == "style"] == [], path
        assert [attributes for tag, attributes in page.elements if tag == "script" and "src" not in attributes] == []
        assert len([tag for tag, _attributes in page.elements if tag == "h1"]) == 1, path
        # Parts are exchanged by their ids.
        ids = [attributes["id"] for _tag, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        parts = [attributes for _tag, attributes in page.elements if "data-live" in attributes]
        assert all("id" in attributes for attributes in parts), path
        links = [urljoin(path, link.partition("#")[0]) for link in page.links()]
        ahead += [link for link in links if not urlsplit(link).netloc and not link.startswith("/control/")]
    kinds = {path.split("/")[1].split("?")[0] for path in seen}
    assert kinds >= {"", "phones", "stripe-dashboard", "meta-dashboard", "twilio-dashboard", "models", "mails"}
    assert kinds >= {"deliveries", "faults"}
    assert any("customers/cus_" in path for path in seen)
    assert any(path.startswith("/meta-dashboard/") for path in seen)


def test_the_overview_tells_what_there_is_what_goes_on_and_what_time_it_is(visitor: Visitor) -> None:
    sandbox = visitor.sandbox
    sandbox.sign_up()
    page = visitor.open("/")
    assert "customers 1" in page
    assert "webhooks to the product" in page, "nobody listens yet"
    assert "Everybody behaves." in page
    sandbox.set_faults(7, [{"provider": "stripe", "kind": "outage"}])
    page = visitor.open("/")
    assert "1 rule of misbehaviour" in page
    assert "Everybody behaves again." in visitor.press("/", "Clear faults")
    assert sandbox.faults()["rules"] == []


def test_money_is_moved_from_a_customers_page(visitor: Visitor) -> None:
    sandbox = visitor.sandbox
    paid = sandbox.sign_up()
    home = f"/stripe-dashboard/customers/{paid['customer']}"
    page = visitor.press(home, "Refund", **{"amount:money": "12.50"})
    assert "12.50 EUR was given back." in page
    [charge] = sandbox.objects("stripe.charge")
    assert charge["amount_refunded"] == 1250
    assert "'a lot' is no amount: write it like 12.50" in visitor.press(home, "Refund", **{"amount:money": "a lot"})
    assert "greater than" in visitor.press(home, "Refund", **{"amount:money": "1000"})
    visitor.press(home, "Refund")
    assert sandbox.objects("stripe.charge")[0]["refunded"]
    visitor.press(home, "Renew now")
    assert len(sandbox.objects("stripe.invoice")) == 2
    visitor.press(home, "Dispute")
    assert "won" in visitor.press(home, "PILAR wins the dispute")
    visitor.press(home, "Let the card fail")
    assert "past due" in visitor.press(home, "Renew now")
    assert "active" in visitor.press(home, "New card that pays")
    assert "BASIC" in visitor.press(home, "Change to BASIC")
    assert "and ends then" in visitor.press(home, "Cancel with the period")
    page = visitor.press(home, "Cancel now")
    assert "canceled" in page
    assert "Renew now" not in page


def test_a_visitor_pays_on_the_page_and_is_told_what_is_wrong(visitor: Visitor) -> None:
    person = {"studio": "Studio Zuid", "owner_name": "Kim", "email": "kim@studio.example"}
    page = visitor.press("/stripe-dashboard", "Pay", **person, country="nl")
    assert "country: String should match pattern" in page
    page = visitor.press("/stripe-dashboard", "Pay", **person)
    assert "Paid: watch the studio come into being" in page
    assert "Studio Zuid" in page
    visitor.press("/stripe-dashboard", "Top the balance up", **{"amount:money": "100"})
    assert "100.00 EUR" in visitor.open("/stripe-dashboard")


def test_connect_accounts_are_onboarded_and_restricted(visitor: Visitor, payments: Any) -> None:
    account = payments.v1.accounts.create({"email": "jo@studio.example", "country": "NL", "type": "express"})
    home = f"/stripe-dashboard/accounts/{account.id}"
    assert "has to tell more" in visitor.open("/stripe-dashboard")
    assert "can be paid" in visitor.press(home, "Tell everything")
    assert "individual.id_number" in visitor.press(home, "Ask for more, hold the money")


def test_meta_decides_about_businesses_numbers_and_templates(visitor: Visitor, studio: Studio) -> None:
    sandbox, graph = visitor.sandbox, studio.graph
    template = graph.submit("hello", "Hello there, you")["id"]
    home = f"/meta-dashboard/{graph.waba}"
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hi")
    visitor.press(home, "Reject")
    assert graph.call("GET", template)["status"] == "REJECTED"
    visitor.press(home, "Approve")
    visitor.press(home, "Pause")
    assert graph.call("GET", template)["status"] == "PAUSED"
    assert "Quality red" in visitor.press(home, "Quality red")
    assert graph.call("GET", studio.phone_id)["quality_rating"] == "RED"
    visitor.press(home, "Set", tier="TIER_2K")
    assert "2k people a day" in visitor.open(home)
    visitor.press(home, "Restrict for a day", **{"restriction.kinds.0": "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"})
    assert studio.code() == 368
    visitor.press("/meta-dashboard", "Answer so", code="131026")
    assert "131026" in visitor.open("/meta-dashboard")
    visitor.press("/meta-dashboard", "Play none")
    assert sandbox.played_answers() == []


def test_twilio_suspends_and_takes_away(visitor: Visitor, twilio: Any) -> None:
    [offer] = twilio.available_phone_numbers("US").local.list(limit=1)
    number = twilio.incoming_phone_numbers.create(phone_number=offer.phone_number).phone_number
    visitor.press("/twilio-dashboard", "Set", number=LEAD, line="landline")
    twilio.messages.create(to=LEAD, from_=number, body="Hi")
    visitor.sandbox.wait_idle()
    assert "undelivered 30006" in visitor.open("/twilio-dashboard")
    assert "suspended" in visitor.press("/twilio-dashboard", "Suspend")
    visitor.press("/twilio-dashboard", "Reactivate")
    visitor.press("/twilio-dashboard", "Take away")
    assert twilio.incoming_phone_numbers.list() == []


def test_models_answers_are_put_ready_and_questions_are_read(visitor: Visitor) -> None:
    sandbox = visitor.sandbox
    visitor.press("/models", "Put it ready", match="cost", words="49 euros.")
    visitor.press("/models", "Put it ready", kind="error", words="overloaded")
    assert "is no pattern" in visitor.press("/models", "Put it ready", match="(", words="x")
    listed = sandbox.client.get(
        "/openai/v1/models", headers={"Authorization": f"Bearer {sandbox.config.openai_api_key}"}
    )
    model = listed.json()["data"][0]["id"]
    question = {"model": model, "messages": [{"role": "user", "content": "What does it cost?"}]}
    headers = {"Authorization": f"Bearer {sandbox.config.openai_api_key}"}
    answer = sandbox.client.post("/openai/v1/chat/completions", headers=headers, json=question)
    assert answer.json()["choices"][0]["message"]["content"] == "49 euros."
    page = visitor.open("/models")
    assert "What does it cost?" in page
    assert "49 euros." in page
    visitor.press("/models", "Put none ready")
    assert sandbox.client.get("/control/models/answers").json() == []


def test_a_webhook_is_looked_at_and_sent_again(visitor: Visitor, product: Product) -> None:
    sandbox = visitor.sandbox
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    sandbox.sign_up()
    sandbox.wait_idle()
    before = product.at("/hook")
    [first, *_] = sandbox.deliveries()
    page = visitor.open(f"/deliveries/{first['id']}")
    assert "answered 200" in page
    assert first["event_id"] in page
    assert "It is sent once more." in visitor.press(f"/deliveries/{first['id']}", "Send again")
    sandbox.wait_idle()
    assert [request.body for request in product.at("/hook")][len(before) :] == [before[0].body]
    product.respond = lambda _request: Answer(503)
    sandbox.send_again(first["id"])
    assert sandbox.client.post("/control/deliveries/999/again").status_code == 404
    assert "None." in visitor.open("/deliveries?provider=twilio")
    product.respond = lambda _request: Answer()
    visitor.press("/deliveries?fared=pending", "Send what waits now")
    sandbox.wait_idle()
    assert sandbox.client.get("/deliveries/999").status_code == 404


def test_faults_are_drawn_added_and_cleared(visitor: Visitor) -> None:
    sandbox = visitor.sandbox
    assert "rules are in force" in visitor.press("/faults", "Draw", seed="17", intensity="0.5")
    drawn = sandbox.faults()
    assert drawn["seed"] == 17
    assert "intensity 2.0 is not above 0" in visitor.press("/faults", "Draw", intensity="2")
    visitor.press("/faults", "Add", provider="meta", kind="webhook drop", path="messages", probability="0.5", most="3")
    rules = sandbox.faults()["rules"]
    assert len(rules) == len(drawn["rules"]) + 1
    assert (rules[-1]["direction"], rules[-1]["kind"], rules[-1]["most"]) == ("webhook", "drop", 3)
    assert "sends no webhooks" in visitor.press("/faults", "Add", provider="mail", kind="webhook drop")
    visitor.press("/faults", "Clear")
    assert "In force Everybody behaves." in visitor.open("/faults")


def test_a_notice_is_told_once_and_looking_for_news_takes_none_away(visitor: Visitor) -> None:
    client = visitor.sandbox.client
    answer = client.post("/act/DELETE/faults", data={"back": "/faults", "told": "Everybody behaves again."})
    assert answer.headers["location"] == "/faults"
    assert "again." not in client.get("/faults", headers={"X-Refresh": "1"}).text
    assert "Everybody behaves again." in visitor.open("/faults")
    assert "again." not in visitor.open("/faults")
    client.cookies.set("notice", "nonsense")
    visitor.open("/faults")


def test_what_is_not_there_is_told_as_a_page_to_people_and_as_a_document_to_programs(visitor: Visitor) -> None:
    client = visitor.sandbox.client
    answer = client.get("/stripe-dashboard/customers/cus_none", headers={"Accept": "text/html"})
    assert (answer.status_code, "There is no such customer." in answer.text) == (404, True)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/stripe-dashboard/customers/cus_none").json() == {"detail": "There is no such customer."}


def test_news_change_when_something_has_happened(visitor: Visitor) -> None:
    client = visitor.sandbox.client
    before = client.get("/live").json()
    assert client.get("/live").json() == before
    visitor.sandbox.sign_up()
    assert client.get("/live").json() != before


def test_another_sites_form_does_nothing(visitor: Visitor) -> None:
    sandbox = visitor.sandbox
    sandbox.set_faults(7, [{"provider": "stripe", "kind": "outage"}])
    foreign = ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"})
    for headers in foreign:
        for path in ("/act/DELETE/faults", "/faults/drawn", "/phones", "/models/answers", "/faults/rules"):
            assert sandbox.client.post(path, headers=headers, data={"back": "/"}).status_code == 403, (headers, path)
    assert len(sandbox.faults()["rules"]) == 1
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert sandbox.client.post("/act/DELETE/faults", headers=own, data={"back": "/"}).status_code == 303


def test_a_form_leads_back_to_this_site_only(visitor: Visitor) -> None:
    for back in ("//evil.example/", "/\\evil.example", "https://evil.example/", "evil"):
        answer = visitor.sandbox.client.post("/act/DELETE/faults", data={"back": back})
        assert answer.headers["location"] == "/", back


def test_a_form_does_nothing_but_what_the_control_api_can(visitor: Visitor) -> None:
    client = visitor.sandbox.client
    assert client.post("/act/GET/state").status_code == 404
    client.post("/act/POST/nothing/like/this", data={"back": "/faults"})
    assert "Not Found" in visitor.open("/faults")


def test_fields_become_a_document() -> None:
    fields = {"a": "1", "b.0.c": "x", "b.1.c": "y", "d.e": "z", "amount:money": "12,5"}
    assert document(fields) == {"a": "1", "b": [{"c": "x"}, {"c": "y"}], "d": {"e": "z"}, "amount": 1250}
    with pytest.raises(Refused, match="without a gap"):
        document({"a.1": "x"})


@pytest.mark.parametrize("text", ["", "12.505", "NaN", "Infinity", "1e99999999999", "1000000000", "12 EUR"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is no amount"):
        minor_units(text)
