"""Running experiments: starting and stopping them, assigning units, recording outcomes.

What belongs here: the use cases. What does not: what the results say (`results.py`, `statistics.py`), and doing a
thing in one way or another (the room whose subject is varied asks `running_for` and `assign`).

An experiment belongs to a studio, or to the founder and runs over all studios; the latter is seen in the fleet's scope
alone, which the drain's handlers have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.errors import Conflict, Forbidden, Invalid
from pilar.experiments import store
from pilar.experiments.assignment import Variant, assigned, check_variants
from pilar.experiments.store import Experiment
from pilar.ids import new_id
from pilar.workspaces import features

Unit = Literal["lead", "workspace", "visitor"]


@dataclass(frozen=True)
class NewExperiment:
    """An experiment to be started.

    Attributes:
        name: what people call it.
        subject: what is varied, such as `rule:trial`.
        goal: the outcome that counts, such as `booking.made`.
        variants: the ways to do it; the first is the baseline.
        created_by: the actor, as in the audit log.
        unit: what is assigned to a variant.
        workspace_id: the studio whose it is; None: the founder's, over all studios.
        alpha: how often a difference may be seen where there is none, between 0 and 0.5.
        minimum_per_variant: units that are to meet each variant before anything is decided.
        salt: another one deals the same units anew; None: the experiment's own id.
    """

    name: str
    subject: str
    goal: str
    variants: tuple[Variant, ...]
    created_by: str
    unit: Unit = "lead"
    workspace_id: UUID | None = None
    alpha: float = 0.05
    minimum_per_variant: int = 100
    salt: str | None = None


def start(connection: Connection, clocks: Clocks, new: NewExperiment) -> Experiment:
    """Start an experiment.

    Raises:
        Conflict: another one on the same subject is running, or the studio's plan has no experiments.
        Invalid: something can't be as it is said.
    """
    check_variants(new.variants)
    if new.workspace_id is not None:
        features.require(connection, new.workspace_id, "experiments")
    if not 0 < new.alpha <= 0.5:
        raise Invalid("Alpha lies between 0 and 0.5.")
    if new.minimum_per_variant < 1:
        raise Invalid("Nothing is decided about a variant that nobody has met: the minimum is 1 at least.")
    now, identity = clocks.business.now(), new_id()
    started = Experiment(
        id=identity,
        workspace_id=new.workspace_id,
        name=new.name,
        subject=new.subject,
        unit=new.unit,
        goal=new.goal,
        variants=new.variants,
        salt=new.salt or identity.hex,
        state="running",
        alpha=new.alpha,
        minimum_per_variant=new.minimum_per_variant,
        started_at=now,
        ended_at=None,
        decision=None,
        created_at=now,
        created_by=new.created_by,
    )
    store.add_experiment(connection, started)
    return started


def stop(connection: Connection, clocks: Clocks, experiment_id: UUID) -> Experiment:
    """Stop an experiment without a decision, and return it; one that has ended stays as it is.

    Raises:
        NotFound: this scope sees no such experiment.
    """
    store.end_experiment(connection, experiment_id, "stopped", clocks.business.now())
    return store.get_experiment(connection, experiment_id)


def running_for(connection: Connection, workspace_id: UUID, subject: str) -> Experiment | None:
    """The experiment on a subject that a studio's units take part in: its own before the founder's."""
    return store.running_experiment(connection, workspace_id, subject)


def assign(connection: Connection, clocks: Clocks, workspace_id: UUID, experiment: Experiment, unit_id: str) -> str:
    """Assign a unit to a variant, keep that it has met it, and return the variant's key.

    The same unit gets the same variant however often it is asked; its first exposure is the one that is kept.

    Args:
        connection: the caller's transaction.
        clocks: both clocks.
        workspace_id: the studio that the unit belongs to.
        experiment: what `running_for` gave.
        unit_id: the lead's, workspace's or visitor's id.

    Raises:
        Conflict: the experiment is not running.
        Forbidden: it is another studio's.
    """
    if experiment.state != "running":
        raise Conflict(f"The experiment {experiment.name!r} is not running.")
    if experiment.workspace_id not in {None, workspace_id}:
        raise Forbidden("The experiment is another studio's.")
    variant = assigned(experiment.variants, experiment.salt, unit_id)
    return store.add_exposure(connection, workspace_id, experiment.id, unit_id, variant, clocks.business.now())


def record_outcome(
    connection: Connection, clocks: Clocks, workspace_id: UUID, goal: str, unit_id: str, value: float = 1.0
) -> int:
    """Record that a unit has reached a goal, in every running experiment with that goal that it was exposed in.

    Its first outcome in an experiment is the one that is kept. Where whole studios are the units, it is the studio that
    has reached the goal.

    Args:
        connection: the caller's transaction.
        clocks: both clocks.
        workspace_id: the studio that the unit belongs to.
        goal: the outcome's name.
        unit_id: the lead's, workspace's or visitor's id.
        value: what it is worth.

    Returns:
        In how many experiments it is new.
    """
    return store.add_outcomes(connection, workspace_id, goal, unit_id, value, clocks.business.now())
