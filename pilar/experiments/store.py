"""The SQL of experiments. What belongs here: reading and writing rows; the rules are elsewhere in this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Table,
    Uuid,
    and_,
    any_,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.errors import Conflict, NotFound
from pilar.experiments.assignment import Variant, parse_variants
from pilar.experiments.tables import (
    experiment,
    experiment_exposure,
    experiment_outcome,
    experiment_result,
    experiment_variant,
    fleet_experiment_result,
)


@dataclass(frozen=True)
class Experiment:
    """An experiment, as its row has it; the first variant is the baseline."""

    id: UUID
    workspace_id: UUID | None
    name: str
    subject: str
    unit: str
    goal: str
    variants: tuple[Variant, ...]
    salt: str
    state: str
    alpha: float
    minimum_per_variant: int
    started_at: datetime
    ended_at: datetime | None
    decision: dict[str, Any] | None
    created_at: datetime
    created_by: str


def as_experiment(row: Row[Any]) -> Experiment:
    """A row as an experiment.

    Raises:
        Invalid: its variants can't be read.
    """
    values = {name: getattr(row, name) for name in Experiment.__dataclass_fields__}
    return Experiment(**{**values, "variants": parse_variants(row.variants)})


def add_experiment(connection: Connection, fresh: Experiment) -> None:
    """Write a new experiment.

    Raises:
        Conflict: another one on the same subject is running.
    """
    statement = upsert(experiment).values(asdict(fresh)).on_conflict_do_nothing()
    if connection.execute(statement).rowcount == 0:
        raise Conflict(f"An experiment on {fresh.subject} is running: stop it first.")


def end_experiment(
    connection: Connection, experiment_id: UUID, state: str, now: datetime, decision: Mapping[str, Any] | None = None
) -> bool:
    """Have an experiment run no more; return whether it ran until now."""
    statement = update(experiment).filter_by(id=experiment_id, state="running")
    return connection.execute(statement.values(state=state, ended_at=now, decision=decision)).rowcount == 1


def get_experiment(connection: Connection, experiment_id: UUID) -> Experiment:
    """An experiment; raise `NotFound` where this scope sees none."""
    row = connection.execute(select(experiment).filter_by(id=experiment_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such experiment.")
    return as_experiment(row)


def newest_experiments(connection: Connection, limit: int) -> list[Row[Any]]:
    """The rows of the newest experiments that this scope sees, the newest first."""
    return list(connection.execute(select(experiment).order_by(experiment.c.id.desc()).limit(limit)))


def running_experiment(connection: Connection, workspace_id: UUID, subject: str) -> Experiment | None:
    """What is running on a subject in a studio: its own experiment before the founder's."""
    whose = or_(experiment.c.workspace_id == workspace_id, experiment.c.workspace_id.is_(None))
    query = select(experiment).filter_by(subject=subject, state="running").where(whose)
    row = connection.execute(query.order_by(experiment.c.workspace_id.nulls_last()).limit(1)).one_or_none()
    return as_experiment(row) if row else None


def experiments_of(connection: Connection, studios: Sequence[UUID]) -> list[Row[Any]]:
    """The rows of the studios' own experiments, whatever their state."""
    query = select(experiment).where(_among(experiment.c.workspace_id, studios)).order_by(experiment.c.id)
    return list(connection.execute(query))


def experiments_to_judge(connection: Connection) -> list[Row[Any]]:
    """The rows of all experiments that are running, or have ended since the fleet's results were last refreshed."""
    result = fleet_experiment_result.c
    told = exists().where(result.experiment_id == experiment.c.id, result.refreshed_at > experiment.c.ended_at)
    query = select(experiment).where(or_(experiment.c.state == "running", ~told))
    return list(connection.execute(query.order_by(experiment.c.id)))


def add_exposure(
    connection: Connection, workspace_id: UUID, experiment_id: UUID, unit_id: str, variant: str, now: datetime
) -> str:
    """Keep that a unit has met a variant, and return the variant that it met first."""
    key = {"workspace_id": workspace_id, "experiment_id": experiment_id, "unit_id": unit_id}
    fresh = upsert(experiment_exposure).values(**key, variant=variant, exposed_at=now).on_conflict_do_nothing()
    if connection.execute(fresh).rowcount == 1:
        return variant
    first: str = connection.execute(select(experiment_exposure.c.variant).filter_by(**key)).scalar_one()
    return first


def add_outcomes(
    connection: Connection, workspace_id: UUID, goal: str, unit_id: str, value: float, now: datetime
) -> int:
    """Keep that a unit has reached a goal, in each running experiment that it was exposed in; return in how many.

    What a lead or a visitor does, the studio has reached where whole studios are the units.
    """
    exposure = experiment_exposure.c
    is_the_unit = or_(
        and_(experiment.c.unit == "workspace", exposure.unit_id == str(workspace_id)), exposure.unit_id == unit_id
    )
    met = (
        select(
            exposure.workspace_id,
            exposure.experiment_id,
            exposure.unit_id,
            literal(now).label("occurred_at"),
            literal(value).label("value"),
        )
        .join(experiment, experiment.c.id == exposure.experiment_id)
        .where(experiment.c.state == "running", experiment.c.goal == goal)
        .where(exposure.workspace_id == workspace_id, exposure.exposed_at <= now, is_the_unit)
    )
    columns = ["workspace_id", "experiment_id", "unit_id", "occurred_at", "value"]
    statement = upsert(experiment_outcome).from_select(columns, met).on_conflict_do_nothing()
    return connection.execute(statement).rowcount


def count_units(connection: Connection, experiments: Sequence[UUID]) -> dict[UUID, dict[str, tuple[int, int]]]:
    """Units by experiment and variant: how many have met it, and how many of these have reached the goal.

    Needs the fleet's scope for the founder's experiments, which are counted over all studios.
    """
    exposure, outcome = experiment_exposure.c, experiment_outcome.c
    its_own = or_(experiment.c.workspace_id.is_(None), experiment.c.workspace_id == exposure.workspace_id)
    same_unit = and_(
        outcome.workspace_id == exposure.workspace_id,
        outcome.experiment_id == exposure.experiment_id,
        outcome.unit_id == exposure.unit_id,
    )
    query = (
        select(exposure.experiment_id, exposure.variant, func.count(), func.count(outcome.unit_id))
        .select_from(experiment_exposure)
        .join(experiment, and_(experiment.c.id == exposure.experiment_id, its_own))
        .outerjoin(experiment_outcome, same_unit)
        .where(_among(exposure.experiment_id, experiments))
        .group_by(exposure.experiment_id, exposure.variant)
    )
    found: dict[UUID, dict[str, tuple[int, int]]] = {}
    for experiment_id, variant, exposed, converted in connection.execute(query):
        found.setdefault(experiment_id, {})[variant] = (exposed, converted)
    return found


def save_studio_results(
    connection: Connection, variants: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]
) -> int:
    """Put the results of studios' own experiments in place of the last ones; return how many rows they are."""
    return _replace(connection, experiment_variant, variants) + _replace(connection, experiment_result, results)


def save_fleet_results(connection: Connection, results: Sequence[Mapping[str, Any]]) -> int:
    """Put the fleet's results in place of the last ones; return how many rows they are."""
    return _replace(connection, fleet_experiment_result, results)


def studio_results(connection: Connection, experiments: Sequence[UUID]) -> list[Row[Any]]:
    """What was last told of studios' own experiments, a row per variant; the baseline's has no comparison."""
    variant, result = experiment_variant.c, experiment_result.c
    of_the_variant = and_(
        result.workspace_id == variant.workspace_id,
        result.experiment_id == variant.experiment_id,
        result.variant == variant.variant,
    )
    compared = [column for column in result if column.name not in variant]
    query = (
        select(experiment_variant, *compared)
        .select_from(experiment_variant)
        .outerjoin(experiment_result, of_the_variant)
        .where(_among(variant.experiment_id, experiments))
    )
    return list(connection.execute(query))


def fleet_results(connection: Connection, experiments: Sequence[UUID]) -> list[Row[Any]]:
    """What was last told of experiments over all studios, a row per variant. Needs the fleet's scope."""
    query = select(fleet_experiment_result).where(_among(fleet_experiment_result.c.experiment_id, experiments))
    return list(connection.execute(query))


def _among(column: ColumnElement[Any], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Whether a column is one of the ids, which are bound as one array: a statement has 65,535 parameters at most."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


def _replace(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    if not rows:
        return 0
    statement = upsert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    statement = statement.on_conflict_do_update(constraint=table.primary_key, set_=changed)
    connection.execute(statement, [dict(row) for row in rows])
    return len(rows)
