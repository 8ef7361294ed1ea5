"""`pilar keys`: which keys are in use, and changing to the newest without a moment in which something can't be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from pilar.clocks import system_clocks
from pilar.crypto import SecretBox, key_name, new_key
from pilar.database.engine import Database, Scope
from pilar.security import rotation
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import seal, unseal
from pilar_cli.main import app
from tests.fixtures.studios import OPENED, add_studio
from tests.fixtures.system import Killed, MortalDatabase

OLD, NEW = new_key(), new_key()


@pytest.fixture(autouse=True)
def named(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    monkeypatch.setenv("PILAR_SECRET_KEYS", f"{NEW},{OLD}")


def run(*words: str) -> Result:
    done = CliRunner().invoke(app, ["keys", *words], env={"COLUMNS": "250"})
    for secret in (OLD, NEW, "token of"):
        assert secret not in done.output
    return done


def told(*words: str, code: int = 0) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def sealed(database: Database, count: int, key: str = OLD) -> list[UUID]:
    studios = [add_studio(database) for _ in range(count)]
    box = SecretBox([key])
    with database.transaction(Scope.fleet()) as connection:
        for studio in studios:
            credentials = seal(box, {"auth_token": f"token of {studio}"})
            workspaces.upsert_integration(
                connection, studio, "twilio", now=OPENED, external_id="AC1", sealed_credentials=credentials
            )
            workspaces.upsert_integration(connection, studio, "whatsapp", now=OPENED)
    return studios


def under(database: Database, key: str, studios: list[UUID]) -> int:
    """How many studios' credentials that key alone opens, each checked to be what it was."""
    box, found = SecretBox([key]), 0
    with database.transaction(Scope.fleet()) as connection:
        for studio in studios:
            held = workspaces.get_integration(connection, studio, "twilio")
            assert held is not None and held.sealed_credentials is not None
            if box.key_of(held.sealed_credentials):
                assert unseal(box, held) == {"auth_token": f"token of {studio}"}
                found += 1
    return found


def test_everything_comes_under_the_newest_key_and_the_old_one_can_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    studios = sealed(database, 5) + sealed(database, 1, NEW)
    before = {one["key"]: one for one in told("list")["keys"]}
    assert before[key_name(OLD)]["where"] == {"integration.sealed_credentials": 5}
    assert before[key_name(NEW)] | {"where": None} == {"key": key_name(NEW), "newest": True, "values": 1, "where": None}
    assert "nothing any more" not in run("list").stdout
    assert told("rotate") == {"key": key_name(NEW), "looked_at": 6, "resealed": 5, "unopened": {}}
    assert told("rotate")["resealed"] == 0
    assert f"Key {key_name(OLD)} opens nothing any more" in run("list").stdout
    monkeypatch.setenv("PILAR_SECRET_KEYS", NEW)
    assert told("list")["unopened"] == {}
    assert under(database, NEW, studios) == 6
    with database.transaction(Scope.fleet()) as connection:
        rows = connection.exec_driver_sql("select details from audit_log where action = 'security.keys_rotated'")
        assert [row[0]["resealed"] for row in rows] == [5, 0]


def test_what_no_key_opens_is_told_and_stays_as_it_is(database: Database) -> None:
    sealed(database, 1, new_key())
    studios = sealed(database, 2)
    assert told("list", code=1)["unopened"] == {"integration.sealed_credentials": 1}
    assert told("rotate", code=1) == {
        "key": key_name(NEW), "looked_at": 3, "resealed": 2, "unopened": {"integration.sealed_credentials": 1},
    }  # fmt: skip
    assert under(database, NEW, studios) == 2


@pytest.mark.parametrize("after_commit", [False, True])
def test_who_is_killed_in_the_middle_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, after_commit: bool
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    studios, box = sealed(database, 7), SecretBox([NEW, OLD])
    mortal = MortalDatabase(database.url, dies_at=3, after_commit=after_commit)
    with pytest.raises(Killed):
        rotation.rotate(mortal, system_clocks(), box, actor="system", told=lambda *_: None)
    mortal.close()
    done = under(database, NEW, studios)
    assert 0 < done < 7 and under(database, OLD, studios) == 7 - done
    again = rotation.rotate(database, system_clocks(), box, actor="system", told=lambda *_: None)
    assert (again.looked_at, again.resealed) == (7, 7 - done)
    assert under(database, NEW, studios) == 7


def test_every_encrypted_column_of_the_tables_is_found(database: Database) -> None:
    from sqlalchemy import LargeBinary

    from pilar.database.schema import metadata
    from pilar.security.rotation_store import sealed_columns

    with database.transaction(Scope.fleet()) as connection:
        found = {one.name for one in sealed_columns(connection)}
    assert found == {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.startswith("sealed_")
    }
    assert "provisioning_job.sealed_setup_token" in found
