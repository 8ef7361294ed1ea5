"""Commands on a real database, called as the shell would call them."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from typer.testing import CliRunner, Result

from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.spool import Spool
from pilar.backplane.spool_file import Bounds
from pilar.backplane.spool_rows import Arrival
from pilar.clocks import SystemClock
from pilar.crypto import new_key
from pilar.database.engine import Database, Scope
from pilar.database.server_processes import postmaster
from pilar.security import api_tokens, sessions
from pilar_cli import kept
from pilar_cli.databases import lent_server
from pilar_cli.main import app

SPOOLED_AT = datetime(2027, 1, 1, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PILAR_SECRET_KEYS", raising=False)


def run(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=said, env={"COLUMNS": "250"})


def answer(*words: str, said: str = "") -> Any:
    done = run(*words, "--json", said=said)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def absent(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a database that is not there."""
    url = make_url(postgres_url).set(database=f"absent_{secrets.token_hex(6)}")
    monkeypatch.setenv("PILAR_DATABASE_URL", url.render_as_string(hide_password=False))
    yield str(url.database)
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'drop database if exists "{url.database}" with (force)'))
    engine.dispose()


def test_migrate_makes_the_database_that_is_named_and_tells_what_was_applied_once(absent: str) -> None:
    assert answer("migrate")["applied"] != []
    assert answer("migrate") == {"applied": [], "embedded": False}


def test_doctor_finds_a_database_that_is_behind_and_says_what_to_do(
    absent: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILAR_SECRET_KEYS", new_key())
    done = run("doctor")
    assert done.exit_code == 1
    assert "does not exist" in done.stdout
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    done = run("doctor")
    assert done.exit_code == 0, done.output
    assert "up to date" in done.stdout


def test_doctor_shows_every_setting_with_what_it_turns_off_and_no_secret(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILAR_TWILIO_AUTH_TOKEN", "very secret")
    done = run("doctor", "--json")
    assert done.exit_code == 1  # no key
    told = json.loads(done.stdout)
    assert any("PILAR_SECRET_KEYS" in sentence for sentence in told["missing"])
    settings = {one["name"]: one for one in told["settings"]}
    assert settings["PILAR_TWILIO_AUTH_TOKEN"]["is_set"] is True
    assert settings["PILAR_SMTP_URL"]["is_set"] is False
    assert "mail" in settings["PILAR_SMTP_URL"]["turns_off"]
    assert settings["PILAR_LEASE_SECONDS"]["value"] == "30"
    password = make_url(named).password
    for text_ in (done.output, run("doctor").output):
        assert "very secret" not in text_
        assert str(password) not in text_


def test_doctor_leaves_an_embedded_server_that_rests_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILAR_DATABASE_URL", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    kept.secret(home, "secret_keys", new_key)
    assert answer("doctor")["database"]["state"] == "stopped"
    assert not (home / "postgres").exists()


def test_a_token_is_made_shown_once_listed_and_revoked(named: str, database: Database) -> None:
    made = answer("token", "create", "--name", "nightly export", "--scope", "read", "--days", "3")
    with database.transaction(Scope.fleet()) as connection:
        principal = api_tokens.resolve(connection, made["token"], SystemClock().now())
    assert {str(scope) for scope in principal.scopes} == {"read"}
    listed = run("token", "list").stdout
    assert "nightly export" in listed
    assert made["token"] not in listed
    assert answer("token", "revoke", made["id"])["revoked"] is True
    assert "revoked" in run("token", "list").stdout
    again = run("token", "revoke", made["id"])
    assert (again.exit_code, again.stderr) == (1, "No such token is in force.\n")


def test_the_founder_gets_a_link_and_a_password_that_let_them_in(named: str, database: Database) -> None:
    told = answer(
        "token", "founder", "--email", "Founder@Example.com", "--password-stdin", said="correct horse battery\n"
    )
    now = SystemClock().now()
    with database.transaction(Scope.fleet()) as connection:
        by_link = sessions.sign_in_by_link(connection, told["link"].rpartition("/")[2], now)
        by_password = sessions.sign_in_by_password(
            connection, address="founder@example.com", password="correct horse battery", ip="127.0.0.1", now=now
        )
        principal = sessions.principal_of(connection, by_link.person_id)
    assert by_password is not None
    assert by_password.person_id == by_link.person_id
    assert str(principal.kind) == "admin"


def test_the_founders_link_leads_to_the_port_of_the_last_run(named: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    kept.write(tmp_path / "home" / kept.PORTS, {"web": 8123})
    link = answer("token", "founder", "--email", "a@example.com")["link"]
    assert link.startswith("http://127.0.0.1:8123/sign-in/link/")


def test_a_server_that_is_away_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_DATABASE_URL", "postgresql://nobody:hidden@127.0.0.1:9/none")
    for words in (["migrate"], ["token", "list"]):
        done = run(*words)
        assert done.exit_code == 1
        assert "can't be reached" in done.stderr
        assert "Traceback" not in done.output
        assert "hidden" not in done.output


def test_the_embedded_server_is_stopped_by_whoever_leaves_last(tmp_path: Path) -> None:
    home = tmp_path / "home"
    program = (
        "import sys; from pathlib import Path; from pilar_cli.databases import lent_server\n"
        "with lent_server(Path(sys.argv[1])):\n    print('in', flush=True); sys.stdin.read()\n"
    )
    with lent_server(home):
        other = subprocess.Popen(
            [sys.executable, "-c", program, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
    place = (home / "postgres").resolve()
    assert postmaster(place) is not None
    other.communicate()
    assert postmaster(place) is None


def test_a_sandbox_of_the_command_line_uses_the_kept_keys(tmp_path: Path) -> None:
    port_file = tmp_path / "ports.json"
    words = [sys.executable, "-m", "pilar_cli.main", "sandbox", "--port=0", "--smtp-port=0", f"--port-file={port_file}"]
    with subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        told = json.loads("".join(lines))
        process.terminate()
    assert told["url"] == f"http://127.0.0.1:{kept.read(port_file)['port']}"
    assert set(kept.read(tmp_path / "home" / kept.SECRETS)["sandbox"]) >= {"stripe-api-key", "meta-app-id"}


def test_nothing_runs_in_a_home_that_is_not_there() -> None:
    assert answer("down") == {"ended": [], "deleted": False}


def _spooled(place: Path) -> None:
    """What a web service leaves that ended while the database was away."""

    async def story() -> None:
        spool = Spool(place, "pilar", Bounds(1 << 30, 1_000))
        spool.start()
        told = [NewDelivery("stripe", f"evt_{number}", b"{}", received_at=SPOOLED_AT) for number in range(3)]
        await spool.append([Arrival(number, one) for number, one in enumerate(told)])
        await spool.append(
            [Arrival(9, NewDelivery("twilio", "nul\0", b"secret words", received_at=SPOOLED_AT), "a NUL")]
        )
        await spool.stop()

    asyncio.run(story())


def test_inbox_spool_shows_what_waits_and_what_is_refused_and_retry_releases_it(tmp_path: Path) -> None:
    assert answer("inbox", "spool")["files"] == []
    assert "Nothing waits" in run("inbox", "spool").output
    _spooled(tmp_path / "home" / "spool")
    found = answer("inbox", "spool")
    assert (found["waiting"], found["refused"], found["oldest"]) == (3, 1, SPOOLED_AT.isoformat())
    (one,) = found["files"]
    assert (one["in_use"], one["error"]) == (False, None)
    assert one["refused_deliveries"] == [
        {
            "provider": "twilio",
            "external_id": "nul\\0",
            "received_at": SPOOLED_AT.isoformat(),
            "bytes": 12,
            "reason": "a NUL",
        }
    ]
    shown = run("inbox", "spool").output
    assert "a NUL" in shown
    assert "secret words" not in shown
    assert answer("inbox", "retry") == {"released": 1}
    assert (answer("inbox", "spool")["waiting"], answer("inbox", "spool")["refused"]) == (4, 0)


def test_looking_does_not_disturb_who_holds_the_file(tmp_path: Path) -> None:
    place = tmp_path / "home" / "spool"

    async def story() -> None:
        spool = Spool(place, "pilar", Bounds(1 << 30, 1_000))
        spool.start()
        await spool.append([Arrival(1, NewDelivery("stripe", "evt_1", b"{}"), "it is bad")])
        found = await asyncio.to_thread(answer, "inbox", "spool")
        assert found["files"][0]["in_use"]
        assert await asyncio.to_thread(answer, "inbox", "retry") == {"released": 1}
        assert spool.waiting == 0
        await spool.take_over()
        assert spool.waiting == 1
        await spool.stop()

    asyncio.run(story())


def test_doctor_tells_what_waits_in_the_spool_and_whether_it_can_be_used(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILAR_SPOOL_DIR", str(tmp_path / "elsewhere"))
    _spooled(tmp_path / "elsewhere")
    found = json.loads(run("doctor", "--json").stdout)
    assert found["spool"] == {"directory": str(tmp_path / "elsewhere"), "waiting": 3, "refused": 1, "error": None}
    assert "3 deliveries wait" in run("doctor").output
    (tmp_path / "file").touch()
    monkeypatch.setenv("PILAR_SPOOL_DIR", str(tmp_path / "file" / "spool"))
    done = run("doctor")
    assert done.exit_code == 1
    assert "Deliveries can't be kept while the database is away" in done.output
