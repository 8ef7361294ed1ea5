"""Which follow-ups are to come. What belongs here: planning them for the silent leads of many studios at once.

A plan looks a few hours ahead. Steps and the jobs that send them are one commit; what is planned is planned once per
lead, follow-up and number, whoever plans. What a lead does meanwhile calls a step off, at the next plan or, at the
latest, when it is due (`sending.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.clocks import Clocks
from pilar.followups import store, timing
from pilar.followups.events import SendFollowup
from pilar.ids import new_id
from pilar.messaging.zones import plausible_zones
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.fleet import load_configurations

AHEAD = timedelta(hours=3)
"""How far a plan looks ahead, in business time: plans come every quarter of an hour, and one or two may fail."""
LATEST = timedelta(hours=24)
"""How long after its time a follow-up is still planned and made: a new one does not wake leads who left long ago."""
LONGEST = timedelta(days=95)
"""Longer than the longest silence that a follow-up may wait for."""


@dataclass(frozen=True)
class Planned:
    """What a plan did: how many steps are new, and how many were called off."""

    planned: int
    stopped: int


def plan(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> Planned:
    """Plan what silent leads of active studios get in the next hours, and call off what has become needless.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: whose leads.

    Raises:
        ValidationError: a studio's configuration can't be read; nothing is planned for any of them.
    """
    now = clocks.business.now()
    stopped = store.stop_steps(connection, studios, now)
    documents = load_configurations(connection, store.studios_using(connection, studios))
    wanting = [studio for studio, document in documents.items() if most_a_day(document) > 0]
    found = store.silent_leads(
        connection, wanting, now, earliest=now - LATEST, latest=now + AHEAD, longest=LONGEST
    ) if wanting else []  # fmt: skip
    new = store.add_steps(connection, [_step(row) for row in found], now) if found else []
    jobs = (send_job(row.workspace_id, row.id, row.due_at) for row in new)
    enqueue(connection, clocks, jobs, Cause.new())
    return Planned(len(new), stopped)


def most_a_day(document: StudioConfiguration) -> int:
    """How many follow-ups a lead of the studio's may get a day; 0 where there are none."""
    policy = document.operator.policies.followups
    return policy.max_per_day if policy.enabled and document.feature("followups") else 0


def send_job(workspace_id: UUID, step_id: UUID, due_at: datetime) -> Job:
    """The work that makes a step a message when it is due, in business time."""
    return Job(
        payload=SendFollowup(step_id=step_id),
        key=SendFollowup.key_of(step_id, due_at),
        workspace_id=workspace_id,
        lane=Lane.BULK,
        due_at=due_at,
        business_time=True,
    )


def zones_of(time_zone: str | None, phone: str | None, studio: str) -> tuple[str, ...]:
    """Where a lead may be, the zone to plan in first."""
    return timing.zones_to_ask(plausible_zones(time_zone, phone, studio), studio)


def _step(row: Row[Any]) -> Mapping[str, Any]:
    zones = zones_of(row.time_zone, row.phone, row.studio_zone)
    return {
        "workspace_id": row.workspace_id,
        "id": new_id(),
        "lead_id": row.lead_id,
        "followup_id": row.followup_id,
        "number": row.number,
        "silent_since": row.silent_since,
        "due_at": timing.due_at(row.base, zones, row.time_of_day),
    }
