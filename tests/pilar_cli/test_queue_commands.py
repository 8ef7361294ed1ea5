"""`pilar queue` and `pilar dead` on a real database, called as the shell would call them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pilar.backplane.notices import IncidentRequested
from pilar.backplane.work import Status
from pilar.clocks import ManualClock
from pilar.database.engine import Database
from pilar.ids import new_id
from pilar_cli.main import app
from pilar_cli.work_states import WorkState
from tests.fixtures.work import Bench


@pytest.fixture
def bench(database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A drain whose real time is a little before that of the commands."""
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    made = replace(Bench(database), real=ManualClock(datetime.now(UTC) - timedelta(minutes=5)))
    made.registry.know_event(IncidentRequested)
    yield made


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "250"})


def answer(*words: str) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def text(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def _bury(bench: Bench, *names: str, **options: Any) -> None:
    bench.ask(*names, **options)
    while bench.run():
        pass


def test_the_commands_know_each_status() -> None:
    assert [one.value for one in WorkState] == [one.value for one in Status]


def test_status_tells_what_waits_and_what_was_done(bench: Bench) -> None:
    assert "Nothing waits" in text("queue", "status")
    bench.on_chore(lambda connection, work: None)
    bench.ask("a", "b")
    bench.run()
    bench.ask("c")
    told = answer("queue", "status")
    (lane,) = told["lanes"]
    assert (lane["lane"], lane["waiting"], lane["ended"]) == ("default", 1, 2)
    assert lane["oldest_seconds"] >= 300
    assert (told["dead_letters"], told["workers_alive"], told["pauses"]) == (0, 0, [])
    assert "default" in text("queue", "status", "--minutes", "10")


def test_jobs_and_events_are_listed_page_by_page_and_shown(bench: Bench) -> None:
    studio = new_id()
    bench.ask("a", "b", "c", workspace_id=studio)
    bench.tell("[bold]happened")
    first = answer("queue", "jobs", "--limit", "2", "--workspace", str(studio), "--status", "pending")
    assert [job["payload"]["name"] for job in first["jobs"]] == ["c", "b"]
    rest = answer("queue", "jobs", "--limit", "2", "--before", str(first["next_before"]))
    assert ([job["payload"]["name"] for job in rest["jobs"]], rest["next_before"]) == (["a"], None)
    assert answer("queue", "jobs", "--type", "test.other")["jobs"] == []
    (event,) = answer("queue", "events")["events"]
    assert "test.happened" in text("queue", "events")
    assert "There are no such jobs." in text("queue", "jobs", "--status", "failed")
    assert answer("queue", "show", event["id"])["aggregate_id"] == "[bold]happened"
    assert "[bold]happened" in text("queue", "show", event["id"])
    assert answer("queue", "show", rest["jobs"][0]["id"]) == rest["jobs"][0]
    assert run("queue", "show", str(new_id())).exit_code == 1
    assert run("queue", "show", "first").exit_code == 2


def test_a_job_is_cancelled_once_it_waits_and_not_when_it_has_ended(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    bench.ask("a")
    bench.run()
    bench.ask("b")
    waits, done = answer("queue", "jobs")["jobs"]
    assert answer("queue", "cancel", waits["id"], "--reason", "no need")["was"] == "pending"
    assert answer("queue", "show", waits["id"])["status"] == "cancelled"
    refused = run("queue", "cancel", done["id"])
    assert refused.exit_code == 1
    assert "has ended" in refused.stderr


def test_work_is_paused_and_goes_on(bench: Bench) -> None:
    assert answer("queue", "pause", "lane", "bulk", "--reason", "a deploy", "--minutes", "5")["until"]
    text("queue", "pause", "type", "test.chore", "--reason", "look")
    told = answer("queue", "status")["pauses"]
    assert [(one["dimension"], one["subject"], one["reason"]) for one in told] == [
        ("type", "test.chore", "look"),
        ("lane", "bulk", "a deploy"),
    ]
    assert "Paused: lane bulk, until" in text("queue", "status")
    assert answer("queue", "resume", "lane", "bulk")["resumed"]
    assert "not paused" in text("queue", "resume", "lane", "bulk")
    assert run("queue", "pause", "lane", "express", "--reason", "x").exit_code == 1
    assert run("queue", "pause", "lane", "bulk").exit_code == 2


def test_dead_letters_are_listed_sent_back_and_let_go_of(bench: Bench) -> None:
    studio = new_id()
    _bury(bench, "a", "b", workspace_id=studio)
    _bury(bench, "c")
    assert "unknown_type" in text("dead", "list")
    found = answer("dead", "list", "--workspace", str(studio), "--kind", "job", "--limit", "1")
    assert (found["count"], len(found["dead_letters"])) == (2, 1)
    assert run("dead", "requeue").exit_code == 2, "nobody means all of them by saying nothing"
    assert answer("dead", "requeue", found["dead_letters"][0]["id"]) == {"requeued": 1}
    assert answer("dead", "discard", "--workspace", str(studio), "--reason", "no need") == {"discarded": 1}
    assert answer("dead", "requeue", "--since", "2100-01-01") == {"requeued": 0}
    assert "1 went back" in text("dead", "requeue", "--all")
    assert "no such dead letters" in text("dead", "list")
    assert "no such dead letters" in text("dead", "discard", "--all")
    assert bench.rows("select actor, action from audit_log order by position") == [
        ("admin:command line", "queue.requeued"),
        ("admin:command line", "queue.discarded"),
        ("admin:command line", "queue.requeued"),
    ]
