"""`pilar audit` and `pilar effects` on a real database, called as the shell would call them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from pilar.backplane import audit
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.reconciling import Reconcilers, reconcile
from pilar.backplane.sealing import seal
from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Database, Scope
from pilar.errors import OutcomeUnknown
from pilar.ids import new_id
from pilar_cli.main import app


@pytest.fixture(autouse=True)
def named(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)


@pytest.fixture
def clocks() -> Clocks:
    clock = ManualClock(datetime.now(UTC) - timedelta(days=1))
    return Clocks(business=clock, real=clock)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "250"})


def answer(*words: str, code: int = 0) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def _record(database: Database, *subjects: str) -> None:
    with database.transaction(Scope.fleet()) as connection:
        for subject in subjects:
            audit.record(connection, actor="system", action="test.done", subject=subject, now=datetime.now(UTC))


def test_verify_tells_how_far_it_is_sealed_and_names_what_was_tampered_with(database: Database, clocks: Clocks) -> None:
    assert "Nothing is sealed yet" in run("audit", "verify").stdout
    _record(database, "a", "b", "c")
    seal(database, clocks)
    whole = answer("audit", "verify")
    assert (whole["is_whole"], whole["sealed_to"], whole["unsealed"]) == (True, 3, 0)
    assert whole["hash"] in run("audit", "verify").stdout
    assert answer("audit", "verify", "--expect", whole["hash"])["has_expected_hash"] is True
    assert answer("audit", "verify", "--expect", "00", code=1)["has_expected_hash"] is False
    assert run("audit", "verify", "--expect", "no hash").exit_code == 2
    with database.engine.begin() as connection:
        connection.execute(text("alter table audit_log disable trigger append_only"))
        connection.execute(text("update audit_log set subject = 'x' where position = 2"))
    broken = answer("audit", "verify", code=1)
    assert broken["broken"] == {"segment": 1, "position": 2, "what": "changed"}
    plain = run("audit", "verify")
    assert (plain.exit_code, "at position 2: changed" in plain.stdout) == (1, True)


def test_entries_are_listed_by_what_is_asked_for(database: Database) -> None:
    assert "no entries" in run("audit", "list").stdout
    _record(database, "first", "second")
    assert [entry["subject"] for entry in answer("audit", "list")["entries"]] == ["second", "first"]
    assert [entry["subject"] for entry in answer("audit", "list", "--before", "2")["entries"]] == ["first"]
    assert answer("audit", "list", "--actor", "admin:1")["entries"] == []
    assert answer("audit", "list", "--workspace", str(new_id()))["entries"] == []
    assert "test.done" in run("audit", "list", "--action", "test.done", "--limit", "1").stdout
    assert run("audit", "list", "--workspace", "x").exit_code == 2


@pytest.mark.parametrize(("outcome", "state"), [("happened", "confirmed"), ("did-not-happen", "intent")])
def test_an_effect_in_doubt_is_listed_and_settled(database: Database, clocks: Clocks, outcome: str, state: str) -> None:
    def cut() -> dict[str, Any]:
        raise OutcomeUnknown("The connection failed.")

    assert "is known" in run("effects", "list").stdout
    with pytest.raises(OutcomeUnknown):
        EffectLedger(database, clocks, timeout=timedelta(seconds=5)).perform(Effect("test.buy", "1", call=cut))
    assert "a look" in run("effects", "list").stdout
    assert isinstance(clocks.real, ManualClock)
    clocks.real.advance(timedelta(minutes=10))
    reconcile(database, clocks, Reconcilers(timedelta(seconds=5)))
    assert "a decision" in run("effects", "list").stdout
    (row,) = answer("effects", "list")["effects"]
    assert row["needs_a_person"] is True
    assert run("effects", "settle", row["id"], outcome).exit_code == 2, "a note is wanted"
    answer("effects", "settle", row["id"], outcome, "--note", "I asked.")
    with database.transaction(Scope.fleet()) as connection:
        assert connection.execute(text("select state, note from effect")).one() == (state, "I asked.")
    again = run("effects", "settle", row["id"], outcome, "--note", "I asked.")
    assert (again.exit_code, "not in doubt" in again.stderr) == (1, True)
    assert run("effects", "settle", "x", outcome, "--note", "").exit_code == 2
