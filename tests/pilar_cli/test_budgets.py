"""`pilar budget` on a real database, called as the shell would call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from pilar.backplane import budgets
from pilar.clocks import system_clocks
from pilar.database.engine import Database, Scope
from pilar.errors import OverBudget
from pilar.ids import new_id
from pilar_cli.main import app


@pytest.fixture(autouse=True)
def named(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)


@pytest.fixture
def studio(database: Database) -> UUID:
    studio = new_id()
    with database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "messages", "day", 4, "queue")
        budgets.set_limit(connection, studio, "messages", "hour", 100, "queue")
        budgets.consume(connection, system_clocks(), studio, "messages", 4)
    return studio


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["budget", *map(str, words)], env={"COLUMNS": "250"})


def answer(*words: object) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def fits(database: Database, studio: UUID) -> bool:
    with database.transaction(Scope.fleet()) as connection:
        try:
            budgets.consume(connection, system_clocks(), studio, "messages", 1)
        except OverBudget:
            return False
        return True


def test_the_fullest_are_shown_first(studio: UUID) -> None:
    told = answer("show")
    assert [(one["period"], one["limit"], one["used"], one["share"]) for one in told["budgets"]] == [
        ("day", 4, 4, 1.0),
        ("hour", 100, 4, 0.04),
    ]
    assert len(answer("show", "--workspace", studio, "--at-least", 80)["budgets"]) == 1
    assert answer("show", "--workspace", new_id())["budgets"] == []
    assert "100%" in run("show").stdout


def test_an_override_is_made_shown_and_ended(studio: UUID, database: Database) -> None:
    assert not fits(database, studio)
    wanted = ("--workspace", studio, "--resource", "messages", "--amount", 50, "--reason", "a fair")
    made = answer("override", *wanted, "--hours", 2)
    assert (made["amount"], made["period"], made["made_by"]) == (50, "day", "system")
    assert fits(database, studio)
    assert [one["id"] for one in answer("show")["overrides"]] == [made["id"]]
    assert "50 (in place of 4)" in run("show").stdout
    assert answer("end-override", made["id"], "--workspace", studio)["ended_by"] == "system"
    assert not fits(database, studio)
    again = run("end-override", made["id"], "--workspace", studio)
    assert (again.exit_code, again.stderr) == (1, "No such override is in force.\n")
    assert answer("override", *wanted, "--until", "2100-01-01")["until"] == "2100-01-01T00:00:00+00:00"


@pytest.mark.parametrize("lasts", [(), ("--hours", 1, "--until", "2100-01-01"), ("--until", "soon")])
def test_an_override_has_one_end(studio: UUID, lasts: tuple[object, ...]) -> None:
    wanted = ("--workspace", studio, "--resource", "messages", "--amount", 50, "--reason", "a fair")
    assert run("override", *wanted, *lasts).exit_code == 2


def test_what_can_not_be_overridden_is_said_in_a_sentence(studio: UUID) -> None:
    done = run("override", "--workspace", studio, "--resource", "money", "--amount", 5, "--reason", "x", "--hours", 1)
    assert (done.exit_code, done.stderr) == (
        1,
        "This workspace has no limit of money per day that could be overridden.\n",
    )
    past = ("--workspace", studio, "--resource", "messages", "--amount", 5, "--reason", "x", "--until", "2001-01-01")
    assert "ends in the future" in run("override", *past).stderr
    assert run("end-override", "x", "--workspace", studio).exit_code == 2
