"""Experiments as tests do them, each step in a transaction of its own. What belongs here: doing; no assertions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pilar.database.engine import Scope
from pilar.experiments.assignment import Variant, assigned
from pilar.experiments.experiments import NewExperiment, assign, record_outcome, running_for, start, stop
from pilar.experiments.results import FleetResult, refresh_fleet_results, refresh_results
from pilar.experiments.store import Experiment
from pilar.ids import new_id
from tests.fixtures.work import Bench

TWO = (Variant("short", 1), Variant("long", 1))
GOAL = "booking.made"


def start_experiment(bench: Bench, studio: UUID | None = None, **changes: Any) -> Experiment:
    asked: dict[str, Any] = {
        "name": "Trial offer",
        "subject": "rule:trial",
        "goal": GOAL,
        "variants": TWO,
        "created_by": "founder",
        "workspace_id": studio,
        "minimum_per_variant": 20,
        **changes,
    }
    with bench.database.transaction(Scope.fleet()) as connection:
        return start(connection, bench.clocks, NewExperiment(**asked))


def running_in(bench: Bench, studio: UUID, subject: str = "rule:trial") -> Experiment | None:
    with bench.database.transaction(Scope.fleet()) as connection:
        return running_for(connection, studio, subject)


def expose(bench: Bench, studio: UUID, experiment: Experiment, units: Sequence[str]) -> list[str]:
    with bench.database.transaction(Scope.fleet()) as connection:
        return [assign(connection, bench.clocks, studio, experiment, unit) for unit in units]


def reach(bench: Bench, studio: UUID, *units: str, goal: str = GOAL) -> int:
    with bench.database.transaction(Scope.fleet()) as connection:
        return sum(record_outcome(connection, bench.clocks, studio, goal, unit) for unit in units)


def fill(bench: Bench, studio: UUID, experiment: Experiment, counts: dict[str, tuple[int, int]]) -> None:
    """Have so many units meet each variant, and so many of these reach the goal."""
    for variant, (exposed, converted) in counts.items():
        units: list[str] = []
        while len(units) < exposed:
            unit = str(new_id())
            if assigned(experiment.variants, experiment.salt, unit) == variant:
                units.append(unit)
        expose(bench, studio, experiment, units)
        reach(bench, studio, *units[:converted])


def refreshed(bench: Bench, *studios: UUID) -> int:
    with bench.database.transaction(Scope.fleet()) as connection:
        return refresh_results(connection, bench.clocks, studios).rows


def fleet_refreshed(bench: Bench) -> list[FleetResult]:
    bench.business.advance(timedelta(hours=1))
    with bench.database.transaction(Scope.fleet()) as connection:
        return refresh_fleet_results(connection, bench.clocks)


def stop_experiment(bench: Bench, experiment: Experiment) -> Experiment:
    with bench.database.transaction(Scope.fleet()) as connection:
        return stop(connection, bench.clocks, experiment.id)


def decided_events(bench: Bench) -> list[Any]:
    return bench.rows("select workspace_id, payload from autopilot_event where type = 'experiment.decided'")
