"""Studios on their way, and the overview over them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.operator import overview
from pilar.operator.projection import refresh_studios
from pilar.provisioning import store
from pilar.provisioning.steps import DatabaseStep, Step
from pilar.workspaces import store as workspaces

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
STEPS: tuple[Step, ...] = (
    DatabaseStep("customer_validation", "Customer validation", lambda connection, job: {}),
    DatabaseStep("default_ai_agent", "AI agent", lambda connection, job: {}),
    DatabaseStep("activation", "Activation", lambda connection, job: {}),
)


@dataclass
class Signups:
    """Jobs and studios, as provisioning would make them."""

    database: Database
    clocks: Clocks

    def begin(self) -> store.NewJob:
        identity = new_id()
        job = store.NewJob(
            id=new_id(),
            workspace_id=identity,
            stripe_subscription_id=f"sub_{identity}",
            stripe_customer_id=f"cus_{identity}",
            correlation_id=new_id(),
            setup_token_hash=identity.bytes,
            sealed_setup_token=b"sealed",
        )
        with self.database.transaction(Scope.fleet()) as connection:
            store.create_job(connection, job, STEPS, NOW)
        return job

    def make(self, job: store.NewJob, name: str = "Studio", **values: Any) -> None:
        row = {"plan": "PRO", "country": "NL", "time_zone": "Europe/Amsterdam", "state": "provisioning", **values}
        with self.database.transaction(Scope.fleet()) as connection:
            workspaces.upsert_workspace(
                connection, {"workspace_id": job.workspace_id, "name": name, "created_at": NOW, **row}
            )

    def change(self, job: store.NewJob, step: str, job_state: str, **values: Any) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            store.set_step(connection, job.id, step, values)
            store.set_job(connection, job.id, {"state": job_state})

    def refresh(self, *studios: UUID) -> int:
        with self.database.transaction(Scope.fleet()) as connection:
            return refresh_studios(connection, self.clocks, studios)

    def line(self, studio: UUID) -> overview.StudioLine:
        with self.database.transaction(Scope.workspace(studio)) as connection:
            return overview.studio_page(connection, studio).studio

    def waiting_for_a_lock(self, connection: Connection) -> int:
        query = "select count(*) from pg_locks where not granted and locktype = 'advisory'"
        return int(connection.exec_driver_sql(query).scalar_one())


@pytest.fixture
def real() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def signups(database: Database, real: ManualClock) -> Signups:
    return Signups(database, Clocks(business=ManualClock(NOW), real=real))
