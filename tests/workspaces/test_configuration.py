"""What a studio's configuration promises: validated, versioned, never overwritten unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from pilar.agents.defaults import default_agent
from pilar.coach.defaults import SCHEDULES, training_logic
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, NotFound
from pilar.ids import new_id
from pilar.workspaces import store
from pilar.workspaces.configuration import CoachType, StudioConfiguration, StudioProfile
from pilar.workspaces.plans import GRANTS, Plan

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PROFILE = StudioProfile(name="Studio Noord", country="NL", time_zone="Europe/Amsterdam", language="nl")


def _studio(database: Database) -> UUID:
    studio = new_id()
    values = {
        "workspace_id": studio,
        "name": "x",
        "state": "active",
        "plan": "PRO",
        "country": "NL",
        "time_zone": "UTC",
        "created_at": NOW,
    }
    with database.transaction(Scope.fleet()) as connection:
        store.upsert_workspace(connection, values)
    return studio


def test_each_change_is_a_version_and_the_same_document_is_none(database: Database) -> None:
    studio = _studio(database)
    first = StudioConfiguration(plan=Plan.PRO, studio=PROFILE)
    second = first.model_copy(update={"agent": default_agent(PROFILE), "coaching": training_logic()})
    said: dict[str, Any] = {"changed_by": "owner:1", "note": "n", "now": NOW}
    with database.transaction(Scope.workspace(studio)) as connection:
        assert store.save_configuration(connection, studio, first, **said) == 1
        assert store.save_configuration(connection, studio, first, **said) == 1
        assert store.save_configuration(connection, studio, second, **said, expected_version=1) == 2
        with pytest.raises(Conflict, match="version 2"):
            store.save_configuration(connection, studio, first, **said, expected_version=1)
        assert store.load_configuration(connection, studio) == (2, second)
    with database.transaction(Scope.workspace(new_id())) as connection, pytest.raises(NotFound):
        store.load_configuration(connection, studio)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"studio": {**PROFILE.model_dump(), "time_zone": "Europe/Atlantis"}}, "time zone"),
        ({"studio": {**PROFILE.model_dump(), "name": "  "}}, "at least 1 character"),
        ({"coaching": {"schedules": [{"type": "coach.morning_nudge", "cron": "daily"}]}}, "pattern"),
        ({"operator": {"policies": {"whatsapp": {"daily_limit": -1}}}}, "greater than or equal to 0"),
        ({"agent": {"system_prompt": "x", "temperature": 3}}, "less than or equal to 2"),
        ({"typo": True}, "Extra inputs"),
    ],
)
def test_a_wrong_document_is_refused_and_told_why(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        StudioConfiguration.model_validate({"plan": "PRO", "studio": PROFILE.model_dump(), **change})


def test_a_feature_is_on_where_the_plan_grants_it_and_the_studio_leaves_it_on() -> None:
    pro = StudioConfiguration(plan=Plan.PRO, studio=PROFILE, feature_flags={"coach": False})
    assert pro.feature("experiments")
    assert not pro.feature("coach")
    basic = StudioConfiguration(plan=Plan.BASIC, studio=PROFILE, feature_flags={"experiments": True})
    assert not basic.feature("experiments")


def test_pro_grants_at_least_what_basic_does() -> None:
    basic, pro = GRANTS[Plan.BASIC], GRANTS[Plan.PRO]
    assert basic.features <= pro.features
    assert all(pro.budgets[key] >= amount for key, amount in basic.budgets.items())


def test_the_training_logic_knows_every_kind_of_coaching_message() -> None:
    assert {schedule.type for schedule in SCHEDULES} == set(CoachType.__args__)  # type: ignore[attr-defined]


def test_an_older_answer_of_stripes_does_not_overwrite_a_newer_one(database: Database) -> None:
    studio = _studio(database)
    values = {
        "stripe_subscription_id": "sub_1",
        "stripe_customer_id": "cus_1",
        "plan": "PRO",
        "amount_minor": 9900,
        "currency": "EUR",
        "current_period_end": None,
        "cancel_at_period_end": False,
    }
    with database.transaction(Scope.fleet()) as connection:
        for status, minute in (("active", 1), ("past_due", 3), ("active", 2)):
            told = {**values, "status": status, "read_at": NOW.replace(minute=minute)}
            store.upsert_subscription(connection, studio, told)
        assert connection.exec_driver_sql("select status from subscription").scalar_one() == "past_due"
