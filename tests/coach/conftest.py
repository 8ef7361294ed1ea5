"""Studios with leads who are coached, on clocks that tests move. What belongs here: making them; no assertions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.agents.events import CoachingAskedFor
from pilar.app import App, build_app
from pilar.backplane import invariants as backplane_invariants
from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks, ManualClock
from pilar.coach import enrolment, goals, trainings
from pilar.coach import invariants as coach_invariants
from pilar.coach import store as coach
from pilar.coach.planning import Planned, plan
from pilar.crypto import new_key
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.messaging import consent, store
from pilar.messaging import invariants as messaging_invariants
from pilar.messaging.zones import country_of
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule, StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan

AMSTERDAM = "Europe/Amsterdam"
EARLY = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
"""Five in the morning in Amsterdam, on a Tuesday."""

MORNING = CoachingConfiguration(
    enabled=True,
    schedules=(CoachSchedule(type="coach.morning_nudge", cron="0 8 * * *"),),
)


@dataclass
class Gym:
    """Builds what a test needs, through the product's own functions."""

    app: App
    business: ManualClock
    real: ManualClock

    @property
    def database(self) -> Database:
        return self.app.database

    def studio(self, name: str = "Studio Noord", *, state: str = "active", zone: str = AMSTERDAM,
               coaching: CoachingConfiguration = MORNING) -> UUID:  # fmt: skip
        studio, now = new_id(), self.business.now()
        document = StudioConfiguration(
            plan=Plan.PRO,
            studio=StudioProfile(name=name, country="NL", time_zone=zone, language="nl"),
            coaching=coaching,
        )
        with self.database.transaction(Scope.fleet()) as connection:
            workspaces.upsert_workspace(
                connection,
                {"workspace_id": studio, "name": name, "state": state, "plan": "PRO", "country": "NL",
                 "time_zone": zone, "created_at": now},
            )  # fmt: skip
            workspaces.save_configuration(connection, studio, document, changed_by="test", note="", now=now)
        return studio

    def lead(self, studio: UUID, phone: str = "+31612345678", *, agrees: bool = True, **changes: Any) -> UUID:
        values = {
            "phone": phone, "name": "Anna de Vries", "language": "nl", "country": country_of(phone),
            "lifecycle": "lead", "source": "whatsapp", "created_at": self.business.now(), **changes,
        }  # fmt: skip
        with self.database.transaction(Scope.fleet()) as connection:
            lead = store.ensure_lead(connection, studio, phone.removeprefix("+"), values)
            store.ensure_conversation(connection, studio, lead, self.business.now())
            if agrees:
                consent.grant(connection, self.app.clocks, studio, lead, "marketing", "keyword", f"first:{lead}")
        return lead

    def coached(self, studio: UUID, phone: str = "+31612345678", **changes: Any) -> UUID:
        """A lead who asked for coaching; nothing is planned yet."""
        lead = self.lead(studio, phone, **changes)
        values = {"frequency": "daily", "motivation_style": "encouraging"}
        with self.database.transaction(Scope.fleet()) as connection:
            coach.enrol(connection, studio, lead, self.business.now(), values)
        return lead

    def plan(self, *studios: UUID, **options: Any) -> Planned:
        with self.database.transaction(Scope.fleet()) as connection:
            return plan(connection, self.app.clocks, studios, **options)

    def asks_for_coaching(self, studio: UUID, lead: UUID, key: str = "first") -> None:
        event = Event(payload=CoachingAskedFor(lead_id=lead), key=f"{lead}:{key}", aggregate=("lead", str(lead)),
                      workspace_id=studio)  # fmt: skip
        with self.database.transaction(Scope.fleet()) as connection:
            emit(connection, self.app.clocks, [event], Cause.new())

    def opts_out(self, studio: UUID, lead: UUID, proof: str = "stop") -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            consent.withdraw(
                connection, self.app.clocks, studio, lead, "all", "wording", proof, Cause.new(), self.app.people
            )

    def wishes(self, studio: UUID, lead: UUID, frequency: str = "daily", at: str | None = None,
               zone: str | None = None) -> None:  # fmt: skip
        with self.database.transaction(Scope.fleet()) as connection:
            wanted = enrolment.Wishes(frequency, at, zone)
            enrolment.change(connection, self.app.clocks, studio, lead, wanted, actor="owner:1")

    def sets_goal(self, studio: UUID, lead: UUID, target: str = "ten kilometres", **changes: Any) -> goals.Goal:
        wanted = goals.NewGoal(type="endurance", target=target, **changes)
        with self.database.transaction(Scope.fleet()) as connection:
            return goals.set_goal(connection, self.app.clocks, studio, lead, wanted, actor="owner:1")

    def trained(self, studio: UUID, lead: UUID, *moments: datetime, booking: UUID | None = None) -> int:
        told = [trainings.Training(moment, lead_id=lead, booking_id=booking) for moment in moments]
        with self.database.transaction(Scope.fleet()) as connection:
            return trainings.record(connection, self.app.clocks, studio, told, "api")

    def drain(self) -> None:
        """Do all that is due."""
        drain = self.app.drain(f"test-{new_id()}")
        drain.run_until_idle(self.real.now() + timedelta(hours=1))
        drain.close()

    def wait_until(self, moment: datetime) -> None:
        """Let business time pass, and do what becomes due."""
        self.business.advance(moment - self.business.now())
        self.drain()

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.transaction(Scope.fleet()) as connection:
            return list(connection.execute(text(statement), values).all())

    def change(self, statement: str, **values: Any) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            connection.execute(text(statement), values)

    def nudges(self, columns: str = "type, local_day, due_at") -> list[Any]:
        return self.rows(f"select {columns} from coach_nudge order by workspace_id, lead_id, type, local_day")

    def assert_promises(self) -> None:
        """The coach's own, and those of what it stands on; these studios were not provisioned, nor looked at."""
        now = {"real_now": self.real.now(), "business_now": self.business.now()}
        for invariant in (
            *coach_invariants.INVARIANTS,
            *messaging_invariants.INVARIANTS,
            *backplane_invariants.INVARIANTS,
        ):
            wanted = {name: value for name, value in now.items() if f":{name}" in invariant.query}
            assert self.rows(invariant.query, **wanted) == [], invariant.promise
        assert self.rows("select error from dead_letter") == []


@pytest.fixture
def gym(database: Database) -> Iterator[Gym]:
    business, real = ManualClock(EARLY), ManualClock(EARLY)
    app = build_app(Settings(secret_keys=new_key()), database=database, clocks=Clocks(business=business, real=real))
    yield Gym(app, business, real)
    app.close()
