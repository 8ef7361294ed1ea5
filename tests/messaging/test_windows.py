"""Windows that close on leads who wait: told once, and a last word where the studio wants it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pilar.database.engine import Scope
from pilar.messaging import conversations, overview
from pilar.messaging.windows import Watched, watch
from pilar.workspaces.store import load_configuration, save_configuration
from tests.fixtures.opened import LEAD, Studio

OTHER, THIRD = "+31687654321", "+31687654322"


def look(studio: Studio) -> Watched:
    result: Watched = studio.run(watch, [studio.id])
    return result


def wants_last_text(studio: Studio, minutes: int, **texts: str) -> None:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        version, document = load_configuration(connection, studio.id)
        plain: dict[str, Any] = document.model_dump(mode="json")
        plain["operator"]["policies"]["whatsapp"]["last_text"] = {"minutes_before": minutes, "texts": texts}
        save_configuration(
            connection, studio.id, type(document).model_validate(plain), changed_by="test", note="",
            now=studio.system.business.now(), expected_version=version,
        )  # fmt: skip


def events(studio: Studio) -> list[tuple[str, str]]:
    return [
        tuple(row)
        for row in studio.system.rows(
            "select e.type, l.phone from autopilot_event e join lead l on l.id::text = e.payload ->> 'lead_id'"
            " where e.type like 'whatsapp.session_window%%' order by e.type, l.phone"
        )
    ]


def listed(studio: Studio) -> list[str | None]:
    with studio.system.database.transaction(Scope.workspace(studio.id)) as connection:
        now = studio.system.business.now()
        found = overview.list_conversations(
            connection, studio.id, now, mode=None, after=None, limit=10, is_closing=True
        )
        assert overview.count_closing(connection, studio.id, now) == len(found)
    return sorted(one.phone for one in found if one.phone)


def test_a_window_is_told_of_once_as_closing_and_once_as_closed(studio: Studio) -> None:
    for sender in (LEAD, OTHER, THIRD):
        studio.writes("Hoi", sender=sender)
        studio.run(conversations.take_over, studio.id, studio.lead(sender), "owner:1")
        studio.writes("Is daar iemand?", sender=sender)
    assert look(studio) == Watched(0, 0, 0)
    studio.system.travel_to(studio.system.business.now() + timedelta(hours=22, minutes=30))
    assert listed(studio) == [LEAD, OTHER, THIRD]
    assert [look(studio), look(studio)] == [Watched(3, 0, 0), Watched(0, 0, 0)]
    studio.run(conversations.answer, studio.id, studio.lead(OTHER), "Ja!", "owner:1", form_id="1")
    studio.writes("Hallo?", sender=THIRD)
    assert listed(studio) == [LEAD]
    studio.system.travel_to(studio.system.business.now() + timedelta(hours=2))
    assert [look(studio), look(studio)] == [Watched(0, 1, 0), Watched(0, 0, 0)]
    closing, closed = "whatsapp.session_window_closing", "whatsapp.session_window_closed"
    assert events(studio) == [(closed, LEAD), (closing, LEAD), (closing, OTHER), (closing, THIRD)]
    assert dict(studio.system.rows("select ended, count(*) from session_window group by 1")) == {
        "closed": 1, "answered": 1, "renewed": 1
    }  # fmt: skip
    # Nobody looked while the next one closed: it is told of as closed all the same, and never as closing.
    studio.system.travel_to(studio.system.business.now() + timedelta(hours=30))
    assert look(studio) == Watched(0, 1, 0)


def test_a_last_text_goes_once_while_it_is_free_to_whom_the_bot_answers(studio: Studio) -> None:
    wants_last_text(studio, 60, nl="We komen er nog op terug!")
    for sender in (LEAD, OTHER):
        studio.writes("Hoi", sender=sender)
    studio.run(conversations.take_over, studio.id, studio.lead(OTHER), "owner:1")
    studio.writes("Nog iets", sender=OTHER)
    studio.system.rows(f"update conversation set unread = 1 where lead_id = '{studio.lead()}' returning 1")
    studio.system.travel_to(studio.system.business.now() + timedelta(hours=22, minutes=45))
    assert look(studio).texts == 0
    studio.system.travel_to(studio.system.business.now() + timedelta(minutes=30))
    assert [look(studio).texts, look(studio).texts] == [1, 0]
    sent = studio.out("origin, kind, text, state, lead_id")
    assert [tuple(row) for row in sent if row.origin == "window:last_text"] == [
        ("window:last_text", "text", "We komen er nog op terug!", "read", studio.lead())
    ]
