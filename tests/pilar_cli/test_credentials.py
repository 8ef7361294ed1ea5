"""Secrets that studios give, and what deliveries were made of, from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.workspaces import credentials, store
from pilar_cli.main import app

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def run(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=said, env={"COLUMNS": "250"})


def test_a_secret_is_given_by_standard_input_and_never_shown(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, studio = new_key(), new_id()
    box = SecretBox([key])
    monkeypatch.setenv("PILAR_DATABASE_URL", database.url)
    monkeypatch.setenv("PILAR_SECRET_KEYS", key)
    values = {"workspace_id": studio, "name": "x", "state": "active", "plan": "PRO", "country": "NL", "time_zone": "UTC",
              "created_at": NOW}  # fmt: skip
    with database.transaction(Scope.fleet()) as connection:
        store.upsert_workspace(connection, values)
        sealed = credentials.seal(box, {"access_token": "t"})
        store.upsert_integration(connection, studio, "whatsapp", now=NOW, sealed_credentials=sealed)

    def kept() -> dict[str, Any]:
        with database.transaction(Scope.fleet()) as connection:
            return credentials.unseal(box, store.get_integration(connection, studio, "whatsapp"))

    done = run("credentials", "give", "whatsapp", "--workspace", str(studio), said="new,old\n")
    assert done.exit_code == 0, done.output
    assert "new,old" not in done.output
    assert kept() == {"access_token": "t", "app_secret": "new,old"}
    empty = run("credentials", "give", "whatsapp", "--workspace", str(studio), said="\n")
    assert (empty.exit_code, kept()["app_secret"]) == (1, "new,old")
    done = run("credentials", "forget", "whatsapp", "--workspace", str(studio), "--json")
    assert json.loads(done.stdout)["credential"] == "app_secret"
    assert kept() == {"access_token": "t"}
    nobody = run("credentials", "give", "twilio", "--workspace", str(studio), said="x\n")
    assert nobody.exit_code == 1
    assert "connected first" in nobody.output
    assert run("credentials", "give", "whatsapp", "--workspace", "north", said="x\n").exit_code == 2


def test_what_deliveries_were_made_of_is_shown(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_DATABASE_URL", database.url)
    assert "No delivery" in run("inbox", "items").output
    with database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "insert into queue_log (finished_at, position, handler, fencing_token, kind, workspace_id, lane, type, outcome,"
            " attempts, due_at, claimed_at, worker, result) select clock_timestamp(), 1, '', 1, 1, gen_random_uuid(),"
            " 'inbox', 'whatsapp', 'done', 1, clock_timestamp(), clock_timestamp(), 'w', '{\"passed_over:calls\": 3}'"
        )
    (item,) = json.loads(run("inbox", "items", "--json").stdout)["items"]
    assert (item["provider"], item["fate"], item["count"]) == ("whatsapp", "passed_over:calls", 3)
    assert "passed_over:calls" in run("inbox", "items").output
