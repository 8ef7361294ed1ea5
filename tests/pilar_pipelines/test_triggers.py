"""Triggers end to end: the web service, Dagster's real processes, and a run that does its work."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.app import build_app
from pilar.backplane import locks
from pilar.database.engine import Scope
from pilar.providers.dagster.client import GRAPHQL_PATH, DagsterClient
from pilar.security import api_tokens
from pilar.security.principals import Kind
from pilar.settings import Settings
from tests.pilar_pipelines.conftest import START_SECONDS
from tests.pilar_pipelines.fleet import Fleet
from webhook_ingest.app import create_app


@pytest.mark.slow
def test_a_timers_request_becomes_a_run_that_is_followed_to_its_end(dagster: DagsterClient, fleet: Fleet) -> None:
    now = datetime.now(UTC)
    with fleet.database.transaction(Scope.fleet()) as connection:
        token = api_tokens.create(connection, name="timer", kind=Kind.SYSTEM, actor="system", now=now)
        past = now - timedelta(hours=1)
        assert locks.acquire(connection, "left", holder="nobody", ttl=timedelta(minutes=1), now=past)
    app = build_app(Settings(dagster_url=dagster.url.removesuffix(GRAPHQL_PATH)))
    with TestClient(create_app(app), headers={"authorization": f"Bearer {token.plain}"}) as client:
        first, again = (client.get("/api/autopilot/cleanup").json() for _ in range(2))
        assert (first["is_new"], again["is_new"]) == (True, False)
        assert again["run"]["id"] == first["run"]["id"]
        run = _followed(client, first["run"]["href"])
        assert (run["status"], run["asked_by"]) == ("SUCCESS", f"token:{token.id}")
        assert fleet.rows("select key from distributed_lock") == []
        assert client.post("/api/autopilot/scheduler").status_code == 409  # there is no studio yet
        jobs = {job["trigger"]: job["newest_run"] for job in client.get("/api/autopilot/status").json()["jobs"]}
        assert jobs["clean_up"] == run
        assert client.post("/api/autopilot/cleanup").json()["is_new"]
    app.close()


def _followed(client: TestClient, href: str) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        run: dict[str, Any] = client.get(href).json()
        if run["is_over"]:
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.2)
