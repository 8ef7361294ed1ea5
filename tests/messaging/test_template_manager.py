"""Templates as the studio's owner and WhatsApp keep them: written, reviewed, read, judged, retired."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid
from pilar.messaging import store as leads
from pilar.messaging import template_choices
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.template_overview import TemplateState, refresh_usage, templates_of
from pilar.messaging.template_sync import ask_for_all, take_in
from pilar.provisioning import mending, template_manager
from tests.fixtures.opened import Studio

TEXT = "Hoi {{1}}, je plek bij {{2}} staat klaar."


def write(studio: Studio, body: str = TEXT, *, name: str = "place_ready", category: str = "utility") -> None:
    studio.run(lambda connection, _: template_manager.write(
        connection, studio.system.app.defaults, studio.id, name=name, language="nl", category=category, body=body,
        actor="owner:1"))  # fmt: skip


def sync(studio: Studio) -> None:
    studio.run(template_manager.ask_for_review, studio.id)


def states(studio: Studio) -> dict[tuple[str, str], TemplateState]:
    return {(one.name, one.language): one for one in studio.run(templates_of, studio.id)}


def account(studio: Studio) -> str:
    return str(studio.system.column("select external_id from integration where provider = 'whatsapp'")[0])


def at_meta(studio: Studio, method: str, path: str, **body: Any) -> dict[str, Any]:
    """What the studio's owner does on Meta's own pages."""
    app = studio.system.app
    with studio.system.database.transaction(Scope.fleet()) as connection:
        from pilar.workspaces.credentials import unseal
        from pilar.workspaces.store import get_integration

        token = unseal(app.box, get_integration(connection, studio.id, "whatsapp"))["access_token"]
    query = {"query": body} if method == "DELETE" else {"body": body}
    return dict(app.gateways.graph._call(method, (account(studio), path), token, **query))


def test_a_template_is_written_reviewed_and_mended(studio: Studio) -> None:
    for body, says in (("Hoi {{1}}", "begins or ends"), ("Hoi {{x}}, tot snel.", "no numbered variable")):
        with pytest.raises(Invalid, match=says):
            write(studio, body)
    write(studio, f"{TEXT} [[reject]]".replace("[[reject]]", "Nu [[reject]] hier."))
    one = states(studio)["place_ready", "nl"]
    assert (one.state, one.reason) == ("rejected", "INVALID_FORMAT")
    write(studio)
    one = states(studio)["place_ready", "nl"]
    assert (one.state, one.reason, one.preview) == ("approved", None, "Hoi Anna, je plek bij Studio Noord staat klaar.")
    assert studio.system.column("select error from dead_letter") == []
    with pytest.raises(Conflict, match="place_ready_v2"):
        write(studio, "Hoi {{1}}, iets anders bij {{2}} staat klaar.")
    with pytest.raises(Invalid, match="one category"):
        write(studio, category="marketing")
    # Once is once, though it is written and asked for again.
    write(studio)
    sync(studio)
    wanted = {key: n for key, n in studio.system.sandbox.effects_by_key().items() if "place_ready" in key[1]}
    assert sorted(wanted.items()) == [
        (("meta.template_edited", f"{account(studio)}:place_ready:nl"), 1),
        (("meta.template_submitted", f"{account(studio)}:place_ready:nl"), 1),
    ]


def test_what_is_made_judged_and_deleted_at_whatsapp_is_known_after_a_reading(studio: Studio) -> None:
    body = {"type": "BODY", "text": "Hi {{1}}, hello from {{2}} here.", "example": {"body_text": [["a", "b"]]}}
    photo = {"type": "HEADER", "format": "IMAGE"}
    made = {"language": "en_US", "category": "MARKETING"}
    at_meta(studio, "POST", "message_templates", name="theirs", components=[body], **made)
    at_meta(studio, "POST", "message_templates", name="with_photo", components=[photo, body], **made)
    at_meta(studio, "DELETE", "message_templates", name="session_reminder")
    studio.system.sandbox.set_template_quality(account(studio), "welcome_lead", "nl", "YELLOW")
    assert studio.run(ask_for_all, [studio.id]) == 1
    found = states(studio)
    theirs, photo_one = found["theirs", "en_US"], found["with_photo", "en_US"]
    assert (theirs.state, theirs.adopted, theirs.unusable, theirs.category) == ("approved", True, None, "marketing")
    assert "header" in (photo_one.unusable or "")
    assert found["welcome_lead", "nl"].quality == "yellow"
    gone = found["session_reminder", "nl"]
    assert (gone.state, gone.retired) == ("deleted", True)
    assert "deleted there" in (gone.reason or "")
    # What was made there is none of the studio's configuration, and can be written with where it can be filled in.
    section = studio.run(lambda connection, _: studio.system.app.defaults.read(connection, studio.id)).parts[
        "followups"
    ]
    assert "theirs" not in str(section)
    studio.writes("Hoi")
    lead = studio.lead()
    with studio.system.database.transaction(Scope.fleet()) as connection:
        row = leads.get_lead(connection, studio.id, lead)
        names = {one.name for one in template_choices.choices(connection, studio.id, row)}
    assert "theirs" in names
    assert not names & {"with_photo", "session_reminder"}
    with pytest.raises(Conflict, match="made at WhatsApp"):
        write(studio, name="theirs")
    with pytest.raises(Conflict, match="made at WhatsApp"):
        studio.run(lambda connection, _: mending.mend(
            connection, studio.system.app.defaults, studio.id, "theirs", "en_US", "Hello.", "owner:1"))  # fmt: skip
    # Where free text may not go, the one that can be filled in does and the other doesn't, also if it is named.
    studio.system.travel_to(studio.system.business.now() + timedelta(hours=25))
    for name in ("theirs", "with_photo"):
        wanted = NewMessage(
            lead_id=lead, category="utility", origin=name, cause=name, template=name, parameters=("Anna", "Noord")
        )
        studio.run(lambda connection, clocks, wanted=wanted: queue_message(
            connection, clocks, studio.id, wanted, Cause.new()))  # fmt: skip
    sent = dict(studio.system.rows("select origin, state from message where origin in ('theirs', 'with_photo')"))
    assert sent == {"theirs": "read", "with_photo": "refused"}
    # A list from before the newest news says nothing of what is gone.
    earlier = studio.system.business.now() - timedelta(days=2)
    assert studio.run(lambda connection, _: take_in(connection, studio.id, [], earlier)) == []


def test_what_came_of_templates_is_counted_and_a_sibling_stands_in_for_a_disabled_one(studio: Studio) -> None:
    studio.system.sandbox.set_template_quality(account(studio), "welcome_lead", "nl", "GREEN")
    studio.system.settle()
    assert states(studio)["welcome_lead", "nl"].quality == "green", "as WhatsApp tells it, without being asked"
    write(studio, "Hoi {{1}}, je proefles bij {{2}} wacht nog.", name="followup_no_reply_v2", category="marketing")
    for _ in range(3):
        studio.system.sandbox.set_template_quality(account(studio), "followup_no_reply", "nl", "RED")
        studio.system.travel_to(studio.system.business.now() + timedelta(hours=7))
        studio.system.settle()
    sync(studio)
    one = states(studio)["followup_no_reply", "nl"]
    assert (one.state, one.retired, one.quality) == ("disabled", True, "red")
    assert one.stands_in in {"followup_no_reply (en)", "followup_no_reply_v2 (nl)"}
    assert one.followups == ("first_reminder", "second_reminder")
    assert studio.run(refresh_usage, [studio.id]) > 0
    used = states(studio)["number_test", "nl"].usage
    assert (used.sent, used.delivered, used.read, used.failed) == (1, 1, 1, 0)
