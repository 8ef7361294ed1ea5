"""`pilar sandbox faults` and `pilar sandbox effects`, called as the shell would call them beside a sandbox that runs."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pilar_cli.main import app
from provider_sandbox.faults.draw import draw_plan
from provider_sandbox.faults.plan import REQUEST_KINDS, WEBHOOK_KINDS
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config

FAULTS = ("sandbox", "faults")
ADA, BEN = "ada@studio.example", "ben@studio.example"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[RunningSandbox]:
    with running_sandbox(sandbox_config(home / "sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: RunningSandbox, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    monkeypatch.setenv("PILAR_HOME", str(home))
    yield running
    running.clear_faults()


def run(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=said, env={"COLUMNS": "250"})


def answer(*words: str, said: str = "") -> Any:
    done = run(*words, "--json", said=said)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_kind_is_explained_and_needs_no_sandbox() -> None:
    told = answer(*FAULTS, "list")
    assert told["request"]["kinds"] == REQUEST_KINDS
    assert told["webhook"]["kinds"] == WEBHOOK_KINDS
    text = run(*FAULTS, "list").stdout
    assert all(kind in text for kind in (*REQUEST_KINDS, *WEBHOOK_KINDS))


def test_a_rule_is_set_strikes_is_shown_and_ends(sandbox: RunningSandbox) -> None:
    set_to = answer(
        *(*FAULTS, "set", "--provider", "stripe", "--kind", "server_error", "--path", "/v1/*"),
        *("--probability", "1", "--most", "2", "--status", "503", "--seed", "9"),
    )
    assert set_to["seed"] == 9
    key = {"authorization": f"Bearer {sandbox.config.stripe_api_key}"}
    statuses = [sandbox.client.get("/stripe/v1/prices", headers=key).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]

    (rule,) = answer(*FAULTS, "show")["rules"]
    assert (rule["seen"], rule["struck"], rule["most"], rule["status"]) == (3, 2, 2, 503)
    text = run(*FAULTS, "show").stdout
    assert "100%, 2 times at most, 503" in text
    assert "struck 2 times" in text

    assert "of seed 9 struck 2 times" in run(*FAULTS, "clear").stdout
    assert "every provider behaves" in run(*FAULTS, "show").stdout
    assert "No plan is in force" in run(*FAULTS, "clear").stdout


def test_rules_are_added_to_those_in_force(sandbox: RunningSandbox) -> None:
    answer(*FAULTS, "set", "--provider", "meta", "--kind", "slow", "--ends", "60")
    told = answer(*FAULTS, "set", "--add", "--provider", "stripe", "--direction", "webhook", "--kind", "drop")
    assert [(rule["provider"], rule["kind"], rule["ends"]) for rule in told["rules"]] == [
        ("meta", "slow", 60.0),
        ("stripe", "drop", None),
    ]
    assert sandbox.faults()["rules"] == told["rules"]


def test_a_plan_is_drawn_shown_and_read_from_a_file(sandbox: RunningSandbox, tmp_path: Path) -> None:
    drawn = json.loads(run(*FAULTS, "random", "--seed", "5", "--dry-run").stdout)
    assert drawn == draw_plan(5).document()
    assert sandbox.faults()["seed"] is None
    assert answer(*FAULTS, "random", "--seed", "5")["seed"] == 5

    file = tmp_path / "plan.json"
    file.write_text(json.dumps(drawn | {"seed": 6}))
    told = answer(*FAULTS, "set", "--plan", str(file))
    assert (told["seed"], len(told["rules"])) == (6, len(drawn["rules"]))
    assert answer(*FAULTS, "set", "--plan", "-", said=json.dumps(drawn))["seed"] == 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Say either --provider and --kind, or --plan"),
        (("--provider", "stripe"), "needs both --provider and --kind"),
        (("--provider", "stripe", "--kind", "flood"), "A request knows no fault 'flood': it is one of accept"),
        (("--provider", "stripe", "--kind", "slow", "--probability", "2"), "outside of 0 to 1"),
        (("--plan", "-"), "is no plan"),
        (("--plan", "/nowhere/plan.json"), "/nowhere/plan.json: No such file"),
    ],
)
def test_a_wrong_rule_is_answered_with_what_would_be_right(
    sandbox: RunningSandbox, words: tuple[str, ...], told: str
) -> None:
    done = run(*FAULTS, "set", *words, said="{}")
    assert done.exit_code in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.output
    assert sandbox.faults()["seed"] is None


def test_an_unknown_field_of_a_file_is_named(sandbox: RunningSandbox) -> None:
    done = run(*FAULTS, "set", "--plan", "-", said='{"rules": [{"provider": "meta", "kind": "slow", "often": 1}]}')
    assert (done.exit_code, sandbox.faults()["seed"]) == (2, None)
    assert done.stderr.startswith("rules.0.often: ")


def test_effects_are_asked_for_by_what_matters(sandbox: RunningSandbox) -> None:
    def send(to: str) -> None:
        message = EmailMessage()
        message["Subject"] = "Hello"
        with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, "localhost") as server:
            server.send_message(message, "no-reply@pilar.example", [to])

    for to in (ADA, ADA, BEN):
        send(to)
    assert answer("sandbox", "effects")["total"] == 3
    (row,) = answer("sandbox", "effects", "--key", ADA, "--kind", "mail.*")["by_kind_and_key"]
    assert (row["kind"], row["key"], row["count"]) == ("mail.sent", ADA, 2)
    for nothing in (("--provider", "stripe"), ("--kind", "mail"), ("--key", "ada")):
        assert answer("sandbox", "effects", *nothing)["total"] == 0
    last = answer("sandbox", "effects", "--key", BEN)["by_kind_and_key"][0]["last_at"]
    assert answer("sandbox", "effects", "--since", last)["by_kind"] == {"mail.sent": 1}
    assert sandbox.effects(provider="mail", key=BEN) == {"mail.sent": 1}

    text = run("sandbox", "effects").stdout
    assert ADA in text
    assert "Nothing of the kind" in run("sandbox", "effects", "--provider", "meta").stdout
    done = run("sandbox", "effects", "--since", "2026-05-01T09:00:00")
    assert (done.exit_code, done.stderr.partition(":")[0]) == (2, "since")
    assert "timezone" in done.stderr


def test_a_filter_that_does_not_exist_is_a_mistake(sandbox: RunningSandbox) -> None:
    answer = sandbox.client.get("/control/effects", params={"recipient": ADA})
    assert answer.status_code == 422


def test_without_a_sandbox_the_command_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path))
    done = run(*FAULTS, "show")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"No sandbox runs in {tmp_path}: start one with" in done.stderr

    with running_sandbox(sandbox_config(tmp_path / "sandbox")) as sandbox:
        url = sandbox.base_url
        assert answer(*FAULTS, "show")["seed"] is None
    assert run(*FAULTS, "show").exit_code == 1
    assert f"The sandbox at {url} doesn't answer" in run(*FAULTS, "show", "--url", url).stderr


def test_a_word_that_is_no_command_is_not_taken_for_an_option() -> None:
    done = run("sandbox", "fault")
    assert done.exit_code == 2
    assert "Did you mean 'faults'" in done.output
