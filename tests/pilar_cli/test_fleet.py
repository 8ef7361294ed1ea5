"""`pilar sandbox fleet`: what it says before anything is played, its rules, and how it moves time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pilar.clocks import ClockSetting, SystemClock, system_clocks
from pilar.database.engine import Database, Scope
from pilar.database.shared_clock import load_setting
from pilar_cli.demo.clockwork import CLOCKS_SEEN_SECONDS, Clockwork
from pilar_cli.demo.life import Life
from pilar_cli.demo.outcome import DeliveryCount
from pilar_cli.fleet.alone import alone_in
from pilar_cli.fleet.outcome import FleetOutcome, Unready
from pilar_cli.fleet.report import print_outcome
from pilar_cli.main import app
from provider_sandbox.fleet.rates import ALL

START = datetime(2026, 3, 2, tzinfo=UTC)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["sandbox", "fleet", *words], env={"COLUMNS": "250"})


def good(**changes: object) -> FleetOutcome:
    """One in which everything was taken in."""
    usual = FleetOutcome(
        seed=1,
        studios=2,
        days=1,
        start=START,
        speed=7_200.0,
        played={"studio_signed_up": 2, "lead_wrote": 5},
        planned={"studio_signed_up": 2, "lead_wrote": 6},
        unplayed={"Yoga Berlin 1": 1},
        signed_up=2,
        noticed=2,
        active=1,
        unready=[Unready("Yoga Berlin 1", "studio", "the owner has to consent")],
        self_referred=1,
        conversions={"self_referral": 1, "earns": 1},
        messages_sent=9,
        deliveries=[DeliveryCount("stripe", 12, 10, 10)],
        life=Life(messages_in=9),
    )
    return replace(usual, **changes)


def test_a_dry_run_needs_nothing_that_runs_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path / "none"))
    words = ("--studios", "12", "--days", "4", "--seed", "3", "--dry-run")
    told = json.loads(run(*words, "--json").stdout)
    assert told == json.loads(run(*words, "--json").stdout)
    assert told["planned"]["studio_signed_up"] == 12
    assert [one["rate"] for one in told["rates"]] == [rate.name for rate in ALL]
    text = run(*words).stdout
    assert all(rate.why in text for rate in ALL)
    assert "lead wrote" in text
    assert not (tmp_path / "none").exists()


def test_without_a_sandbox_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path))
    done = run()
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"No sandbox runs in {tmp_path}: start one with" in done.stderr


@pytest.mark.parametrize("words", [(), ("--end",)])
def test_a_second_run_in_a_home_is_told_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PILAR_HOME", str(tmp_path))
    with alone_in(tmp_path):
        done = run("--url", "http://127.0.0.1:1", *words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"moves the business clock of {tmp_path}: let it end first" in done.stderr
    with alone_in(tmp_path):
        pass


@pytest.mark.parametrize("words", [("--studios", "0"), ("--days", "400"), ("--speed", "0"), ("--seed", "-1")])
def test_a_run_that_can_not_be_is_wrong_usage(words: tuple[str, ...]) -> None:
    done = run(*words, "--dry-run")
    assert done.exit_code == 2
    assert words[0] in done.stderr


def test_it_is_complete_when_everything_was_taken_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert good().is_complete
    assert good().as_json()["complete"] is True
    print_outcome(good())
    assert "NO" not in capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("missing", "change"),
    [
        ("played", {"unplayed": {}}),
        ("played", {"refused": [{"kind": "refunded", "reason": "it is spent", "times": 1}]}),
        ("payments", {"noticed": 1}),
        ("studios", {"unready": []}),
        ("studios", {"unready": [Unready("Yoga Berlin 1", "us", "numbers are sold out")]}),
        ("webhooks", {"under_way": 1}),
        ("webhooks", {"deliveries": [DeliveryCount("stripe", 12, 9, 10)]}),
        ("messages", {"messages_sent": 10}),
        ("messages", {"life": Life(messages_in=9, unsettled=1)}),
        ("self_referrals", {"conversions": {"earns": 2}}),
        ("left_alone", {"life": Life(messages_in=9, written_after_stop=1)}),
        ("work", {"due_work": 1}),
        ("work", {"dead_letters": 1}),
    ],
)
def test_what_was_not_taken_in_is_named(
    missing: str, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = good(**change)
    assert [name for name, holds in outcome.taken_in.items() if not holds] == [missing]
    assert not outcome.is_complete
    print_outcome(outcome)
    assert "NO" in capsys.readouterr().out.split()


def test_business_time_changes_its_pace_and_goes_back_for_nobody(database: Database) -> None:
    told: list[ClockSetting] = []
    clockwork = Clockwork(database, system_clocks(), told.append)
    fast = clockwork.set(START, 7_200.0)
    slow = clockwork.change_pace(1.0)
    with database.transaction(Scope.fleet()) as connection:
        assert load_setting(connection) == slow == told[-1]
    # Who reads it at once is where the others, on the former pace, will be when they have to have read it.
    seen = slow.real_anchor
    assert seen >= SystemClock().now()
    assert seen - fast.real_anchor >= timedelta(seconds=CLOCKS_SEEN_SECONDS)
    for late in (0.0, 0.5, 1.0, CLOCKS_SEEN_SECONDS):
        moment = seen - timedelta(seconds=CLOCKS_SEEN_SECONDS - late)
        assert fast.at(moment) <= slow.at(moment) == slow.business_anchor
    assert clockwork.now() >= slow.business_anchor
    # Faster again: whoever has not read it yet is behind, and catches up.
    again = clockwork.change_pace(7_200.0)
    assert again.business_anchor >= slow.business_anchor
    assert again.real_anchor <= max(SystemClock().now(), seen)
