"""The founder's experiment on how a trial is answered. What belongs here: what it compares, and starting it."""

from __future__ import annotations

from sqlalchemy import Connection

from pilar.bookings.events import BookingMade
from pilar.clocks import Clocks
from pilar.experiments.assignment import Variant
from pilar.experiments.experiments import NewExperiment, start
from pilar.experiments.store import Experiment

SUBJECT = "rule:trial"
VARIANTS = (Variant("question", 50), Variant("offer", 50))
"""To ask when it would suit, or to offer a time right away."""


PER_VARIANT = 100
"""So many leads each variant has to meet before anything is decided, unless the founder says otherwise."""


def start_trial_experiment(
    connection: Connection, clocks: Clocks, created_by: str, *, minimum_per_variant: int = PER_VARIANT
) -> Experiment:
    """Start it, over all studios whose rule has both variants. Needs the fleet's scope.

    Raises:
        Conflict: one on the same subject is running.
    """
    new = NewExperiment(
        name="Trial: ask or offer",
        subject=SUBJECT,
        goal=BookingMade.type_name,
        variants=VARIANTS,
        created_by=created_by,
        minimum_per_variant=minimum_per_variant,
    )
    return start(connection, clocks, new)
