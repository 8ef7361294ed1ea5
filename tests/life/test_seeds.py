"""The story under a few seeds, and the running system under a few kills; what is judged, and how.

More seeds and longer kills are `python -m benchmarks.seeds` and `python -m benchmarks.soak`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.seeds.__main__ import figures_of, judge, places
from benchmarks.story.state import Difference, InDoubt, beyond_policy, differences
from benchmarks.story.telling import FAULTS, INTERLEAVING, MOST_FAULTS, TROUBLES, Telling, faults_of

ROOT = Path(__file__).parents[2]
NUDGE = "marketing coach:morning_nudge to +447700900001"


@pytest.mark.slow
def test_the_story_comes_to_the_same_under_three_seeds() -> None:
    with places() as new:
        report = judge(new, [101, 102, 103], TROUBLES)
    told = {figure.name: figure.value for figure in report.figures}
    assert report.exit_code == 0, report.context
    assert told["seeds told"] == 3
    assert told["faults that struck"] > 10
    assert told["drains killed"] > 3


@pytest.mark.slow
def test_nothing_is_lost_while_processes_are_killed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    victims = ("web", "worker", "postgres-backend", "sandbox", "postgres-postmaster")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PILAR_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--json", "--minutes", "0.5", "--only", *victims],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    figures = {one["name"]: one["value"] for one in json.loads(done.stdout)["figures"]}
    assert done.returncode == 0, f"{figures}\n{done.stderr}"
    assert figures["kills"] >= len(victims)


def test_a_seed_draws_the_same_faults_each_time_and_none_that_work_can_not_outlast() -> None:
    assert faults_of(7) == faults_of(7) != faults_of(8)
    for seed in range(50):
        of_requests = [rule for rule in faults_of(seed) if rule["direction"] == "request"]
        for provider, most in MOST_FAULTS.items():
            assert sum(rule["most"] for rule in of_requests if rule["provider"] == provider) <= most
        assert all(rule["ends"] is None for rule in of_requests)


def test_facts_are_compared_by_name() -> None:
    found = differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"})
    assert found == [Difference("b", "2", "4"), Difference("c", "3", None), Difference("d", None, "5")]


@pytest.mark.parametrize(
    "different",
    [
        Difference(NUDGE, "went, went", "unknown, went"),
        Difference("morning_nudge for +447700900001 on 2031-03-02", "went", "unknown"),
        Difference("written by +447700900001", "2", "1"),
        Difference("outside: meta.message_sent", "16", "15"),
    ],
    ids=str,
)
def test_what_a_nudge_in_doubt_may_change_is_allowed_where_there_is_one(different: Difference) -> None:
    assert beyond_policy([different], [InDoubt("+447700900001", "morning_nudge")]) == []
    assert beyond_policy([different], []) == [different]
    assert beyond_policy([different], [InDoubt("+447700900002", "weekly_checkin")]) in (
        [different],
        [] if different.fact.startswith("outside") else [different],
    )


@pytest.mark.parametrize(
    "different",
    [
        Difference(NUDGE, "went", "refused"),
        Difference(NUDGE, "went", "went, went"),
        Difference(NUDGE, "went", None),
        Difference("written by +447700900001", "2", "0"),
        Difference("outside: meta.message_sent", "16", "17"),
        Difference("outside: meta.message_sent", "16", "14"),
        Difference("service rule trial to +447700900001", "went", "unknown"),
    ],
    ids=str,
)
def test_nothing_else_is_allowed_by_it(different: Difference) -> None:
    assert beyond_policy([different], [InDoubt("+447700900001", "morning_nudge")]) == [different]


def test_a_reply_may_be_in_doubt_only_where_it_was_risked_once_more_and_a_person_was_asked() -> None:
    reply = Difference("service rule coach to +447700900001", "went", "unknown")
    assert beyond_policy([reply], [InDoubt("+447700900001", None)]) == []
    assert beyond_policy([reply], [InDoubt("+447700900001", "morning_nudge")]) == [reply]
    assert beyond_policy([reply], []) == [reply]
    lost = Difference("service rule coach to +447700900001", "went", None)
    assert beyond_policy([lost], [InDoubt("+447700900001", None)]) == [lost]


def _verdict(*told: Telling, troubles: Any = TROUBLES) -> dict[str, str]:
    return {one.name: one.verdict.value for one in figures_of([Telling(None), *told], troubles)}


def test_a_run_in_which_nothing_has_struck_has_shown_nothing() -> None:
    calm = Telling(1, seconds=1.0)
    assert _verdict(calm)["drains killed"] == _verdict(calm)["faults that struck"] == "falls short"
    hit = Telling(1, did={"killed": 2}, struck=3, seconds=1.0)
    assert "falls short" not in _verdict(hit).values()
    assert "drains killed" not in _verdict(hit, troubles=(FAULTS,))
    assert "faults that struck" not in _verdict(hit, troubles=(INTERLEAVING,))


def test_a_problem_fails_the_run_and_tells_how_to_have_it_again() -> None:
    wrong = Telling(17, problems={"stuck": ["a message waits"]}, did={"killed": 1}, struck=1, plan=[{"kind": "slow"}])
    assert _verdict(wrong)["things stuck"] == _verdict(wrong)["seeds that are wrong"] == "falls short"
    assert "stuck: a message waits" in str(wrong)
    assert "--seed 17" in str(wrong)
    assert '"slow"' in str(wrong)
