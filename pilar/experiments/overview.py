"""Experiments as pages show them. What belongs here: reading what was last told; nothing is counted here.

A studio's scope sees its own experiments, the fleet's sees all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.experiments import store
from pilar.experiments.statistics import KEEP_RUNNING
from pilar.experiments.store import Experiment


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment as lists show it; the decision is what its results called for when they were last refreshed."""

    id: UUID
    workspace_id: UUID | None
    name: str
    subject: str
    state: str
    exposed: int
    converted: int
    decision: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class VariantDetail:
    """A variant with its results; those of the comparison are None for the baseline, and until there are units."""

    key: str
    weight: int
    exposed: int
    converted: int
    rate: float | None
    effect: float | None
    low: float | None
    high: float | None
    p_value: float | None


@dataclass(frozen=True)
class ExperimentDetail:
    """An experiment with its results; the baseline is the first variant. Not refreshed yet: no time, p-value of 1."""

    experiment: Experiment
    variants: tuple[VariantDetail, ...]
    srm_p_value: float
    decision: str
    reasons: tuple[str, ...]
    refreshed_at: datetime | None


def list_experiments(connection: Connection, limit: int) -> list[ExperimentSummary]:
    """The newest experiments, the newest first."""
    rows = store.newest_experiments(connection, limit)
    results = _results(connection, [(row.id, row.workspace_id) for row in rows])
    return [_summary(row, results.get(row.id, [])) for row in rows]


def experiment_detail(connection: Connection, experiment_id: UUID) -> ExperimentDetail:
    """An experiment with its results; raise `NotFound` where this scope sees none."""
    experiment = store.get_experiment(connection, experiment_id)
    results = _results(connection, [(experiment.id, experiment.workspace_id)]).get(experiment.id, [])
    by_variant = {row.variant: row for row in results}
    told = _compared(results)
    return ExperimentDetail(
        experiment=experiment,
        variants=tuple(_variant(one.key, one.weight, by_variant.get(one.key)) for one in experiment.variants),
        srm_p_value=told.srm_p_value if told else 1.0,
        decision=told.decision if told else KEEP_RUNNING,
        reasons=tuple(told.reasons) if told else (),
        refreshed_at=told.refreshed_at if told else None,
    )


def _results(connection: Connection, experiments: Sequence[tuple[UUID, UUID | None]]) -> dict[UUID, list[Row[Any]]]:
    """The founder's experiments, which no studio sees, have their results in a table that no studio may ask for."""
    found: dict[UUID, list[Row[Any]]] = {}
    of_studios = [identity for identity, workspace_id in experiments if workspace_id is not None]
    of_the_founder = [identity for identity, workspace_id in experiments if workspace_id is None]
    rows = store.studio_results(connection, of_studios) if of_studios else []
    rows += store.fleet_results(connection, of_the_founder) if of_the_founder else []
    for row in rows:
        found.setdefault(row.experiment_id, []).append(row)
    return found


def _compared(results: Sequence[Row[Any]]) -> Row[Any] | None:
    """Any row that a comparison was made for: they all tell the same about the experiment as a whole."""
    return next((row for row in results if row.decision is not None), None)


def _summary(row: Row[Any], results: Sequence[Row[Any]]) -> ExperimentSummary:
    told = _compared(results)
    return ExperimentSummary(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        subject=row.subject,
        state=row.state,
        exposed=sum(result.exposed for result in results),
        converted=sum(result.converted for result in results),
        decision=told.decision if told else KEEP_RUNNING,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _variant(key: str, weight: int, result: Row[Any] | None) -> VariantDetail:
    if result is None:
        return VariantDetail(key, weight, 0, 0, None, None, None, None, None)
    return VariantDetail(
        key=key,
        weight=weight,
        exposed=result.exposed,
        converted=result.converted,
        rate=result.converted / result.exposed if result.exposed else None,
        effect=result.effect,
        low=result.low,
        high=result.high,
        p_value=result.p_value,
    )
