"""What has run, told by the database. What belongs here: a handler that leaves a trace, and the traces.

A handler's memory is no witness: what it does is undone and done again when a neighbour fails.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from pilar.backplane.handlers import Work
from tests.fixtures.work import Bench


def note(connection: Connection, work: Work[Any]) -> None:
    connection.execute(
        text("insert into limit_counter values ('ran', :name, '2026-01-01', 1)"), {"name": work.content.name}
    )


def ran(bench: Bench) -> list[str]:
    return sorted(row[0] for row in bench.rows("select subject from limit_counter where name = 'ran'"))


def count(connection: Connection, name: str) -> None:
    """Count in the database: what a handler does is undone and done again when a neighbour fails."""
    connection.execute(
        text(
            "insert into limit_counter values ('counted', :name, '2026-01-01', 1)"
            " on conflict (name, subject, window_start) do update set count = limit_counter.count + 1"
        ),
        {"name": name},
    )


def counted(bench: Bench) -> dict[str, int]:
    return dict(bench.rows("select subject, count from limit_counter where name = 'counted'"))
