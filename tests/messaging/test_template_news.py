"""News of templates in any order: the newest decision holds; what rests is waited for, and comes back by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from pilar.backplane.facts import Cause
from pilar.messaging.news import MARGIN, age_of
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.templates import ask_to_submit
from provider_sandbox.meta.webhooks import signature
from tests.fixtures.opened import Studio
from tests.fixtures.work import START

NAME = "coach_nudge"


def _minutes(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("at", "told_at", "read_at", "age"),
    [
        (_minutes(0), None, None, "newer"),
        (None, None, None, "unclear"),
        (_minutes(1), _minutes(0), None, "newer"),
        (_minutes(0), _minutes(0), None, "unclear"),
        (_minutes(0), _minutes(1), None, "older"),
        (_minutes(3), _minutes(0), _minutes(0), "unclear"),
        (_minutes(6), _minutes(0), _minutes(0), "newer"),
        (_minutes(3), _minutes(0), _minutes(9), "older"),
        (_minutes(3), _minutes(4), _minutes(0), "older"),
    ],
)
def test_the_age_of_news(at: datetime, told_at: datetime, read_at: datetime, age: str) -> None:
    assert timedelta(minutes=5) == MARGIN
    assert age_of(at, told_at, read_at) == age


@dataclass
class Meta:
    """Meta, whose webhooks a test sends when and as often as it likes."""

    studio: Studio

    @property
    def account(self) -> str:
        return str(self.studio.system.column("select external_id from integration where provider = 'whatsapp'")[0])

    def tells(self, field: str, at: datetime, **value: Any) -> None:
        """A signed webhook with that moment in it comes in, and all that follows from it happens."""
        system = self.studio.system
        entry = {"id": self.account, "time": int(at.timestamp()), "changes": [{"field": field, "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        secret = system.sandbox.config.meta_app_secret
        answer = httpx.post(
            f"{system.public_url}/api/webhooks/whatsapp",
            content=body,
            headers={"X-Hub-Signature-256": signature(body, secret), "Content-Type": "application/json"},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        system.settle()

    def tells_of_template(self, event: str, at: datetime, **more: Any) -> None:
        (template,) = [
            one
            for one in self.studio.system.sandbox.objects("meta.template")
            if (one["name"], one["language"]) == (NAME, "nl")
        ]
        told = {
            "event": event, "message_template_id": int(template["id"]), "message_template_name": NAME,
            "message_template_language": "nl", "reason": "NONE", **more,
        }  # fmt: skip
        self.tells("message_template_status_update", at, **told)

    def is_not_heard(self) -> None:
        """All of its webhooks get lost from now on."""
        rule = {"provider": "meta", "direction": "webhook", "kind": "drop", "probability": 1}
        self.studio.system.sandbox.set_faults(1, [rule])


def _state(studio: Studio) -> str:
    query = f"select state from message_template where name = '{NAME}' and language = 'nl'"
    return str(studio.system.column(query)[0])


def _rests_until(studio: Studio) -> datetime:
    query = f"select paused_until from message_template where name = '{NAME}' and language = 'nl'"
    until: datetime = studio.system.column(query)[0]
    return until


def _nudge(studio: Studio, cause: str) -> None:
    lead = studio.lead()
    new = NewMessage(
        lead_id=lead, category="marketing", origin="coach:test", cause=cause, text="Good morning!", template=NAME,
        parameters=("Anna", "Studio Noord"),
    )  # fmt: skip
    studio.run(queue_message, studio.id, new, Cause.new())


def test_decisions_in_any_order_never_undo_a_newer_one(studio: Studio) -> None:
    # Each of these is late, and the newest of all holds, whatever Meta would say if it were asked.
    meta, now = Meta(studio), studio.system.business.now()
    later = now + timedelta(hours=1)
    meta.tells_of_template("DISABLED", later)
    assert _state(studio) == "disabled"
    meta.tells_of_template("APPROVED", later - timedelta(minutes=1))
    meta.tells_of_template("PAUSED", later - timedelta(minutes=30), other_info={"title": "FIRST_PAUSE"})
    assert _state(studio) == "disabled"
    # Within the same second nobody can say which came first: Meta is asked, for whom it is approved.
    meta.tells_of_template("PAUSED", later)
    assert _state(studio) == "approved"
    (mail,) = [one for one in studio.system.sandbox.mails() if "has disabled" in one["subject"]]
    assert NAME in mail["text"]
    # While one rests, its approved sibling goes.
    studio.writes("Hoi")
    studio.agrees(studio.lead())
    studio.system.travel_to(later + timedelta(days=1, hours=1))
    meta.tells_of_template("PAUSED", studio.system.business.now(), other_info={"title": "FIRST_PAUSE"})
    assert _state(studio) == "paused"
    _nudge(studio, "nudge:1")
    assert studio.out("state, template_language") == [("read", "en")]


def test_news_say_which_pause_a_reading_has_found(studio: Studio) -> None:
    meta, now = Meta(studio), studio.system.business.now()
    meta.is_not_heard()
    studio.system.sandbox.set_template_quality(meta.account, NAME, "nl", "RED")
    studio.run(ask_to_submit, studio.id, occasion="now", story=Cause.new())
    studio.system.settle()
    assert _state(studio) == "paused"
    studio.system.sandbox.clear_faults()
    meta.tells_of_template("PAUSED", now, other_info={"title": "SECOND_PAUSE"})
    assert abs(_rests_until(studio) - now - timedelta(hours=6)) < timedelta(seconds=2)


@pytest.mark.slow
def test_what_rests_is_waited_for_and_goes_when_its_pause_ends(studio: Studio) -> None:
    system, sandbox, meta = studio.system, studio.system.sandbox, Meta(studio)
    studio.writes("Hoi")
    studio.agrees(studio.lead())
    system.travel_to(system.business.now() + timedelta(days=1, hours=1))
    began = system.business.now()
    sandbox.set_template_status(meta.account, NAME, "en", "DISABLED")
    sandbox.set_template_quality(meta.account, NAME, "nl", "RED")
    system.settle()
    assert _state(studio) == "paused"
    _nudge(studio, "nudge:1")
    assert studio.out("state, verdict -> 'decision' ->> 'action'") == [("held", "hold")]
    # The webhook that tells of the pause's end gets lost: WhatsApp is asked some minutes later.
    meta.is_not_heard()
    system.travel_to(began + timedelta(hours=3, minutes=5))
    system.settle()
    assert _state(studio) == "paused"
    system.travel_to(began + timedelta(hours=3, minutes=15))
    system.settle()
    assert _state(studio) == "approved"
    assert studio.out("kind") == [("template",)]
    assert studio.out("state")[0][0] in ("accepted", "sent", "delivered", "read")
    # The second pause lasts six hours, and its end is told: the third is for ever.
    sandbox.clear_faults()
    system.travel_to(system.business.now() + timedelta(minutes=10))
    sandbox.set_template_quality(meta.account, NAME, "nl", "GREEN")
    sandbox.set_template_quality(meta.account, NAME, "nl", "RED")
    system.settle()
    assert timedelta(hours=5, minutes=59) < _rests_until(studio) - system.business.now() <= timedelta(hours=6)
