from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pilar.errors import NotConfigured
from pilar_cli.configuration import environment, read_settings
from pilar_cli.console import new_group
from pilar_cli.main import app

COMMANDS = [
    ["demo"],
    ["up"],
    ["down"],
    ["worker"],
    ["migrate"],
    ["doctor"],
    ["sandbox"],
    ["sandbox", "faults", "list"],
    ["sandbox", "faults", "set"],
    ["sandbox", "faults", "random"],
    ["sandbox", "faults", "show"],
    ["sandbox", "faults", "clear"],
    ["sandbox", "effects"],
    ["token", "create"],
    ["token", "list"],
    ["token", "revoke"],
    ["token", "founder"],
]


def failing_with(error: Exception) -> object:
    group = new_group("A test.")

    @group.command("go")
    def go() -> None:
        raise error

    @group.command("stay")
    def stay() -> None:
        """So that there are two."""

    return CliRunner().invoke(group, ["go"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_answers_in_json_when_asked(command: list[str]) -> None:
    told = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert "--json" in told.stdout


def test_an_error_of_ours_is_one_sentence_on_standard_error() -> None:
    done = failing_with(NotConfigured("There is no key."))
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "There is no key.\n")


def test_a_defect_is_one_sentence_and_its_place_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".pilar").mkdir()
    done = failing_with(KeyError("missing"))
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert len(done.stderr.splitlines()) == 1
    assert "KeyError" in (tmp_path / ".pilar" / "fault.log").read_text()


@pytest.mark.parametrize("words", [["nonsense"], ["demo", "--studios", "none"], ["token", "revoke"], ["up", "--bad"]])
def test_wrong_usage_ends_with_two(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_WORKER_THREADS", "sk_live_pasted_here")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "PILAR_WORKER_THREADS" in done.stderr
    assert "pasted" not in done.output


def test_a_program_that_gets_the_environment_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_SECRET_KEYS", "new, old")
    monkeypatch.setenv("PILAR_TWILIO_AUTH_TOKEN", "secret")
    settings = read_settings(worker_threads=3, home=Path("/a place"))
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_a_fresh_key_is_shown_on_request() -> None:
    from cryptography.fernet import Fernet

    done = CliRunner().invoke(app, ["doctor", "--new-key", "--json"])
    Fernet(json.loads(done.stdout)["new_key"])
