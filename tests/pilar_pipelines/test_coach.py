from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg

from pilar.clocks import system_clocks
from pilar.coach import store as coach
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging import store as messaging
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule, StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from pilar.workspaces.store import save_configuration
from pilar_pipelines.definitions import defs
from pilar_pipelines.jobs.coach import count_coaching_every_hour, plan_coaching_every_hour, score_engagement_every_hour
from pilar_pipelines.partitions import range_tags
from tests.pilar_pipelines.fleet import Fleet

PLANNED = dg.AssetKey("coach_dispatch")


def _coach(fleet: Fleet, studio: UUID) -> None:
    """Give a studio a training logic and a lead who is coached by it, some time within the next 26 hours."""
    now = system_clocks().business.now()
    schedules = (CoachSchedule(type="coach.morning_nudge", cron=f"30 {(now + timedelta(hours=13)).hour} * * *"),)
    document = StudioConfiguration(
        plan=Plan.PRO,
        studio=StudioProfile(name="Studio", country="NL", time_zone="UTC"),
        coaching=CoachingConfiguration(enabled=True, schedules=schedules),
    )
    who = {"phone": None, "name": "Anna", "language": "en", "country": None, "time_zone": "UTC",
           "lifecycle": "lead", "source": "whatsapp", "created_at": now}  # fmt: skip
    with fleet.database.transaction(Scope.fleet()) as connection:
        save_configuration(connection, studio, document, changed_by="test", note="", now=now)
        lead = messaging.ensure_lead(connection, studio, "user-1", who)
        values = {"frequency": "daily", "motivation_style": "supportive"}
        coach.enrol(connection, studio, lead, now, values)


def _run(instance: dg.DagsterInstance, job: str, studios: list[UUID]) -> dg.ExecuteInProcessResult:
    tags = range_tags(str(studios[0]), str(studios[-1]))
    return defs.resolve_job_def(job).execute_in_process(instance=instance, tags=tags)


def _check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = result.get_asset_check_evaluations()
    return found


def test_one_run_plans_a_range_of_studios_once(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    studios = fleet.add("One", "Two", "Three", "Four")
    for studio in studios[1:]:
        _coach(fleet, studio)
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in studios])
    check = _check(_run(instance, "plan_coaching", studios[:3]))
    assert check.passed
    assert [check.metadata[name].value for name in ("nudges", "coaching", "failed")] == [2, 2, 0]
    assert instance.get_materialized_partitions(PLANNED) == {str(studio) for studio in studios[:3]}
    assert _check(_run(instance, "plan_coaching", studios)).metadata["nudges"].value == 1
    assert {row.workspace_id for row in fleet.rows("select workspace_id from coach_nudge")} == set(studios[1:])
    counted = _check(_run(instance, "count_coaching", studios))
    assert (counted.passed, counted.metadata["rows"].value) == (True, 3)
    assert fleet.rows("select sum(planned) from analytics.coach_activity") == [(3,)]
    scored = _check(_run(instance, "score_engagement", studios))
    assert [scored.metadata[name].value for name in ("leads", "paces", "failed")] == [3, 0, 0]
    assert fleet.rows("select workspace_id, leads, mean_score from analytics.coach_engagement order by 1") == [
        (studio, 1, 50) for studio in sorted(studios[1:])
    ]


def test_a_studio_with_a_broken_configuration_turns_a_check_red_and_the_others_are_planned(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    studios = fleet.add("One", "Broken", "Three")
    for studio in studios:
        _coach(fleet, studio)
    fleet.change(
        "update workspace_configuration set document = document || '{\"coaching\": 1}' where workspace_id = :it",
        it=studios[1],
    )
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in studios])
    result = _run(instance, "plan_coaching", studios)
    assert result.success
    check = _check(result)
    assert not check.passed
    assert str(studios[1]) in str(check.metadata["failed_studios"].value)
    assert {row.workspace_id for row in fleet.rows("select workspace_id from coach_nudge")} == {studios[0], studios[2]}


def test_the_schedules_ask_for_all_studios_in_one_run(instance: dg.DagsterInstance) -> None:
    keys = [str(new_id()) for _ in range(12)]
    instance.add_dynamic_partitions("workspace", keys)
    for schedule in (plan_coaching_every_hour, count_coaching_every_hour, score_engagement_every_hour):
        with dg.build_schedule_context(
            instance=instance,
            repository_def=defs.get_repository_def(),
            scheduled_execution_time=datetime(2026, 3, 2, 6, 50, tzinfo=UTC),
        ) as context:
            (request,) = schedule.evaluate_tick(context).run_requests or ()
        assert request.tags.items() >= range_tags(keys[0], keys[-1]).items()
