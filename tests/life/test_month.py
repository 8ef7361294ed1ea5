"""Some days of coaching over a change of the clocks: every nudge once at its local time, or refused for its reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from benchmarks.month.expected import Who, first_moment, nudges
from benchmarks.month.life import live
from pilar.database.engine import Database


def test_the_other_opinion_knows_the_changes_of_the_clocks() -> None:
    """It judges the product's own rule, so a few moments are told here by hand."""
    amsterdam = ZoneInfo("Europe/Amsterdam")
    assert first_moment(datetime(2026, 3, 29, 2, 30), amsterdam) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # noqa: DTZ001 - a wall clock
    assert first_moment(datetime(2026, 10, 25, 2, 30), amsterdam) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # noqa: DTZ001 - a wall clock
    assert first_moment(datetime(2026, 10, 25, 8, 0), amsterdam) == datetime(2026, 10, 25, 7, 0, tzinfo=UTC)  # noqa: DTZ001 - a wall clock
    begins, ends = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    told = [
        one
        for one in nudges(Who("Europe/Amsterdam", None, agrees=False), begins, ends)
        if one.kind != "motivation_message"
    ]
    assert [(one.kind, one.day, one.due_at.hour, set(one.reasons)) for one in told] == [
        ("morning_nudge", date(2026, 3, 28), 7, {"no_consent"}),
        ("morning_nudge", date(2026, 3, 29), 6, {"no_consent"}),
        ("weekly_checkin", date(2026, 3, 29), 15, {"no_consent"}),
    ]
    early = next(nudges(Who("Europe/Amsterdam", time(7, 30), agrees=True), begins, ends))
    assert early.reasons == {"quiet_hours"}


@pytest.mark.slow
def test_days_over_a_change_of_the_clocks_go_by_local_time(database: Database, tmp_path: Path) -> None:
    """Amsterdam, London and Lisbon set their clocks on the third day; leads elsewhere do not."""
    month = live(database.url, tmp_path, 3, datetime(2026, 3, 27, tzinfo=UTC), 4)
    assert month.wrong == []
    assert month.adds_up, month
    assert month.sent > 30
    assert set(month.refused) == {"no_consent", "quiet_hours"}
