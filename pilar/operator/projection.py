"""Keeping the overview up to date, the same for Dagster's runs and for the worker.

What belongs here: when a refresh waits, gives way or refuses. What does not: what the rows are made of (`store.py`)
and reading them (`overview.py`).

Two refreshes of one studio end with the newest truth in whatever order they run: each takes the lock first and reads
then, so who comes second reads later. A set waits for its locks, in one order. A handler never waits: its transaction
is a whole batch's and holds the locks of other studios, so that two batches could wait for each other; it is put off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.handlers import Snooze, Work
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.health.events import IncidentNoted
from pilar.operator import store

_BUSY_RETRY = timedelta(milliseconds=200)


def refresh_studios(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Make the rows of studios anew, from their signup on; return how many of them there are.

    Needs the fleet's scope. Waits for who is refreshing one of them.

    Raises:
        Invalid: a studio's data can't be shown; its row has to keep its last good state, so nothing may be committed.
    """
    store.lock_studios(connection, studios)
    return _refresh(connection, clocks, studios)


def overlooked_studios(connection: Connection) -> list[UUID]:
    """The studios that a run over all partitions does not reach, or that have no row yet.

    A studio has no partition before it is made and after it is closed. Needs the fleet's scope.
    """
    return store.overlooked_studios(connection)


def refresh_fleet(connection: Connection, clocks: Clocks) -> dict[str, int]:
    """Make open incidents and the fleet's figures anew; return the figures. Needs the fleet's scope."""
    store.lock_fleet(connection)
    store.refresh_incidents(connection, None)
    return store.refresh_fleet(connection, clocks.real.now())


class OverviewKeeper:
    """Keeps the overview fresh within a second, by event."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_studio(self, connection: Connection, work: Work[Any]) -> dict[str, int]:
        """Refresh the studio that an event is about.

        Raises:
            Snooze: it is being refreshed by somebody who may have read it before this event.
        """
        if work.workspace_id is None:
            raise Invalid(f"An event of type {work.type} names no studio.")
        if not store.try_to_lock_studio(connection, work.workspace_id):
            raise Snooze(_BUSY_RETRY)
        return {"refreshed": _refresh(connection, self._clocks, [work.workspace_id])}

    def on_incident(self, connection: Connection, work: Work[IncidentNoted]) -> None:
        """Refresh one incident.

        Raises:
            Snooze: incidents are being refreshed by somebody who may have read them before this event.
        """
        if not store.try_to_lock_fleet(connection):
            raise Snooze(_BUSY_RETRY)
        store.refresh_incidents(connection, [work.content.incident_id])


def _refresh(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    refreshed = store.refresh_studios(connection, studios, clocks.real.now())
    broken = store.unshowable(connection, studios)
    if broken is not None:
        raise Invalid(
            f"Studio {broken.workspace_id} can't be shown: its state is {broken.state!r}, it was begun at"
            f" {broken.created_at} and opened at {broken.activated_at}."
        )
    return refreshed
