"""The shared inbox: seeing who waits, answering once, and why something was not sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.security import api_tokens, sessions
from pilar.security.principals import Kind
from pilar.workspaces.store import ensure_membership, ensure_person
from tests.fixtures.opened import LEAD, Studio, open_studio
from tests.webhook_ingest.test_pages import Outline
from webhook_ingest.app import create_app
from webhook_ingest.dashboards.authors import author


class Staff:
    """Somebody at a browser."""

    def __init__(self, client: TestClient, studio: Studio, role: str, name: str) -> None:
        system = studio.system
        now = system.clock.now()
        with system.database.transaction(Scope.fleet()) as connection:
            person = ensure_person(
                connection, email=f"{role}@staff.test", name=name, phone=None, now=now, is_founder=role == "founder"
            )
            if role != "founder":
                ensure_membership(connection, studio.id, person, role, now)
            link = sessions.make_sign_in_link(connection, person, actor="system", now=now)
        client.cookies.clear()
        assert client.post(f"/sign-in/link/{link}", follow_redirects=False).status_code == 303
        with system.database.transaction(Scope.fleet()) as connection:
            self.csrf = sessions.resolve(connection, client.cookies["pilar_session"], now).csrf_secret
        self.client, self.studio = client, studio
        self.home = f"/studios/{studio.id}/conversations"

    def sees(self, path: str = "") -> str:
        answer = self.client.get(self.home + path)
        assert answer.status_code == 200
        return answer.text

    def sends(self, path: str, **form: str) -> Any:
        answer = self.client.post(self.home + path, data={"csrf_token": self.csrf, **form}, follow_redirects=False)
        self.studio.system.settle()
        return answer

    def form_id(self, lead: UUID) -> str:
        [field] = Outline(self.sees(f"/{lead}")).having("name", "form_id")
        return str(field["value"])


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    return opened_studio


@pytest.fixture
def browser(studio: Studio) -> Iterator[TestClient]:
    url = studio.system.public_url
    with TestClient(create_app(studio.system.app), base_url=url) as opened:
        opened.headers.update({"accept": "text/html", "origin": url})
        yield opened


@pytest.fixture
def member(studio: Studio, browser: TestClient) -> Staff:
    return Staff(browser, studio, "member", "Sanne")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def rows(page: str, name: str) -> list[str | None]:
    return [attributes[name] for _, attributes in Outline(page).elements if name in attributes]


def test_the_inbox_shows_who_waits_and_what_they_said(studio: Studio, member: Staff) -> None:
    assert "Nobody waits for a person" in words(member.sees())
    studio.writes("Ik wil een medewerker spreken", sender="+31687654321")
    studio.writes("And <b>quickly</b>, please.", sender="+31687654321")
    studio.writes("Hi")
    page = member.sees()
    assert "1 waits for a person" in words(page)
    waiting = str(studio.lead("+31687654321"))
    assert rows(page, "data-lead")[0] == waiting
    assert "And &lt;b&gt;quickly&lt;/b&gt;, please." in page
    assert "Free text for 2" in words(page)  # 23 hours more
    assert rows(member.sees("?who=person"), "data-lead") == [waiting]
    assert len(rows(member.sees("?who=bot"), "data-lead")) == 2  # and the owner's test message
    assert member.client.get(f"{member.home}?who=nobody").status_code == 422
    assert member.client.get(f"{member.home}?cursor=nonsense").status_code == 422


def test_a_long_list_has_more_pages(studio: Studio, member: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    from webhook_ingest.dashboards import conversations

    studio.writes("Hi")
    studio.writes("Hi", sender="+31687654321")
    monkeypatch.setattr(conversations, "_PER_PAGE", 2)
    page = member.sees()
    [more] = [link for link in rows(page, "href") if link and "cursor=" in link]
    following = member.client.get(str(more).replace("&amp;", "&")).text
    assert len({*rows(page, "data-lead"), *rows(following, "data-lead")}) == 3
    assert "cursor=" not in following


def test_a_member_answers_once_per_form_and_takes_the_conversation_over(studio: Studio, member: Staff) -> None:
    studio.writes("What does it cost?")
    lead = studio.lead()
    assert "The bot answers" in member.sees(f"/{lead}")
    form_id = member.form_id(lead)
    for _ in range(2):
        answer = member.sends(f"/{lead}/answer", form_id=form_id, text="Forty a month.\r\nCome by!")
        assert (answer.status_code, "notice=answered" in answer.headers["location"]) == (303, True)
    assert studio.out("text, state") == [("Forty a month.\nCome by!", "read")]
    text = words(member.sees(f"/{lead}?notice=answered"))
    assert "Your answer is on its way." in text
    assert "A person answers" in text
    assert "Taken over by the staff." in text
    assert "Sanne ·" in text
    assert re.search(r"Read · sent \d\d:\d\d , delivered \d\d:\d\d , read \d\d:\d\d", text)


def test_the_bots_answers_name_their_rule(studio: Studio, member: Staff) -> None:
    studio.writes("What does it cost?")
    assert "Bot, rule “Prices” ·" in words(member.sees(f"/{studio.lead()}"))


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("rule:00000000-0000-7000-8000-000000000001", "Known"),
        ("staff:owner:00000000-0000-7000-8000-000000000001", "Known"),
        ("rule:00000000-0000-7000-8000-000000000002", "Bot"),
        ("staff:token:00000000-0000-7000-8000-000000000002", "Staff"),
        ("rule:fallback", "Bot, no rule matched"),
        ("staff:system", "Staff"),
        ("coach:morning", "Coach"),
        ("test", "Test message"),
        ("notice:opted_out", "PILAR"),
    ],
)
def test_every_origin_has_a_word(origin: str, said: str) -> None:
    assert author(origin, {UUID(int=0x7000_8000_0000_0000_0001): "Known"}) == said


def test_what_cant_be_sent_stays_on_the_page_as_it_was_typed(studio: Studio, member: Staff) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    form_id = member.form_id(lead)
    answer = member.sends(f"/{lead}/answer", form_id=form_id, text="  \n ")
    assert answer.status_code == 422
    assert "Write something first." in answer.text
    answer = member.sends(f"/{lead}/answer", form_id=form_id, text="x" * 4_097)
    assert answer.status_code == 422
    assert "x" * 4_097 in answer.text
    studio.writes("stop")
    answer = member.sends(f"/{lead}/answer", form_id=form_id, text="But <i>wait</i>!")
    assert answer.status_code == 409
    assert "This lead asked for no more messages." in answer.text
    assert "But &lt;i&gt;wait&lt;/i&gt;!" in answer.text
    [field] = Outline(answer.text).having("name", "form_id")
    assert field["value"] == form_id
    assert [button for tag, button in Outline(answer.text).elements if tag == "button" and "disabled" in button]
    assert studio.out() == [("notice:opted_out", "read")]


def test_a_conversation_is_taken_over_and_handed_back(studio: Studio, member: Staff) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    for path, mode in (("take-over", "person"), ("take-over", "person"), ("hand-back", "bot")):
        assert member.sends(f"/{lead}/{path}").status_code == 303
        assert rows(member.sees(f"/{lead}"), "data-mode") == [mode]
    actions = studio.system.column("select action from audit_log where action like 'conversation.%%' order by position")
    assert actions == ["conversation.taken_over", "conversation.assigned", "conversation.handed_back"]


def test_forms_without_their_token_change_nothing(studio: Studio, member: Staff) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    for path in ("answer", "take-over", "hand-back"):
        form = {"csrf_token": "guess", "form_id": str(uuid4()), "text": "Hello"}
        assert member.client.post(f"{member.home}/{lead}/{path}", data=form).status_code == 403
    assert studio.out() == []


def test_another_studios_conversation_is_not_there(studio: Studio, browser: TestClient) -> None:
    studio.writes("Hi")
    other = open_studio(studio.system, "Studio Zuid")
    stranger = Staff(browser, other, "owner", "Otto")
    lead = studio.lead()
    assert browser.get(f"/studios/{studio.id}/conversations/{lead}").status_code == 403
    assert browser.get(f"{stranger.home}/{lead}").status_code == 404
    for path in ("answer", "take-over", "hand-back"):
        answer = stranger.sends(f"/{lead}/{path}", form_id=str(uuid4()), text="Hello")
        assert answer.status_code == 404
    assert studio.out() == []


def test_why_is_on_the_page_and_in_the_api(studio: Studio, browser: TestClient) -> None:
    founder = Staff(browser, studio, "founder", "Fo")
    studio.writes("Hi")
    lead = studio.lead()
    switch = {"csrf_token": founder.csrf, "kind": "pause", "turn": "on", "reason": "A drill"}
    assert browser.post(f"/studios/{studio.id}/controls", data=switch, follow_redirects=False).status_code == 303
    founder.sends(f"/{lead}/answer", form_id=founder.form_id(lead), text="Hello!")
    page = founder.sees(f"/{lead}")
    assert "Why is this kept back?" in page
    assert "Sending is paused: this studio (A drill)." in page
    [message] = studio.system.column("select id from message where origin like 'staff:%%'")
    with studio.system.database.transaction(Scope.fleet()) as connection:
        token = api_tokens.create(
            connection, name="t", kind=Kind.MEMBER, actor="system", now=studio.system.clock.now(),
            workspace_id=studio.id,
        )  # fmt: skip
    headers = {"authorization": f"Bearer {token.plain}", "accept": "application/json"}
    address = f"/api/messaging/{studio.id}/messages"
    told = browser.get(f"{address}/{message}/why", headers=headers).json()
    assert told["state"] == "held"
    assert told["decision"]["action"] == "hold"
    assert told["decision"]["reasons"] == [{"code": "paused", "sentence": "Sending is paused: this studio (A drill)."}]
    assert told["facts"]["paused"] == ["this studio (A drill)"]
    assert told["is_the_same"] is True
    [theirs] = studio.system.column("select id from message where direction = 'in'")
    assert browser.get(f"{address}/{theirs}/why", headers=headers).status_code == 404
    assert studio.system.column("select phone from lead where lifecycle = 'lead'") == [LEAD]
    assert LEAD not in str(told)


def test_what_is_opened_and_typed_survives_the_refresh_of_the_thread(studio: Studio, member: Staff) -> None:
    studio.writes("Hi")
    page = Outline(member.sees(f"/{studio.lead()}"))
    refreshed = {attributes["id"] for _, attributes in page.elements if "data-refresh" in attributes}
    assert {"thread", "who-answers", "send", "in-force"} <= refreshed
    assert not {"text", "latest"} & refreshed


def test_staff_tell_whether_a_message_refuses_by_page_and_by_api(studio: Studio, member: Staff) -> None:
    said = "This may be a refusal, and you have to tell."
    for sender in (LEAD, "+31687654321"):
        studio.writes("Genoeg nu!", sender=sender)
    lead, other = studio.lead(), studio.lead("+31687654321")
    listed = member.sees("?who=unclear")
    assert set(rows(listed, "data-lead")) == {str(lead), str(other)} and "Perhaps refusing 2" in words(listed)
    page = member.sees(f"/{lead}")
    assert said in words(page) and "no model that may read it" in words(page)
    messages = dict(studio.system.rows("select lead_id, message_id from refusal_question"))
    address = f"/{lead}/refusals/{messages[lead]}"
    assert member.sends(address, refuses="no").status_code == 303
    assert member.sends(address, refuses="yes").status_code == 409, "somebody has told"
    assert "does not refuse, as Sanne told." in words(member.sees(f"/{lead}"))
    api = f"/api/conversations/{studio.id}/{other}"
    headers = {"x-csrf-token": member.csrf, "accept": "application/json"}
    answer = member.client.post(f"{api}/refusals/{messages[other]}", json={"refuses": True}, headers=headers)
    assert answer.status_code == 200, answer.text
    [told] = member.client.get(api, headers=headers).json()["refusals"]
    assert (told["found"], told["state"], told["message_id"]) == ("all", "settled", str(messages[other]))
    unknown = member.client.post(f"{api}/refusals/{messages[lead]}", json={"refuses": True}, headers=headers)
    assert unknown.status_code == 404
    assert rows(member.sees("?who=unclear"), "data-lead") == []
