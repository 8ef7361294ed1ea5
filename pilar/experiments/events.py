"""The events of experiments. What belongs here: their payloads."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class ExperimentDecided(Payload):
    """An experiment has come to its end.

    `adopted` is the variant that is to be used from now on; None: what was done before stays.
    """

    type_name: ClassVar[str] = "experiment.decided"

    experiment_id: UUID
    subject: str
    adopted: str | None
