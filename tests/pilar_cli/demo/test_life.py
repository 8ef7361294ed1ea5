"""What the demonstration reads of a day: it is not over while something of it is still to be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from pilar.coach.tables import coach_enrolment, coach_nudge
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.messaging.receiving import lead_of
from pilar_cli.demo.life import Life, read_messages
from tests.fixtures.studios import add_studio

NOW = datetime(2026, 3, 8, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "skipped", "unsettled"), [(-30, None, 1), (0, None, 1), (30, None, 0), (-30, "late", 0)]
)
def test_a_nudge_that_is_due_and_nothing_has_come_of_yet_is_not_settled(
    database: Database, minutes: int, skipped: str | None, unsettled: int
) -> None:
    studio, life = add_studio(database), Life()
    with database.transaction(Scope.fleet()) as connection:
        lead = lead_of(connection, studio, "31612345678", "+31612345678", "Anna", "nl", "NL", NOW)
        coached = {"frequency": "daily", "motivation_style": "encouraging", "enrolled_at": NOW}
        connection.execute(insert(coach_enrolment).values(workspace_id=studio, lead_id=lead, **coached))
        values = {
            "workspace_id": studio,
            "id": new_id(),
            "lead_id": lead,
            "type": "weekly_checkin",
            "local_day": NOW.date(),
            "time_zone": "Europe/Amsterdam",
            "due_at": NOW + timedelta(minutes=minutes),
            "skipped": skipped,
            "planned_at": NOW,
        }
        connection.execute(insert(coach_nudge).values(values))
    read_messages(database, [studio], NOW, life)
    assert life.unsettled == unsettled
