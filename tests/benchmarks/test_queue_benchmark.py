"""That the benchmark of the queue runs and measures what it says. How fast anything is, is not tested here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.queue import churn, claims, fairness, installs, races
from benchmarks.queue.plan import QUICK, Plan
from benchmarks.queue.processes import Failed, Heard, Workers, call, workers
from benchmarks.queue.server import DURABLE, Server
from benchmarks.queue.sides import OURS, PEERS, all_sides
from benchmarks.report import Verdict

ROOT = Path(__file__).parents[2]
TINY = replace(QUICK, drained=60, bulk=60, batch=50, single=5, paced=5, many=100, due=50, workspaces=10, claims=2)
TINY = replace(TINY, backlog=200, small=3, fair=60, churned=150, standing=20)


@pytest.fixture
def server(postgres_url: str, template_database: str) -> Server:
    return Server(postgres_url, migrated=template_database)


def test_a_plan_is_scaled_in_its_counts_and_keeps_its_shape() -> None:
    plan = Plan().scaled(0.01)
    assert (plan.drained, plan.many, plan.churned) == (400, 10_000, 10_000)
    assert (plan.rounds, plan.batch, plan.pace, plan.due) == (3, 1_000, 50, 1_000)
    assert Plan().scaled(1) == Plan()


def test_our_figures_alone_are_measured_in_each_round(server: Server) -> None:
    for measure, count in ((fairness.fair, 3), (fairness.small, 3), (claims.claim, 5), (churn.churn, 3)):
        figures = measure(server, TINY)
        assert len(figures) == count
        for figure in figures:
            assert figure.verdict is not Verdict.MISSING
            assert all(value > 0 for value in figure.rounds)


@pytest.mark.slow
def test_we_are_measured_as_a_process_beside_the_bare_sql(server: Server, tmp_path: Path) -> None:
    sides = all_sides(server, tmp_path, names=())
    sides.absent["pgqueuer"] = "it is not asked for"
    figures = {figure.name: figure for figure in races.drain(sides, TINY)}
    assert figures["drain ÷ bare SQL"].verdict is not Verdict.MISSING
    assert figures["drain ÷ pgqueuer"].verdict is Verdict.MISSING
    assert figures["drain ÷ pgqueuer"].missing == "it is not asked for"
    assert figures["drain ÷ pgqueuer"].fails
    waits = sides.present[OURS].waits(TINY.paced, TINY.pace)
    assert len(waits) == TINY.paced
    assert all(wait > 0 for wait in waits)
    assert sides.present[OURS].single(TINY.single) > 0


def test_a_rate_counts_from_the_end_of_what_was_told_first() -> None:
    # A burst of 100 each second: 100 per second, not 300 in two seconds.
    heard = Heard()
    for handled, at in ((100, 1.0), (200, 2.0), (300, 3.0)):
        heard.take({"handled": handled, "first": 1.0, "last": at})
    assert Workers([], [], [heard]).rate == pytest.approx(100)
    assert Workers([], [], [heard, Heard()]).rate == pytest.approx(100)
    assert Workers([], [], [Heard()]).rate == 0


def test_one_burst_is_a_rate_of_some_kind() -> None:
    heard = Heard()
    for _ in range(2):  # the same once more at the end
        heard.take({"handled": 100, "first": 1.0, "last": 1.5})
    assert Workers([], [], [heard]).rate == pytest.approx(200)


def test_a_worker_that_dies_is_told_of_with_its_last_words() -> None:
    dying = [sys.executable, "-c", "import sys; sys.exit('the disk is full')"]
    with workers(dying, {}, 1) as at_work, pytest.raises(Failed, match="the disk is full"):
        at_work.wait_for(1, 30)
    with pytest.raises(Failed, match="the disk is full"):
        call(dying, {}, 30)


def test_a_worker_that_never_ends_is_killed_with_the_block() -> None:
    deaf = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    with workers(deaf, {}, 2) as at_work, pytest.raises(Failed, match="0 of 1 were handled"):
        at_work.wait_for(1, 0.2)
    assert all(program.returncode for program in at_work.programs)


def test_the_peers_versions_are_stated_exactly() -> None:
    said = {installs.python_version_of(name) for name in ("pgqueuer", "procrastinate")}
    said |= {installs.node_version_of(name) for name in ("graphile-worker", "pg-boss")}
    assert all(version[0].isdigit() for version in said)
    asked = json.loads((installs.PEERS / "package.json").read_text())["dependencies"]
    assert {name: installs.node_version_of(name) for name in asked} == asked


def test_without_node_its_peers_are_not_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(installs.NotAvailable, match="no Node"):
        installs.node(tmp_path)


@pytest.mark.slow
def test_the_quick_run_measures_everybody_on_a_durable_server(tmp_path: Path) -> None:
    # The peers' environments are kept beside those of other runs: they are installed once.
    home = ROOT / ".pilar" / "tests"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.queue", "--quick", "--json"],
        cwd=ROOT,
        env={**os.environ, "PILAR_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    said = json.loads(done.stdout)
    assert all(said["context"]["server"][name] == "on" for name in DURABLE)
    figures = {figure["name"]: figure for figure in said["figures"]}
    assert sum(figure["kind"] == "gate" for figure in figures.values()) == 11
    assert sum(figure["kind"] == "goal" for figure in figures.values()) == 2
    for peer in PEERS:
        assert peer in said["context"]["sides"]
    missing = {name: figure.get("missing") for name, figure in figures.items() if figure["value"] is None}
    assert all(why for why in missing.values()), missing
    assert not any(OURS in name for name in missing)
    assert "÷ bare SQL" not in str(missing)
