from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import dagster as dg

from pilar.app import App
from pilar_pipelines.checks.invariants import promises
from pilar_pipelines.definitions import build_definitions, defs

_FRESH = """
import sys
import dagster as dg
from pilar_pipelines.definitions import defs
heavy = {"pandas", "psycopg", "sqlalchemy", "stripe", "twilio", "pilar.app"} & set(sys.modules)
assert not heavy, f"imported too early: {heavy}"
dg.Definitions.validate_loadable(defs)
print("loaded")
"""


def test_definitions_load_in_a_fresh_interpreter_without_any_setting_and_without_a_warning() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PILAR_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FRESH],
        capture_output=True,
        text=True,
        check=False,
        env=bare,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "loaded", done.stderr


def test_what_assets_do_is_there() -> None:
    sources = (Path(__file__).parents[2] / "pilar_pipelines" / "assets").glob("*.py")
    named = [found for source in sources for found in re.findall(r'"(pilar[\w.]*):(\w+)"', source.read_text())]
    assert len(named) >= 14
    assert all(callable(getattr(import_module(module), function)) for module, function in named)


def test_each_invariant_of_the_app_is_an_asset_check(app: App) -> None:
    assert {promise.name for promise in promises()} == {promise.name for promise in app.invariants}
    names = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert {promise.name for promise in app.invariants} < names


def test_schedules_and_sensors_run_from_the_start_and_schedules_follow_utc() -> None:
    repository = defs.get_repository_def()
    assert {schedule.cron_schedule for schedule in repository.schedule_defs} == {
        "*/5 * * * *",
        "*/15 * * * *",
        "*/30 * * * *",
        "5 * * * *",
        "10,25,40,55 * * * *",
        "20 2 * * *",
        "17 * * * *",
        "20 * * * *",
        "35 * * * *",
        "40 * * * *",
        "45 * * * *",
        "50 * * * *",
        "15 3-23/6 * * *",
        "25 3-23/6 * * *",
        "0 */6 * * *",
        "0 0 * * *",
        "0 2 * * *",
    }
    assert {schedule.execution_timezone for schedule in repository.schedule_defs} == {"UTC"}
    assert {s.default_status for s in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    assert {s.default_status for s in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}


def test_all_jobs_run_in_one_process() -> None:
    executors = {job.name: job.executor_def.name for job in defs.get_repository_def().get_all_jobs()}
    assert set(executors.values()) == {"in_process"}


def test_resources_can_be_swapped() -> None:
    mine = dg.ResourceDefinition.hardcoded_resource("mine")
    assert build_definitions({"pilar": mine}).get_repository_def().get_top_level_resources()["pilar"] is mine
