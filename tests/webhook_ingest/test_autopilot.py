"""Background jobs on demand, against a small server that answers as Dagster does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.operator import triggers
from pilar.security.principals import Access, Kind
from tests.fixtures.system import Killed, MortalDatabase
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.orchestrator import Orchestrator, orchestrating

PATHS = {
    "/api/autopilot/scheduler": "plan_coaching",
    "/api/autopilot/run": "drain",
    "/api/autopilot/health/check": "watch_fleet",
    "/api/autopilot/budget/reset": "reset_budgets",
    "/api/autopilot/cleanup": "clean_up",
}


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    with orchestrating() as running:
        running.studios = ["a", "b", "c"]
        yield running


@pytest.fixture
def settings(settings: dict[str, Any], orchestrator: Orchestrator) -> dict[str, Any]:
    return settings | {"dagster_url": orchestrator.url}


def audited(house: House) -> list[tuple[str, str]]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        rows = connection.exec_driver_sql(
            "select actor, details ->> 'job' from audit_log where action = 'dagster.run_asked_for' order by position"
        )
        return [tuple(row) for row in rows]


def test_each_trigger_asks_for_its_schedules_job(client: TestClient, house: House, orchestrator: Orchestrator) -> None:
    token = house.token(Kind.SYSTEM)
    headers = {"authorization": f"Bearer {token.plain}"}
    for path, job in PATHS.items():
        answer = client.post(path, headers=headers)
        assert answer.status_code == 202
        run = answer.json()["run"]
        assert (run["job"], run["status"], run["is_over"]) == (job, "QUEUED", False)
        assert run["asked_by"] == f"token:{token.id}"
        assert answer.headers["location"] == run["href"]
        assert client.get(run["href"], headers=headers).json() == run
    ranges = {run["jobName"]: {tag["key"]: tag["value"] for tag in run["tags"]} for run in orchestrator.runs}
    assert ranges["plan_coaching"] == {
        "pilar/asked_by": f"token:{token.id}",
        "dagster/asset_partition_range_start": "a",
        "dagster/asset_partition_range_end": "c",
    }
    assert audited(house) == [(f"token:{token.id}", job) for job in PATHS.values()]


def test_asked_for_again_while_it_is_under_way_a_job_is_not_started_again(
    client: TestClient, house: House, orchestrator: Orchestrator
) -> None:
    admin = house.bearer(Kind.ADMIN)
    first = client.post("/api/autopilot/cleanup", headers=admin).json()
    for status in ("QUEUED", "STARTING", "STARTED"):
        orchestrator.runs[0]["status"] = status
        again = client.post("/api/autopilot/cleanup", headers=house.bearer(Kind.SYSTEM)).json()
        assert (first["is_new"], again["is_new"]) == (True, False)
        assert again["run"]["id"] == first["run"]["id"]
    orchestrator.runs[0]["status"] = "SUCCESS"
    assert client.post("/api/autopilot/cleanup", headers=admin).json()["is_new"]
    assert orchestrator.launches == len(audited(house)) == 2


def test_a_run_over_other_studios_is_another_run(client: TestClient, house: House, orchestrator: Orchestrator) -> None:
    admin = house.bearer(Kind.ADMIN)
    assert client.post("/api/autopilot/scheduler", headers=admin).json()["is_new"]
    assert not client.post("/api/autopilot/scheduler", headers=admin).json()["is_new"]
    orchestrator.studios.append("d")
    assert client.post("/api/autopilot/scheduler", headers=admin).json()["is_new"]


def test_without_studios_there_is_nothing_to_plan(client: TestClient, house: House, orchestrator: Orchestrator) -> None:
    orchestrator.studios.clear()
    assert client.post("/api/autopilot/scheduler", headers=house.bearer(Kind.ADMIN)).status_code == 409


def test_two_who_ask_at_once_start_one_run(client: TestClient, house: House, orchestrator: Orchestrator) -> None:
    admin = house.bearer(Kind.ADMIN)
    orchestrator.launching = threading.Event()
    with ThreadPoolExecutor(1) as other:
        first = other.submit(client.post, "/api/autopilot/run", headers=admin)
        assert orchestrator.is_asked.wait(20)
        second = client.post("/api/autopilot/run", headers=admin)
        orchestrator.launching.set()
        assert first.result(20).status_code == 202
    assert second.status_code == 409
    assert second.json()["code"] == "busy"
    assert "retry-after" in second.headers
    third = client.post("/api/autopilot/run", headers=admin).json()
    assert third["run"]["id"] == first.result().json()["run"]["id"]
    assert orchestrator.launches == 1


def test_a_launch_of_unknown_outcome_is_not_repeated_but_found(
    client: TestClient, house: House, orchestrator: Orchestrator
) -> None:
    admin = house.bearer(Kind.ADMIN)
    orchestrator.answers_after_launch = False
    answer = client.post("/api/autopilot/run", headers=admin)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    [run] = orchestrator.runs
    hidden = orchestrator.runs.pop()  # Dagster has not recorded it yet
    assert client.post("/api/autopilot/run", headers=admin).status_code == 409
    orchestrator.runs.append(hidden)
    assert client.post("/api/autopilot/run", headers=admin).json()["run"]["id"] == run["runId"]
    assert orchestrator.launches == 1


@pytest.mark.parametrize(("dies_at", "after_commit"), [(1, True), (2, False)])
def test_who_was_killed_while_asking_keeps_others_from_it_for_a_while_only(
    dies_at: int, after_commit: bool, client: TestClient, house: House, orchestrator: Orchestrator
) -> None:
    app, admin = house.app, house.bearer(Kind.ADMIN)
    mortal = MortalDatabase(app.database.url, dies_at=dies_at, after_commit=after_commit)
    with closing(mortal), pytest.raises(Killed):
        triggers.start(mortal, app.clocks, app.locks, app.gateways.dagster, triggers.RUN, actor="system")
    answer = client.post("/api/autopilot/run", headers=admin)
    if orchestrator.launches:  # it was killed after the launch: the run is found
        assert (answer.status_code, answer.json()["is_new"]) == (202, False)
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "busy")
        house.real.advance(triggers.LOCKED_FOR)
        assert client.post("/api/autopilot/run", headers=admin).json()["is_new"]
    assert orchestrator.launches == 1


def test_a_timer_may_send_get_and_nobody_else(client: TestClient, house: House, orchestrator: Orchestrator) -> None:
    timer = house.bearer(Kind.SYSTEM)
    for path, job in PATHS.items():
        answer = client.get(path, headers=timer)
        assert (answer.status_code, answer.json()["run"]["job"]) == (202, job)
        assert answer.headers["cache-control"] == "no-store"
        assert client.get(path, headers=house.bearer(Kind.ADMIN)).status_code == 403
        assert client.get(path, headers=house.bearer(Kind.SYSTEM, scopes=[Access.READ])).status_code == 403
        assert client.get(path).status_code == 401
    house.sign_in(client, house.person("founder@pilar.test", is_founder=True))
    launched = orchestrator.launches
    assert {client.get(path).status_code for path in PATHS} == {403}
    assert orchestrator.launches == launched == len(PATHS)


def test_the_status_tells_each_jobs_newest_run_and_what_waits(
    client: TestClient, house: House, orchestrator: Orchestrator
) -> None:
    admin = house.bearer(Kind.ADMIN)
    run = client.post("/api/autopilot/health/check", headers=admin).json()["run"]
    answer = client.get("/api/autopilot/status", headers=admin).json()
    assert (answer["dagster"], answer["database"], answer["workers_alive"]) == ("reachable", "reachable", 0)
    newest = {job["trigger"]: job["newest_run"] for job in answer["jobs"]}
    assert newest == dict.fromkeys(newest) | {"health_check": run}
    assert [job["job"] for job in answer["jobs"]] == list(PATHS.values())


def test_an_unknown_run_is_not_found(client: TestClient, house: House) -> None:
    path = "/api/autopilot/runs/00000000-0000-7000-8000-000000000000"
    assert client.get(path, headers=house.bearer(Kind.ADMIN)).status_code == 404
    assert client.get("/api/autopilot/runs/nonsense", headers=house.bearer(Kind.ADMIN)).status_code == 422


class TestWithoutDagster:
    @pytest.fixture
    def settings(self, settings: dict[str, Any], closed_port: int) -> dict[str, Any]:
        return settings | {"dagster_url": f"http://127.0.0.1:{closed_port}"}

    def test_triggers_say_when_to_come_back(self, client: TestClient, house: House) -> None:
        for path in PATHS:
            answer = client.post(path, headers=house.bearer(Kind.ADMIN))
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert "127.0.0.1" not in answer.text
        # Nothing was locked: as soon as it is back, it may be asked.
        with house.app.database.transaction(Scope.fleet()) as connection:
            assert connection.exec_driver_sql("select count(*) from distributed_lock").scalar() == 0

    def test_the_status_says_so_and_tells_the_rest(self, client: TestClient, house: House) -> None:
        answer = client.get("/api/autopilot/status", headers=house.bearer(Kind.ADMIN))
        assert answer.status_code == 200
        assert answer.json()["dagster"] == "unreachable"
        assert {job["newest_run"] for job in answer.json()["jobs"]} == {None}


def test_a_key_answers_a_trigger_once(client: TestClient, house: House, orchestrator: Orchestrator) -> None:
    headers = house.bearer(Kind.ADMIN) | {"idempotency-key": "tonight"}
    first = client.post("/api/autopilot/cleanup", headers=headers)
    orchestrator.runs[0]["status"] = "SUCCESS"
    house.real.advance(timedelta(minutes=5))
    again = client.post("/api/autopilot/cleanup", headers=headers)
    assert (again.status_code, again.json(), again.headers["location"]) == (
        202, first.json(), first.headers["location"],
    )  # fmt: skip
    assert again.headers["idempotency-replayed"] == "true"
    assert orchestrator.launches == 1
