"""That the benchmark of the coach runs and measures what it says. How fast anything is, is not tested here."""

from __future__ import annotations

import pytest

from benchmarks.coach.burst import burst
from benchmarks.coach.engagement import engagement
from benchmarks.coach.folding import folding
from benchmarks.coach.plan import QUICK, Plan
from benchmarks.coach.planning import planning
from benchmarks.queue.server import Server
from benchmarks.report import Verdict


def test_a_plan_is_scaled_in_its_studios() -> None:
    assert Plan().scaled(0.02) == Plan(studios=200, burst_studios=3, engagement_studios=2)
    assert Plan().studios * Plan().leads == 1_000_000


@pytest.mark.slow
def test_all_leads_are_planned_for_once(postgres_url: str, template_database: str) -> None:
    figures = {figure.name: figure for figure in planning(Server(postgres_url, migrated=template_database), QUICK)}
    (made,) = (figure for name, figure in figures.items() if "nudges made" in name)
    assert made.value is not None
    assert made.value >= 400
    assert all(figure.verdict is not Verdict.MISSING for figure in figures.values())


@pytest.mark.slow
def test_a_burst_goes_out_and_pages_are_looked_at_meanwhile(postgres_url: str, template_database: str) -> None:
    figures = {figure.name: figure for figure in burst(Server(postgres_url, migrated=template_database), QUICK)}
    assert all(figure.verdict is not Verdict.MISSING for figure in figures.values())
    assert {
        "peak memory of worker 1",
        "peak memory of the web service",
        "the overview during the burst, at worst",
    } <= set(figures)


@pytest.mark.slow
def test_statuses_are_folded_and_engagement_is_looked_at(postgres_url: str, template_database: str) -> None:
    server = Server(postgres_url, migrated=template_database)
    figures = [*folding(server, QUICK), *engagement(server, QUICK)]
    assert len(figures) == 5
    assert all(figure.value for figure in figures)
