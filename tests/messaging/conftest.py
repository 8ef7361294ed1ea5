"""An active studio with leads who write. What belongs here: making them; no assertions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pilar.database.engine import Scope
from pilar.messaging import store
from tests.fixtures.system import System

LEAD = "+31612345678"


@dataclass
class Studio:
    """A studio at work."""

    system: System
    id: UUID
    number: str

    def writes(self, text: str, *, sender: str = LEAD, repeat: int = 1) -> None:
        """A lead writes, and everything that follows from it happens."""
        self.system.sandbox.receive_whatsapp(to=self.number, sender=sender, text=text, repeat=repeat)
        self.system.settle()

    def lead(self, sender: str = LEAD) -> UUID:
        return UUID(str(self.system.column(f"select id from lead where phone = '{sender}'")[0]))

    def out(self, columns: str = "origin, state") -> list[Any]:
        """What was written to leads, but for the answers that rules gave."""
        return self.system.rows(
            f"select {columns} from message where direction = 'out' and origin <> 'test'"
            " and left(origin, 5) <> 'rule:' order by occurred_at, id"
        )

    def run(self, work: Any, *arguments: Any, **named: Any) -> Any:
        """Do something in a transaction of the fleet's, and let happen what follows from it."""
        with self.system.database.transaction(Scope.fleet()) as connection:
            result = work(connection, self.system.app.clocks, *arguments, **named)
        self.system.settle()
        return result

    def agrees(self, lead_id: UUID) -> None:
        """The lead has agreed to be written to unasked."""
        with self.system.database.transaction(Scope.fleet()) as connection:
            values = {"scope": "marketing", "granted": True, "source": "import", "proof": "a form"}
            store.add_consent(
                connection, self.id, lead_id, {**values, "recorded_at": self.system.business.now() - timedelta(days=1)}
            )


@pytest.fixture
def studio(system: System) -> Studio:
    """A studio in Utrecht that is open, at ten in the morning."""
    return open_studio(system)


def open_studio(system: System, name: str = "Studio Noord") -> Studio:
    """Have a studio signed up and opened."""
    system.sandbox.sign_up(name, email=f"{name.replace(' ', '')}@studio.example", seed=1)
    system.settle()
    now: datetime = system.business.now()
    system.travel_to((now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0))
    row = system.rows(f"select w.workspace_id, i.phone_number from workspace w join integration i using (workspace_id)"
                      f" where i.provider = 'whatsapp' and w.state = 'active' and w.name = '{name}'")[0]  # fmt: skip
    return Studio(system, row[0], row[1])
