"""What a report says and when it fails."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report import Bar, Figure, Report, Verdict, options, percentile, ratios

FEW = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=7)


def _report(*figures: Figure, is_judged: bool = True) -> Report:
    return Report("queue", {"machine": {"cores": 2}}, is_judged, list(figures))


@given(FEW, st.floats(0.001, 1e6), st.booleans())
def test_a_gate_fails_exactly_when_the_median_does_not_reach_its_bar(
    rounds: list[float], bar: float, at_most: bool
) -> None:
    figure = Figure("f", "×", tuple(rounds), Bar(bar, at_most=at_most))
    assert figure.value is not None
    reached = figure.value <= bar if at_most else figure.value >= bar
    assert figure.verdict is (Verdict.HOLDS if reached else Verdict.FALLS_SHORT)
    assert _report(figure).exit_code == (0 if reached else 1)


def test_a_goal_and_a_figure_without_a_bar_fail_nothing() -> None:
    goal = Figure("goal", "×", (0.5,), Bar(1.3, is_goal=True))
    assert goal.verdict is Verdict.FALLS_SHORT
    assert _report(goal, Figure("told", "/s", (1.0,))).exit_code == 0


def test_a_gate_that_could_not_be_measured_does_not_hold_and_a_goal_may() -> None:
    assert _report(Figure("g", "×", (), Bar(5), "it can't be installed")).exit_code == 1
    assert _report(Figure("g", "×", (), Bar(1.3, is_goal=True), "no Node")).exit_code == 0


def test_a_smoke_run_shows_bars_and_judges_nothing() -> None:
    short = Figure("g", "×", (0.5,), Bar(5))
    report = _report(short, is_judged=False)
    assert report.exit_code == 0
    assert report.verdict_on(short) is Verdict.NOT_JUDGED
    assert report.as_json()["holds"] is None


def test_the_report_is_json_with_each_figure_beside_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    _report(
        Figure("p50", "ms", (2.0, 4.0, 3.0), Bar(3, at_most=True)),
        Figure("drain ÷ graphile-worker", "×", (), Bar(1.3, is_goal=True), "no Node"),
    ).show(as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["holds"] is True
    first, second = said["figures"]
    assert first == {
        "name": "p50",
        "value": 3.0,
        "unit": "ms",
        "bar": 3,
        "bar_is": "at most",
        "kind": "gate",
        "verdict": "holds",
        "rounds": [2.0, 4.0, 3.0],
    }
    assert (second["value"], second["kind"], second["verdict"]) == (None, "goal", "not measured")
    assert second["missing"] == "no Node"


def test_the_table_names_value_bar_verdict_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    _report(
        Figure("drain", "/s", (41_234.0,)),
        Figure("drain ÷ pgqueuer", "×", (4.0,), Bar(5)),
        Figure("drain ÷ graphile-worker", "×", (), Bar(1.3, is_goal=True), "no Node"),
    ).show(as_json=False)
    said = capsys.readouterr().out
    for part in ("cores 2", "41,234", "≥ 5", "falls short", "≥ 1.3 (goal)", "not measured: no Node"):
        assert part in said


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_percentile_is_a_value_that_at_least_that_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert all(sum(value <= lower for value in values) < share * len(values) for lower in values if lower < found)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(FEW)
def test_what_slows_both_sides_in_a_round_changes_no_ratio(rounds: list[float]) -> None:
    assert ratios([2 * value for value in rounds], rounds) == pytest.approx([2.0] * len(rounds))


def test_a_name_that_is_no_figure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = options("d", names=["drain", "claim"])
    assert parser.parse_args(["--only", "claim", "drain", "--scale", "0.1"]).only == ["claim", "drain"]
    for wrong in (["--only", "speed"], ["--scale", "0"], ["--scale", "-1"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)
    assert "drain, claim" not in capsys.readouterr().out
