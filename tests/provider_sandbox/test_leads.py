"""Simulated leads write, read, reply and fall silent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from provider_sandbox.personas import GOALS, PERSONAS, Mind, opening, react
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.graph import Graph
from tests.provider_sandbox.product import Answer, Product, Received

STUDIO, LEAD = "+31200001234", "+31612345678"
Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def phone_id(graph: Graph) -> str:
    graph.connect("studio-1")
    return graph.connect_number(STUDIO)


def said(bodies: list[dict[str, Any]]) -> list[str]:
    changes = [change["value"] for body in bodies for entry in body["entry"] for change in entry["changes"]]
    return [message["text"]["body"] for value in changes for message in value.get("messages", [])]


def replies(mind: Mind, *texts: str) -> list[str | None]:
    found = []
    for text in texts:
        mind, reply = react(mind, text)
        found.append(reply)
    return found


def test_every_persona_opens_in_every_language():
    assert all(opening(Mind(persona, language, 1)) for persona in PERSONAS for language in ("en", "nl", "de"))
    assert opening(Mind("curious", "en", 1)) == "What does a membership cost?"
    assert opening(Mind("person", "nl", 1)) == "Ik wil een medewerker spreken"
    assert opening(Mind("coached", "de", 1)) == "COACH"


def test_the_curious_and_those_who_want_a_person_thank_once():
    for persona in ("curious", "person"):
        assert replies(Mind(persona, "en", 1), "It is 39 a month.", "Anything else?") == ["thanks", None]


def test_the_stopper_stops_in_their_language_and_never_writes_again():
    words = {"en": "STOP", "nl": "Stop maar met berichten", "de": "STOPP"}
    for language, word in words.items():
        assert replies(Mind("stopper", language, 1), "From 7 to 22.", "Done.", "Reply YES") == [word, None, None]


def test_the_coached_answer_the_first_nudge():
    assert replies(Mind("coached", "en", 1), "You are in.", "Today: squats.", "And again.") == [None, "Done!", None]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Sure! Reply YES and I book it.", 0.9),
        ("Antwoord JA en het staat.", 0.9),
        ("Antworte JA!", 0.9),
        ("Shall I book one?", 0.1),
        ("Yes, you can.", 0.0),
    ],
)
def test_an_offer_wins_more_trials_than_a_question(text: str, share: float):
    answers = [react(Mind("trial", "nl", seed), text)[1] for seed in range(2000)]
    accepted = [answer for answer in answers if answer is not None]
    assert abs(len(accepted) / 2000 - share) < 0.03
    assert set(accepted) <= {"YES" if "YES" in text else "JA"}
    assert answers == [react(Mind("trial", "nl", seed), text)[1] for seed in range(2000)]


def test_a_trial_is_accepted_once():
    keen = next(seed for seed in range(100) if react(Mind("trial", "en", seed), "Reply YES")[1])
    assert replies(Mind("trial", "en", keen), "One moment.", "Reply YES", "Reply YES") == [None, "YES", None]


def test_moods_decide_who_answers_a_nudge():
    for seed in range(20):
        assert replies(Mind("coached", "en", seed, mood="eager"), "You are in.", "Squats.") == [None, "Done!"]
        assert replies(Mind("coached", "en", seed, mood="weary"), "You are in.", "Squats.") == [None, None]


def test_the_silent_never_reply_and_the_leaver_stops_at_the_first_nudge():
    assert replies(Mind("silent", "en", 1), "Yes.", "Anything else?") == [None, None]
    assert replies(Mind("leaver", "nl", 1), "Je doet mee.", "Vandaag: squats.", "Nog een.") == [
        None,
        "Stop maar met berichten",
        None,
    ]


def test_the_aiming_tell_their_goal():
    assert opening(Mind("aiming", "en", 1, goal="weight")) == "I want to lose weight"
    assert len({opening(Mind("aiming", "de", 1, goal=goal)) for goal in GOALS}) == len(GOALS)


def test_a_lead_writes_again_stops_and_comes_back(sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told):
    def say(topic: str) -> bool:
        return sandbox.speak(to=STUDIO, sender=LEAD, topic=topic)["stopped"]

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        say("again")
    sandbox.add_lead(to=STUDIO, sender=LEAD, persona="silent")
    assert not say("again")
    for _ in range(2):
        assert say("stop")
        assert said(told())[-1] == "STOP"
        graph.send(phone_id, LEAD, "You won't hear from us.")
        assert not say("back")
        assert said(told())[-1] == "START"
        graph.send(phone_id, LEAD, "Good to see you.")
    assert "meta.message_after_stop" not in sandbox.effects()
    assert say("stop")
    told()
    for _ in range(2):
        graph.send(phone_id, LEAD, "Come back!")
    assert sandbox.effects()["meta.message_after_stop"] == 1
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        say("shout")
    counts = sandbox.client.get("/control/leads/counts").json()
    assert counts == {STUDIO: {"leads": 1, "sent": 7, "received": 6, "stopped": 1}}


def test_a_lead_writes_reads_and_replies(sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told):
    lead = sandbox.add_lead(to=STUDIO, sender=LEAD, persona="curious", language="nl", name="Anna")
    assert (lead["sent"], lead["received"], lead["stopped"]) == (1, 0, False)
    assert said(told()) == ["Wat kost een abonnement?"]

    graph.send(phone_id, LEAD, "39 euro per maand.")
    graph.send(phone_id, LEAD, "Nog iets?")
    assert said(told()) == ["Wat kost een abonnement?", "bedankt"]
    (lead,) = sandbox.leads()
    assert (lead["sent"], lead["received"], lead["from"], lead["persona"]) == (2, 2, LEAD, "curious")


def test_a_lead_reads_templates_too_and_nothing_that_does_not_arrive(
    sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told
):
    graph.submit("offer", "Hoi {{1}}, antwoord JA.")
    keen = next(seed for seed in range(100) if react(Mind("trial", "nl", seed), "JA")[1])
    sandbox.add_lead(to=STUDIO, sender=LEAD, persona="trial", language="nl", seed=keen)
    sandbox.block(to=STUDIO, sender=LEAD)
    graph.send(phone_id, LEAD, "Antwoord JA")
    assert said(told()) == ["Kan ik een proeftraining doen?"]
    sandbox.block(to=STUDIO, sender=LEAD, blocked=False)
    graph.send_template(phone_id, LEAD, "offer", "Bo")
    assert said(told())[1:] == ["JA"]
    assert sandbox.leads()[0]["received"] == 1


def test_who_asked_to_stop_may_be_sent_one_confirmation(
    sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told
):
    sandbox.add_lead(to=STUDIO, sender=LEAD, persona="stopper")
    graph.send(phone_id, LEAD, "From 7 to 22.")
    assert said(told())[1:] == ["STOP"]
    assert sandbox.leads()[0]["stopped"]

    graph.send(phone_id, LEAD, "You won't hear from us.")
    assert "meta.message_after_stop" not in sandbox.effects()
    for _ in range(2):
        graph.send(phone_id, LEAD, "Come back!")
    assert len(said(told())) == 2
    assert sandbox.effects_by_key()["meta.message_after_stop", f"{STUDIO}:{LEAD}"] == 2
    assert sandbox.leads()[0]["after_stop"] == 3


def test_a_studio_that_was_not_told_of_the_stop_is_not_blamed(
    sandbox: RunningSandbox, graph: Graph, phone_id: str, product: Product, told: Told
):
    sandbox.add_lead(to=STUDIO, sender=LEAD, persona="stopper")
    said_stop = threading.Event()

    def respond(request: Received) -> Answer:
        if b"STOP" not in request.body:
            return Answer()
        said_stop.set()
        return Answer(500)

    product.respond = respond
    graph.send(phone_id, LEAD, "From 7 to 22.")
    assert said_stop.wait(30)
    for _ in range(3):
        graph.send(phone_id, LEAD, "And on Sundays from 9.")
    assert sandbox.leads()[0]["after_stop"] == 0
    product.respond = lambda _request: Answer()
    told()
    assert "meta.message_after_stop" not in sandbox.effects()


def test_leads_of_several_studios_arrive_in_one_delivery(
    sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told
):
    other = Graph(sandbox.client, sandbox.config)
    other.connect("studio-2")
    other.connect_number("+31200005678")
    wanted = [
        {"to": STUDIO, "from": LEAD, "name": "Anna", "persona": "curious"},
        {"to": STUDIO, "from": "+31612345679", "name": "Bo", "persona": "person"},
        {"to": "+31200005678", "from": LEAD, "name": "Anna", "persona": "coached"},
    ]
    assert len(sandbox.add_leads(wanted)) == 3
    (body,) = told()
    assert [entry["id"] for entry in body["entry"]] == [graph.waba, other.waba]
    assert said([body]) == ["What does a membership cost?", "I want to talk to a person", "COACH"]
    assert sandbox.client.post("/control/leads/batch", json=wanted).status_code == 409
    nowhere = wanted[0] | {"to": "+31200009999"}
    assert sandbox.client.post("/control/leads", json=nowhere).status_code == 404
    assert len(sandbox.leads()) == 3


def test_an_unread_message_keeps_the_sandbox_busy_and_survives_a_restart(tmp_path: Path, product: Product):
    config = sandbox_config(tmp_path, lead_delay=3600.0)
    with running_sandbox(config) as sandbox:
        sandbox.set_targets(meta_webhook_url=f"{product.url}/hook")
        graph = Graph(sandbox.client, sandbox.config)
        graph.connect("studio-1")
        phone_id = graph.connect_number(STUDIO)
        sandbox.add_lead(to=STUDIO, sender=LEAD, persona="curious")
        graph.send(phone_id, LEAD, "39 a month.")
        with pytest.raises(AssertionError, match="'pending_leads': 1"):
            sandbox.wait_idle(0.2)
    with running_sandbox(config) as sandbox:
        assert sandbox.client.get("/control/state").json()["pending_leads"] == 1
        assert sandbox.leads()[0]["received"] == 1
