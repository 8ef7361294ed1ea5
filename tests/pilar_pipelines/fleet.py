"""Studios for tests, and what is looked at afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from pilar.backplane.facts import Cause, emit
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import system_clocks
from pilar.database.engine import Database, Scope
from pilar.health.tables import health_check
from pilar.ids import new_id
from pilar.workspaces.store import set_state, upsert_integration
from pilar.workspaces.tables import workspace


@dataclass
class Fleet:
    database: Database

    def add(self, *names: str, state: str = "active", age: timedelta = timedelta(hours=1)) -> list[UUID]:
        since = datetime.now(UTC) - age
        rows: list[dict[str, Any]] = [
            {
                "workspace_id": new_id(),
                "name": name,
                "state": state,
                "plan": "PRO",
                "country": "NL",
                "time_zone": "Europe/Amsterdam",
                "created_at": since,
                "activated_at": since,
            }
            for name in names
        ]
        with self.database.transaction(Scope.fleet()) as connection:
            connection.execute(insert(workspace), rows)
        return [row["workspace_id"] for row in rows]

    def close(self, studio: UUID) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            set_state(connection, studio, "closed")

    def spoil(self, studio: UUID) -> None:
        """Make the studio one whose next health check fails with an error of the database's."""
        now = datetime.now(UTC)
        with self.database.transaction(Scope.fleet()) as connection:
            upsert_integration(connection, studio, "twilio", now=now, state="failed")
            connection.execute(
                insert(health_check).values(
                    workspace_id=studio,
                    component="twilio_integration",
                    status="failed",
                    metrics={},
                    issues=[],
                    last_check=now,
                    next_check=now,
                    consecutive_failures=2**31 - 1,
                )
            )

    def notice(self, name: str) -> None:
        """Put a piece of work into the queue: a request for an incident."""
        request = IncidentRequested(
            dedupe_key=name, title=name, description="", severity="low", component="queue_processing"
        )
        with self.database.transaction(Scope.fleet()) as connection:
            emit(connection, system_clocks(), [incident(request, key=str(new_id()))], Cause.new())

    def rows(self, statement: str) -> list[Any]:
        with self.database.transaction(Scope.fleet()) as connection:
            return list(connection.execute(text(statement)).all())

    def change(self, statement: str, **values: Any) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            connection.execute(text(statement), values)
