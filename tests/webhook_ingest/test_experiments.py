"""The founder's pages about experiments."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from pilar.backplane.tables import audit_log
from pilar.database.engine import Scope
from pilar.experiments.assignment import Variant
from pilar.experiments.experiments import NewExperiment, assign, record_outcome, start
from pilar.experiments.results import refresh_fleet_results
from pilar.experiments.store import Experiment
from pilar.ids import new_id
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.test_pages import Outline
from webhook_ingest.dashboards import charts


def running(house: House, **changes: object) -> Experiment:
    new = NewExperiment(
        **{
            "name": "Trial <offer>", "subject": "rule:trial", "goal": "booking.made", "created_by": "admin:1",
            "variants": (Variant("short", 1), Variant("long", 1)), "minimum_per_variant": 20, **changes,
        }  # type: ignore[arg-type]
    )  # fmt: skip
    with house.app.database.transaction(Scope.fleet()) as connection:
        return start(connection, house.app.clocks, new)


def fill(house: House, experiment: Experiment, units: int) -> None:
    """Have so many units take part; of those that meet `long`, all reach the goal."""
    studio, clocks = house.studio("North").workspace_id, house.app.clocks
    with house.app.database.transaction(Scope.fleet()) as connection:
        for unit in (str(new_id()) for _ in range(units)):
            if assign(connection, clocks, studio, experiment, unit) == "long":
                record_outcome(connection, clocks, studio, experiment.goal, unit)
        refresh_fleet_results(connection, clocks)


@pytest.fixture
def csrf(browser: TestClient, house: House) -> str:
    return house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))


def test_there_may_be_none(browser: TestClient, csrf: str) -> None:
    assert "No experiment yet." in browser.get("/experiments").text


def test_an_experiment_that_nobody_took_part_in_says_so(browser: TestClient, csrf: str, house: House) -> None:
    studio = house.studio("South")
    experiment = running(house, workspace_id=studio.workspace_id)
    page = browser.get(f"/experiments/{experiment.id}").text
    assert "Not counted yet" in page
    assert "Nothing to compare yet." in page
    assert "South" in page
    assert "Trial &lt;offer&gt;" in browser.get("/experiments").text


def test_an_experiment_is_shown_with_its_interval_and_what_follows(
    browser: TestClient, csrf: str, house: House
) -> None:
    experiment = running(house)
    fill(house, experiment, 120)
    listed = browser.get("/experiments").text
    assert "Adopt long" in listed
    assert "120 took part" in listed
    page = browser.get(f"/experiments/{experiment.id}").text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "+100.0 points between" in text
    assert "p = less than 0.001, valid at any time" in text
    assert "long is better than the baseline." in text
    assert "as dealt" in text
    assert Outline(page).having("data-decision", "adopt:long")
    assert "Stop the experiment" not in page  # it has ended by its decision
    assert {attributes["data-variant"] for _, attributes in Outline(page).elements if "data-variant" in attributes} == {
        "short",
        "long",
    }


def test_an_experiment_is_stopped_once(browser: TestClient, csrf: str, house: House) -> None:
    experiment = running(house)
    path = f"/experiments/{experiment.id}/stop"
    assert browser.post(path, data={"csrf_token": "guess"}).status_code == 403
    for _ in range(2):
        page = browser.post(path, data={"csrf_token": csrf}).text
        assert Outline(page).having("data-state", "stopped")
    assert "Stop the experiment" not in page
    with house.app.database.transaction(Scope.fleet()) as connection:
        found = connection.execute(audit_log.select().filter_by(action="experiments.stopped")).all()
    assert len(found) == 1


def test_what_is_no_experiment_is_not_there(browser: TestClient, csrf: str) -> None:
    assert browser.get(f"/experiments/{new_id()}").status_code == 404
    assert browser.post(f"/experiments/{new_id()}/stop", data={"csrf_token": csrf}).status_code == 404


def test_intervals_share_one_scale_with_zero_on_it() -> None:
    first, none, second = charts.intervals([(-0.1, 0.0, 0.1), (None, None, None), (0.1, 0.2, 0.3)])
    assert first is not None
    assert none is None
    assert second is not None
    assert first.zero == second.zero == first.middle
    assert first.low < first.zero < first.high == second.low < second.high <= second.width


def test_bars_stand_on_the_ground_and_none_is_higher_than_the_chart() -> None:
    chart = charts.bars([(0, 3), (12, 7)])
    assert chart.top == 20
    for bar in chart.bars:
        assert round(bar.y + bar.height, 1) == chart.height
        assert bar.x >= 0
        assert bar.x + bar.width <= chart.width
    assert charts.bars([(0, 0)]).top == 1
    assert charts.bars([]).bars == ()
