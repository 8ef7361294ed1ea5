"""Leads who fall silent are written to again, as often as it says, and not when something speaks against it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar import upkeep
from pilar.backplane.facts import Cause
from pilar.bookings.bookings import book_first_free
from pilar.database.engine import Scope
from pilar.followups.activity import refresh_followups
from pilar.followups.overview import followups_of
from pilar.followups.planning import Planned, plan
from pilar.ids import new_id
from pilar.messaging import conversations
from pilar.messaging.erasing import ask as ask_to_erase
from pilar.workspaces.configuration import Followup
from tests.fixtures.opened import LEAD, Studio

OTHER = "+31687654321"
DAY = timedelta(days=1)


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    return opened_studio


def planned(studio: Studio) -> Planned:
    result: Planned = studio.run(plan, [studio.id])
    return result


def steps(
    studio: Studio, columns: str = "f.name, p.number, p.skipped, p.message_id is not null"
) -> list[tuple[object]]:
    return [
        tuple(row)
        for row in studio.system.rows(
            f"select {columns} from followup_step p join followup f on f.id = p.followup_id order by p.due_at, p.id"
        )
    ]


def later(studio: Studio, by: timedelta) -> None:
    studio.system.travel_to(studio.system.business.now() + by)
    studio.system.settle()


def configure(studio: Studio, *followups: Followup) -> None:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        section = studio.system.app.defaults.read(connection, studio.id).parts["followups"]
        wanted = section.model_copy(update={"followups": followups})  # type: ignore[union-attr]
        studio.system.app.defaults.change(
            connection, studio.id, {"followups": wanted}, expected_version=None, actor="owner:1", note="test"
        )


def broken_promises(studio: Studio) -> list[str]:
    moments = {"real_now": studio.system.clock.now(), "business_now": studio.system.business.now()}
    with studio.system.database.transaction(Scope.fleet()) as connection:
        return [
            one.name for one in studio.system.app.invariants if connection.execute(text(one.query), moments).first()
        ]


def silent(studio: Studio, sender: str = LEAD) -> UUID:
    """A lead who wrote, was answered, and has agreed to be written to."""
    studio.writes("Hoi", sender=sender)
    lead = studio.lead(sender)
    studio.agrees(lead)
    return lead


def test_a_silent_lead_is_written_to_once_for_each_followup_and_an_answer_ends_it(studio: Studio) -> None:
    silent(studio)
    assert planned(studio) == Planned(0, 0)
    later(studio, DAY - timedelta(hours=2))
    assert [planned(studio), planned(studio)] == [Planned(1, 0), Planned(0, 0)]
    assert steps(studio) == [("first_reminder", 1, None, False)]
    assert broken_promises(studio) == []
    later(studio, timedelta(hours=2, minutes=1))
    assert studio.out("origin, kind, template_name, template_language, state, category") == [
        ("followup:first_reminder", "template", "followup_no_reply", "nl", "read", "marketing")
    ]
    assert planned(studio) == Planned(0, 0)
    later(studio, 3 * DAY - timedelta(hours=2))
    assert planned(studio) == Planned(1, 0)
    studio.writes("Ja, ik wil wel")
    assert planned(studio) == Planned(0, 1)
    later(studio, timedelta(hours=3))
    assert steps(studio) == [("first_reminder", 1, None, True), ("second_reminder", 1, "replied", False)]
    assert len(studio.out()) == 1
    # The first has gone as often as it may; the second may go in the new silence.
    later(studio, 4 * DAY - timedelta(hours=4))
    assert planned(studio) == Planned(1, 0)
    assert steps(studio)[-1] == ("second_reminder", 2, None, False)
    assert broken_promises(studio) == []
    studio.run(refresh_followups, [studio.id])
    [first, second] = studio.run(followups_of, studio.id).followups
    assert (first.sent, first.read, first.answered, first.stopped) == (1, 1, 1, 0)
    assert (second.planned, second.stopped, second.waiting) == (2, 1, 1)


def test_what_happens_meanwhile_stops_it_even_if_nobody_plans_again(studio: Studio) -> None:
    books, taken, opts_out, goes, stays = (silent(studio, f"+3161234560{number}") for number in range(5))
    later(studio, DAY - timedelta(hours=2))
    assert planned(studio).planned == 5
    asked = {"cause": "test", "source": "staff", "story": Cause.new()}
    studio.run(book_first_free, studio.id, "trial-session", books, **asked)
    studio.run(conversations.take_over, studio.id, taken, "owner:1")
    studio.system.sandbox.set_preference(to=studio.number, sender="+31612345602")
    studio.run(ask_to_erase, studio.id, goes, actor="owner:1")
    configure(studio)
    later(studio, timedelta(hours=2, minutes=1))
    assert dict(steps(studio, "p.lead_id, p.skipped")) == {  # type: ignore[arg-type]
        books: "booked", taken: "with_person", opts_out: "opted_out", goes: "opted_out", stays: "turned_off"
    }  # fmt: skip
    assert [row for row in studio.out() if row.origin.startswith("followup:")] == []
    # In the same silence it is not tried again.
    configure(studio, Followup(name="first_reminder", template="followup_no_reply", after_minutes=24 * 60))
    assert planned(studio).planned == 0
    assert broken_promises(studio) == []


def test_a_lead_gets_no_more_a_day_than_the_studio_allows_and_the_rest_the_next_day(studio: Studio) -> None:
    silent(studio)
    configure(
        studio,
        *(Followup(name=f"hourly_{number}", template="followup_no_reply", after_minutes=60) for number in range(4)),
        Followup(name="evening", template="followup_no_reply", after_minutes=60, time_of_day="20:30", at_most=2),
    )
    assert planned(studio).planned == 5
    later(studio, timedelta(hours=2))
    sent = [row.state for row in studio.out() if row.origin.startswith("followup:")]
    assert sent == ["read"] * 3
    # The fourth waits for the morning, and so does not go beside the one of the evening, which waits for its next.
    due = [row[0] for row in steps(studio, "p.due_at at time zone 'Europe/Amsterdam'")[-2:]]
    today = studio.system.business.now()
    assert sorted(str(one.time()) for one in due) == ["08:00:00", "20:30:00"]  # type: ignore[attr-defined]
    assert broken_promises(studio) == []
    later(studio, DAY - timedelta(hours=1))
    assert [row.state for row in studio.out()].count("read") >= 3
    assert studio.system.business.now() - today < DAY


def test_who_never_agreed_or_left_long_ago_is_let_be(studio: Studio) -> None:
    studio.writes("Hoi")
    silent(studio, OTHER)
    later(studio, DAY - timedelta(hours=1))
    assert [row[0] for row in steps(studio, "p.lead_id")] == []
    assert upkeep.plan_followups(studio.system.app) == 1, "a worker plans too"
    later(studio, 3 * DAY)
    assert steps(studio, "p.skipped") == [("late",)]
    studio.system.rows(
        "insert into workspace (workspace_id, name, state, plan, country, time_zone, created_at)"
        f" select '{new_id()}', 'Empty', 'active', plan, country, time_zone, created_at from workspace returning 1"
    )
    broken = "update workspace_configuration set document = document || '{\"coaching\": 1}' returning 1"
    studio.system.rows(broken)
    assert upkeep.plan_followups(studio.system.app) == 0, "a studio that can't be read keeps no other from its own"
    assert upkeep.watch_windows(studio.system.app) == 0
