"""What leads send besides words: stored by kind, offered to rules, fetched once, changed and taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.agents.catalogue import save_rule
from pilar.agents.rules import RuleDocument
from pilar.database.engine import Scope
from pilar.errors import NotFound
from pilar.messaging import conversations, media, people_room_store
from pilar.messaging.wording import Wish, wish_of
from pilar.people import About
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.contents import Revision, details_of, revision_of, text_of
from pilar.providers.whatsapp.files import may_have_token
from pilar.workspaces import store as workspaces
from tests.agents.looking import assert_promises_hold, fired, told
from tests.fixtures.opened import LEAD, Studio


def sends(studio: Studio, kind: str, text: str = "", **more: Any) -> str:
    """A lead sends something, and everything that follows from it happens; its id at WhatsApp."""
    wamid = studio.system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text=text, type=kind, **more)
    studio.system.settle()
    return wamid


def rule(name: str, condition: dict[str, Any], text: str) -> RuleDocument:
    document = {"name": name, "conditions": [condition], "actions": [{"type": "send_text", "texts": {"nl": text}}]}
    return RuleDocument.model_validate({**document, "priority": 99})


def test_each_kind_is_kept_and_rules_may_ask_for_kind_and_choice(studio: Studio) -> None:
    studio.run(save_rule, studio.id, rule("place", {"type": "message_kind", "value": ["location"]}, "Dichtbij!"), "o:1")
    choice = {"type": "choice", "operator": "starts_with", "value": ["plan:"]}
    studio.run(save_rule, studio.id, rule("plan", choice, "Goede keuze."), "o:1")
    first = sends(studio, "text", "Hoi")
    sends(studio, "location", "Thuis")
    sends(studio, "button", "Basis", fields={"payload": "plan:basic"})
    sends(
        studio, "interactive", "Rij 1", fields={"type": "list_reply", "list_reply": {"id": "plan:pro", "title": "Pro"}}
    )
    sends(studio, "contacts", "Bo Bos")
    sends(studio, "reaction", "👍", context=first)
    sends(studio, "document", "Mijn schema")
    assert [name for name, _, _ in fired(studio)] == ["greeting", "place", "plan", "plan", None]
    assert told(studio)[1:4] == ["Dichtbij!", "Goede keuze.", "Goede keuze."]
    kept = {kind: (text, details) for kind, text, details in studio.system.rows(
        "select kind, text, details from message where direction = 'in'"
    )}  # fmt: skip
    assert kept["location"] == (None, {"latitude": 52.37, "longitude": 4.9, "name": "Thuis"})
    assert kept["button"] == ("Basis", {"choice": "plan:basic", "form": "button"})
    assert kept["interactive"] == ("Pro", {"choice": "plan:pro", "form": "list_reply"})
    assert kept["contacts"][1] == {"contacts": [{"name": "Bo Bos", "phones": ["+31 6 11111111"]}]}
    assert kept["reaction"] == (None, {"emoji": "👍", "to": first})
    assert kept["document"][0] == "Mijn schema"
    assert_promises_hold(studio.system)


def test_a_file_is_fetched_once_kept_up_to_a_size_and_forgotten(studio: Studio) -> None:
    system = studio.system
    wamid = sends(studio, "image", "Mijn knie", repeat=2)
    [(message_id, state, size)] = system.rows("select message_id, state, size from message_media")
    assert state == "kept"
    with system.database.transaction(Scope.workspace(studio.id)) as connection:
        file = media.read(connection, studio.id, studio.lead(), message_id)
    assert (file.mime_type, file.is_shown, len(file.content)) == ("image/png", True, size)
    assert file.content.startswith(b"\x89PNG")
    sends(studio, "revoke", context=wamid)
    with system.database.transaction(Scope.workspace(studio.id)) as connection, pytest.raises(NotFound):
        media.read(connection, studio.id, studio.lead(), message_id)
    sends(studio, "audio")
    with system.database.transaction(Scope.fleet()) as connection:
        assert media.forget_old(connection, system.business.now()) == 0
        assert media.forget_old(connection, system.business.now() + timedelta(days=91)) == 1
    assert_promises_hold(system)


def test_a_file_that_is_too_large_is_not_read(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "LARGEST", 10)
    sends(studio, "image")
    [row] = studio.system.rows("select state, content, size > 10 from message_media")
    assert tuple(row) == ("too_large", None, True)


def test_a_file_that_arrives_when_its_lead_is_forgotten_is_not_kept(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = GraphClient.media

    def meanwhile(graph: GraphClient, token: str, media_id: str, largest: int) -> bytes:
        content = fetch(graph, token, media_id, largest)
        with studio.system.database.transaction(Scope.fleet()) as connection:
            people_room_store.erase(About(connection, studio.id, studio.lead(), studio.system.business.now()))
        return content

    monkeypatch.setattr(GraphClient, "media", meanwhile)
    sends(studio, "image", "Mijn knie")
    assert [tuple(row) for row in studio.system.rows("select state, content from message_media")] == [("gone", None)]
    assert studio.system.column("select details from message where direction = 'in'") == [None]


def test_a_message_is_changed_and_taken_back_and_a_change_may_be_a_refusal(studio: Studio) -> None:
    wamid = sends(studio, "text", "Wat kost het?")
    sends(studio, "edit", "Wat kost een abonnement?", context=wamid)
    row = "select text, edited_at is not null, deleted_at is not null from message where direction = 'in'"
    assert tuple(studio.system.rows(row)[0]) == ("Wat kost een abonnement?", True, False)
    sends(studio, "edit", "Stuur me geen berichten meer", context=wamid)
    assert studio.system.column("select scope from consent where not granted") == ["all"]
    sends(studio, "revoke", context=wamid)
    assert tuple(studio.system.rows(row)[0]) == (None, True, True)
    sends(studio, "revoke", context="wamid.nobodys")
    assert_promises_hold(studio.system)


def test_a_silent_conversation_goes_back_to_the_bot_unless_the_lead_waits(studio: Studio) -> None:
    system = studio.system
    with system.database.transaction(Scope.fleet()) as connection:
        _, document = workspaces.load_configuration(connection, studio.id)
        assert document.agent is not None
        agent = document.agent.model_copy(update={"hand_back_after_hours": 6})
        workspaces.save_configuration(
            connection, studio.id, document.model_copy(update={"agent": agent}),
            changed_by="owner:1", note="", now=system.business.now(),
        )  # fmt: skip
    studio.writes("This is ridiculous, I want my money back!")
    mode = "select mode from conversation where last_inbound_at is not null"
    assert studio.system.column(mode + " and mode_reason = 'The lead is upset.'") == ["person"]
    system.business.advance(timedelta(hours=7))
    system.settle()
    assert system.column(mode) == ["person"]  # the lead waits
    studio.run(conversations.answer, studio.id, studio.lead(), "Sorry, ik kijk ernaar.", "owner:1", form_id="f")
    system.business.advance(timedelta(hours=5))
    system.settle()
    assert system.column(mode) == ["person"]
    system.business.advance(timedelta(hours=8))
    system.settle()
    assert system.column(mode) == ["bot"]
    assert system.column("select actor from audit_log where action = 'conversation.handed_back'") == ["system"]
    assert_promises_hold(system)


@pytest.mark.parametrize(
    ("text", "upset"),
    [
        ("This is unacceptable", True),
        ("Ik ben echt boos", True),
        ("Das ist eine Frechheit!", True),
        ("You stupid bot", True),
        ("Is it ridiculous to train twice a day?", False),
        ("I am happy", False),
    ],
)
def test_anger_is_heard(text: str, upset: bool) -> None:
    assert (wish_of(text) is Wish.REDRESS) == upset


def test_what_can_not_be_read_is_left_out_and_tokens_stay_with_meta() -> None:
    assert details_of({"type": "location", "location": {"latitude": "north", "longitude": 4}}) is None
    assert details_of({"type": "image", "image": {"mime_type": "image/png"}}) is None
    assert details_of({"type": "contacts", "contacts": [3]}) is None
    assert text_of({"type": "interactive", "interactive": {"list_reply": "x"}}) is None
    assert revision_of({"type": "edit", "edit": {"original_message_id": "w"}}) is None
    assert revision_of({"type": "revoke", "revoke": {"original_message_id": "w"}}) == Revision("w", None)
    ours = "http://127.0.0.1:9/meta"
    assert may_have_token("http://127.0.0.1:9/meta/v23.0/x", ours)
    assert may_have_token("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", ours)
    for elsewhere in (
        "https://evil.example/fbsbx.com",
        "http://lookaside.fbsbx.com/x",
        "https://fbsbx.com.evil.example/",
    ):
        assert not may_have_token(elsewhere, ours)
