"""The benchmark of signups: who signs up and what fails is dealt by the seed, what is wrong fails it, and it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.provisioning.__main__ import figures_of, main
from benchmarks.provisioning.counted import NUMBER, SUBACCOUNT, Counted, End, _not_one
from benchmarks.provisioning.crowd import OUTAGES, SHARES, SLOWEST_HOURS, Kind, fault_rules, owners
from benchmarks.provisioning.processes import cpu_seconds
from benchmarks.provisioning.run import Run
from benchmarks.report import Report, Verdict
from provider_sandbox.faults.plan import WEBHOOK_SENDERS, Rule, problem_of

ROOT = Path(__file__).parents[2]


def test_a_seed_deals_the_same_crowd_each_time_those_first_whom_meta_rejects() -> None:
    crowd = owners(100, 7)
    assert crowd == owners(100, 7) != owners(100, 8)
    assert Counter(one.kind for one in crowd) == {
        Kind.REJECTED: 2, Kind.NEVER: 2, Kind.SLOW: 15, Kind.PROMPT: 81,
    }  # fmt: skip
    assert [one.kind for one in crowd[:3]].count(Kind.REJECTED) == 2
    assert all((one.hours is None) == (one.kind is not Kind.SLOW) for one in crowd)
    assert max(one.hours or 0 for one in crowd) <= SLOWEST_HOURS
    assert len({one.visitor.email for one in crowd}) == 100
    assert {one.kind for one in owners(len(SHARES) + 1, 1)} == set(Kind)
    with pytest.raises(ValueError, match="4 sign up, or more"):
        owners(len(SHARES), 1)


def test_the_faults_are_ones_that_the_sandbox_knows_and_outages_come_and_go() -> None:
    rules = [Rule(**rule) for rule in fault_rules(2)]
    assert [problem_of(rule) for rule in rules if problem_of(rule)] == []
    outages = [rule for rule in rules if rule.kind == "outage"]
    assert Counter(rule.provider for rule in outages) == dict.fromkeys(OUTAGES, 2)
    assert all(rule.ends is not None and rule.ends - rule.starts < 10 for rule in outages)
    assert {rule.provider for rule in rules if rule.direction == "webhook"} == set(WEBHOOK_SENDERS)


def test_what_must_not_be_fails_the_run() -> None:
    crowd = owners(4, 1)
    active = [End(f"{number}@x.test", "completed", "active", 30.0, None, None) for number in range(3)]
    waits = End("never@x.test", "expired", "provisioning", None, "studio", None)
    told = Run(cpu={"web": 0.2, "worker": 2.0}, seconds=2.0, struck=5, is_complete=True)

    def fails(*ends: End, **wrong: list[str]) -> set[str]:
        told.counted = Counted(ends, {"touched by hand": [], **wrong})
        report = Report("provisioning", {}, figures=figures_of(told, crowd, 60.0))
        return {one.name for one in report.figures if report.verdict_on(one) is Verdict.FALLS_SHORT and one.fails}

    assert fails(*active, waits) == set()
    assert fails(*active[:2], waits) == {"studios that are active"}
    assert fails(*active, waits, **{"touched by hand": ["admin:1 provisioning.retried"]}) == {"touched by hand"}
    told.cpu["worker"] = 20.0
    assert fails(*active, waits) == {"our own CPU per signup"}
    assert waits.is_named
    assert not End("a@x.test", "waiting", "provisioning", None, None, None).is_named
    assert not End("a@x.test", "failed", "provisioning", None, None, "activation: ?").is_named


def test_each_studio_has_exactly_one_account_key_and_number() -> None:
    right = {(kind, str(studio)): 1 for kind in (SUBACCOUNT, NUMBER) for studio in range(2)}
    assert _not_one(right, ["AC1", "AC2"], 2) == []
    assert len(_not_one(right, ["AC1", "AC2"], 3)) == 3
    assert _not_one(right, ["AC1", "AC1"], 2) == ["keys: 2 in 1 accounts, where 2 have paid"]
    assert _not_one({**right, (NUMBER, "1"): 2}, ["AC1", "AC2"], 2) == [
        f"{NUMBER}: 3 times for 2 names, where 2 have paid"
    ]


def test_processor_time_is_the_programs_own(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "me.json").write_text(json.dumps({"pid": os.getpid()}))
    (tmp_path / "run" / "gone.json").write_text(json.dumps({"pid": None}))
    used = os.times()
    spent = used.user + used.system + used.children_user + used.children_system
    assert cpu_seconds(tmp_path, "me") == pytest.approx(spent, abs=0.5)
    with pytest.raises(ProcessLookupError, match="gone"):
        cpu_seconds(tmp_path, "gone")


def test_too_few_signups_are_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--signups", "2"])
    assert "--signups is 4 at least" in capsys.readouterr().err


@pytest.mark.slow
def test_a_dozen_signups_under_faults_end_as_they_should(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PILAR_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.provisioning", "--quick", "--json", "--home", str(home)],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    figures = {one["name"]: one["value"] for one in json.loads(done.stdout)["figures"]}
    assert done.returncode == 0, f"{figures}\n{done.stderr}"
    assert (figures["studios that are active"], figures["studios in a named wait"]) == (11, 1)
    assert figures["faults that struck"] > 10
