"""What a studio is given is the founder's newest template; what it makes of it is its own, and can be taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from pilar.backplane.facts import Cause
from pilar.bookings.bookings import book_first_free
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, NotFound
from pilar.ids import new_id
from pilar.provisioning.defaults import DefaultsKeeper
from pilar.provisioning.defaults_document import PARTS, Part, WorkspaceDefaults, differences, digest
from pilar.provisioning.defaults_template import Updated, update_studios, write_template
from pilar.registrations.steps import studio_defaults
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import (
    CalendarConfiguration,
    CalendarEventType,
    Followup,
    FollowupConfiguration,
    FollowupTemplate,
    StudioConfiguration,
    StudioProfile,
)
from pilar.workspaces.plans import Plan
from pilar_cli.main import app as commands
from tests.fixtures.studios import OPENED, add_studio
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import Bench


@pytest.fixture
def keeper(bench: Bench) -> DefaultsKeeper:
    return studio_defaults(bench.clocks)


def opened(bench: Bench, keeper: DefaultsKeeper | None, name: str = "Noord", language: str = "nl") -> UUID:
    studio = add_studio(bench.database, name=name)
    profile = StudioProfile(name=name, country="NL", time_zone="Europe/Amsterdam", language=language)
    with bench.database.transaction(Scope.fleet()) as connection:
        document = StudioConfiguration(plan=Plan.PRO, studio=profile)
        workspaces.save_configuration(connection, studio, document, changed_by="system", note="the start", now=OPENED)
        for part in PARTS if keeper else ():
            keeper.give(connection, studio, part)
    return studio


def write(bench: Bench, keeper: DefaultsKeeper, change: Callable[[WorkspaceDefaults], WorkspaceDefaults]) -> int:
    with bench.database.transaction(Scope.fleet()) as connection:
        version, document = keeper.template(connection)
        return write_template(
            connection, bench.clocks, keeper, change(document), expected_version=version, actor="admin:1", note="new"
        )


def shorter(document: WorkspaceDefaults) -> WorkspaceDefaults:
    """Trials of half an hour."""
    first, *others = document.calendar.event_types
    kinds = (first.model_copy(update={"duration_minutes": 30}), *others)
    return document.model_copy(update={"calendar": document.calendar.model_copy(update={"event_types": kinds})})


def cooler(document: WorkspaceDefaults) -> WorkspaceDefaults:
    """An agent that is less talkative."""
    task = document.agent.system_prompt + " You are brief."
    return document.model_copy(update={"agent": document.agent.model_copy(update={"system_prompt": task})})


def change(
    bench: Bench, keeper: DefaultsKeeper, studio: UUID, wanted: dict[Part, Any], version: int | None = None
) -> int:
    with bench.database.transaction(Scope.fleet()) as connection:
        return keeper.change(connection, studio, wanted, expected_version=version, actor="owner:1", note="mine")


def minutes(bench: Bench, studio: UUID, slug: str = "trial-session") -> Any:
    return bench.one(
        f"select duration_minutes from booking_event_type where workspace_id = '{studio}' and slug = '{slug}' and active"
    )


def update(bench: Bench, keeper: DefaultsKeeper, *, apply: bool, **others: Any) -> Updated:
    return update_studios(bench.database, bench.clocks, keeper, apply=apply, actor="admin:1", **others)


def test_a_new_studio_gets_the_newest_template_in_its_name_and_language(bench: Bench, keeper: DefaultsKeeper) -> None:
    assert write(bench, keeper, cooler) == 1
    assert write(bench, keeper, shorter) == 2
    assert write(bench, keeper, lambda same: same) == 2
    studio = opened(bench, keeper, "Noord", "de")
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        found = keeper.read(connection, studio)
    assert dict(found.given) == dict.fromkeys(PARTS, 2)
    agent: Any = found.parts["agent"]
    assert "for Noord" in agent.system_prompt and agent.system_prompt.endswith("You are brief.")
    assert agent.policies.language == "de"
    assert minutes(bench, studio) == 30
    assert bench.rows("select distinct language from message_template order by 1") == [("de",), ("en",)]
    before = bench.rows("select version from workspace_configuration")
    with bench.database.transaction(Scope.fleet()) as connection:
        for part in PARTS:  # a step that runs again
            keeper.give(connection, studio, part)
    assert bench.rows("select version from workspace_configuration") == before


def test_an_owner_changes_goes_back_and_is_never_left_with_half_a_change(bench: Bench, keeper: DefaultsKeeper) -> None:
    studio = opened(bench, keeper)
    with bench.database.transaction(Scope.fleet()) as connection:
        start = keeper.read(connection, studio).version
        booked = book_first_free(
            connection, bench.clocks, studio, "intake", new_id(), cause="a", source="test", story=Cause.new()
        )
    only = CalendarConfiguration(
        event_types=(CalendarEventType(slug="yoga", name="Yoga", duration_minutes=50, buffer_before_minutes=10),),
    )
    with bench.database.transaction(Scope.fleet()) as connection:
        coaching: Any = keeper.read(connection, studio).parts["coaching"]
    never = coaching.schedules[0].model_copy(update={"cron": "0 8 31 2 *"})
    bad = coaching.model_copy(update={"schedules": (never,)})
    with pytest.raises(Invalid):
        change(bench, keeper, studio, {"calendar": only, "coaching": bad})
    assert minutes(bench, studio) == 45

    assert change(bench, keeper, studio, {"calendar": only}, start) == start + 1
    assert change(bench, keeper, studio, {"calendar": only}) == start + 1
    assert minutes(bench, studio, "yoga") == 50
    assert bench.rows("select slug from booking_event_type where active") == [("yoga",)]
    assert bench.one("select count(*) from booking_opening_hours") == 0
    assert bench.rows("select id, state from booking") == [(booked.id, "booked")]
    with pytest.raises(Conflict, match=f"version {start + 1}"):
        change(bench, keeper, studio, {"calendar": only}, start)

    with bench.database.transaction(Scope.fleet()) as connection:
        back = keeper.roll_back(connection, studio, start, expected_version=start + 1, actor="owner:1")
        told = keeper.history(connection, studio)
        with pytest.raises(NotFound, match="no version 99"):
            keeper.roll_back(connection, studio, 99, expected_version=None, actor="owner:1")
    assert back == start + 2
    assert [(row.version, row.note) for row in told[:2]] == [(back, f"back to version {start}"), (start + 1, "mine")]
    assert minutes(bench, studio) == 45
    assert bench.one("select count(*) from booking_opening_hours") == 6
    assert bench.one("select count(*) from audit_log where action = 'workspaces.defaults_changed'") == 2


def test_a_text_that_was_reviewed_is_not_changed_under_its_name(bench: Bench, keeper: DefaultsKeeper) -> None:
    studio = opened(bench, keeper)

    def texts(name: str, body: str) -> FollowupConfiguration:
        template = FollowupTemplate(name=name, category="utility", bodies={"nl": body})
        return FollowupConfiguration(
            templates=(template,), followups=(Followup(name="again", template=name, after_minutes=60),)
        )

    change(bench, keeper, studio, {"followups": texts("welcome_lead", "Hoi {{1}}!")})
    drafted = "select body, state from message_template where name = 'welcome_lead' and language = 'nl'"
    assert bench.rows(drafted) == [("Hoi {{1}}!", "draft")]
    assert bench.rows("select name from followup where active") == [("again",)]
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("update message_template set state = 'approved'")
    with pytest.raises(Conflict, match="another name"):
        change(bench, keeper, studio, {"followups": texts("welcome_lead", "Hallo {{1}}!")})
    assert bench.rows(drafted) == [("Hoi {{1}}!", "approved")]
    with bench.database.transaction(Scope.fleet()) as connection:
        workspaces.upsert_integration(connection, studio, "whatsapp", now=OPENED, state="connected", external_id="1")
    change(bench, keeper, studio, {"followups": texts("welcome_2", "Hallo {{1}}!")})
    assert bench.rows("select state from message_template where name = 'welcome_2'") == [("draft",)]
    assert bench.one("select count(*) from autopilot_job where type = 'messaging.submit_templates'") == 1


def test_the_newest_template_comes_to_who_has_changed_nothing_after_a_look(
    bench: Bench, keeper: DefaultsKeeper
) -> None:
    same, own, older = opened(bench, keeper, "Same"), opened(bench, keeper, "Own"), opened(bench, keeper, "Older")
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(f"delete from workspace_template where workspace_id = '{older}'")
        calendar: Any = keeper.read(connection, own).parts["calendar"]
    change(bench, keeper, own, {"calendar": calendar.model_copy(update={"hours": calendar.hours[:3]})})
    write(bench, keeper, lambda document: shorter(cooler(document)))

    looked = update(bench, keeper, apply=False)
    assert (looked.looked_at, looked.offered, looked.own, looked.failed) == (3, 3, {"calendar": 1}, {})
    offers = {offer.workspace_id: offer.changes for offer in looked.offers}
    assert offers[same]["calendar"] == [("event_types.trial-session.duration_minutes", 45, 30)]
    assert "calendar" not in offers[own] and "agent" in offers[own]
    assert [minutes(bench, one) for one in (same, own, older)] == [45, 45, 45]

    done = update(bench, keeper, apply=True)
    assert (done.offered, done.own, done.template_version) == (3, {"calendar": 1}, 1)
    assert [minutes(bench, one) for one in (same, own, older)] == [30, 45, 30]
    with bench.database.transaction(Scope.fleet()) as connection:
        assert dict(keeper.read(connection, older).given) == dict.fromkeys(PARTS, 1)
        assert keeper.read(connection, own).given.get("calendar") is None
    again = update(bench, keeper, apply=True)
    assert (again.offered, again.up_to_date) == (0, 3)
    assert update(bench, keeper, apply=False, studios=[same]).looked_at == 1
    with pytest.raises(NotFound):
        update(bench, keeper, apply=True, studios=[new_id()])


def test_a_studio_that_can_not_be_updated_keeps_none_of_the_others_from_it(
    bench: Bench, keeper: DefaultsKeeper
) -> None:
    reviewed, fresh = opened(bench, keeper, "Reviewed"), opened(bench, keeper, "Fresh")
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(f"update message_template set state = 'approved' where workspace_id = '{reviewed}'")

    def reworded(document: WorkspaceDefaults) -> WorkspaceDefaults:
        first, *others = document.followups.templates
        first = first.model_copy(update={"bodies": {**first.bodies, "en": "Hello {{1}}."}})
        followups = document.followups.model_copy(update={"templates": (first, *others)})
        return document.model_copy(update={"followups": followups})

    write(bench, keeper, reworded)
    done = update(bench, keeper, apply=True)
    assert list(done.failed) == [reviewed] and "another name" in done.failed[reviewed]
    assert [offer.workspace_id for offer in done.offers] == [fresh]


@pytest.mark.parametrize("after_commit", [False, True])
def test_who_is_killed_while_updating_goes_on_where_it_was(
    bench: Bench, keeper: DefaultsKeeper, after_commit: bool
) -> None:
    studios = [opened(bench, keeper, name) for name in ("A", "B", "C")]
    write(bench, keeper, shorter)
    mortal = MortalDatabase(bench.database.url, dies_at=3, after_commit=after_commit)
    with pytest.raises(Killed):
        update_studios(mortal, bench.clocks, keeper, apply=True, actor="system")
    mortal.close()
    before = [minutes(bench, one) for one in studios]
    assert 30 in before and 45 in before
    update(bench, keeper, apply=True)
    assert [minutes(bench, one) for one in studios] == [30, 30, 30]
    versions = bench.rows("select count(*) from workspace_configuration group by workspace_id")
    assert versions == [(6,)] * 3  # the profile, four parts, and one update each


def test_the_order_in_lists_makes_no_difference_and_leaves_are_told_by_name(keeper: DefaultsKeeper) -> None:
    calendar = CalendarConfiguration(
        event_types=tuple(CalendarEventType(slug=slug, name=slug, duration_minutes=30) for slug in ("a", "b"))
    )
    turned = calendar.model_copy(update={"event_types": calendar.event_types[::-1]})
    assert digest(calendar) == digest(turned)
    assert differences(calendar, turned) == []
    fewer = calendar.model_copy(update={"event_types": calendar.event_types[:1]})
    assert ("event_types.b.duration_minutes", 30, None) in differences(calendar, fewer)
    assert differences(None, fewer)


def test_the_template_is_written_and_offered_by_command(
    bench: Bench, keeper: DefaultsKeeper, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    studio = opened(bench, keeper)
    run = lambda *words: CliRunner().invoke(commands, ["defaults", *words], env={"COLUMNS": "250"})  # noqa: E731
    shown = json.loads(run("show").stdout)
    assert shown["version"] == 0
    shown["defaults"]["calendar"]["event_types"][0]["duration_minutes"] = 30
    file = tmp_path / "template.json"
    file.write_text(json.dumps(shown))
    assert json.loads(run("set", str(file), "--note", "shorter", "--json").stdout) == {"version": 1}
    stale = run("set", str(file), "--note", "again")
    assert stale.exit_code == 1 and "version 1 by now" in stale.stderr
    shown["defaults"]["calendar"]["event_types"][0]["duration_minutes"] = 3
    file.write_text(json.dumps(shown))
    refused = run("set", str(file), "--note", "x")
    assert refused.exit_code == 2 and "duration_minutes" in refused.stderr
    assert "calendar.event_types.trial-session.duration_minutes: 45 -> 30" in run("update").stdout
    assert minutes(bench, studio) == 45
    assert "1 of 1 studios were brought to version 1" in run("update", "--apply", "--workspace", str(studio)).stdout
    assert minutes(bench, studio) == 30
