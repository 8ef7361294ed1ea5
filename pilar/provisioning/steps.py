"""What a provisioning step is. What belongs here: the types that steps and runner share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

WaitsOn = Literal["studio", "meta", "twilio", "stripe", "us"]

STEPS_VERSION = 2
"""Raised when the list of steps changes: jobs that are under way get the new steps and keep the finished ones, what
they were begun with stays in their rows, and a step that has gone from the list is not run any more."""


@dataclass(frozen=True)
class Job:
    """A provisioning job, as a step sees it.

    Attributes:
        codes_since: verification codes from before then (real time) belong to another number; None: there was none.
    """

    id: UUID
    workspace_id: UUID
    stripe_subscription_id: str
    stripe_customer_id: str
    correlation_id: UUID
    setup_round: int
    results: Mapping[str, Mapping[str, Any]]
    codes_since: datetime | None = None

    def result(self, step: str) -> Mapping[str, Any]:
        """What an earlier step found out, be it one that is not among the steps any more."""
        return self.results[step]


@dataclass(frozen=True)
class Done:
    """The step is done; `result` is kept for later steps, without secrets."""

    result: Mapping[str, Any]


@dataclass(frozen=True)
class Wait:
    """The step can't go on before somebody else has acted; it is run again when something may have changed.

    Attributes:
        on: whom it waits on.
        reason: for what, as a sentence for whoever has to act.
        link: where to act; None: where one acts about this party in general.
    """

    on: WaitsOn
    reason: str
    link: str | None = None


@dataclass(frozen=True)
class DatabaseStep:
    """A step that only writes to the database, in one transaction with the fact that it is done.

    Like every step it may run again after a crash, so what is there already stays.

    Attributes:
        undo: takes back what the step did, in one transaction with the fact that it is; it may find nothing to do.
    """

    name: str
    title: str
    run: Callable[[Connection, Job], Mapping[str, Any]]
    undo: Callable[[Connection, Job], Mapping[str, Any]] | None = None


def in_turn(*parts: Callable[[Connection, Job], Mapping[str, Any]]) -> Callable[[Connection, Job], Mapping[str, Any]]:
    """A database step of several rooms' parts, in one transaction; their results are one."""

    def run(connection: Connection, job: Job) -> Mapping[str, Any]:
        return {name: value for part in parts for name, value in part(connection, job).items()}

    return run


@dataclass(frozen=True)
class OutsideStep:
    """A step that talks to providers, through the effect ledger, outside any transaction.

    Attributes:
        undo: takes back what the step did, through the ledger too. It is called for every step that was begun, also
            for one of which nobody knows how far it got: it looks for itself what there is to take back.
    """

    name: str
    title: str
    run: Callable[[Job], Done | Wait]
    undo: Callable[[Job], Mapping[str, Any]] | None = None


Step = DatabaseStep | OutsideStep
