"""Provisioning that nobody is at any more, and when it is tried again by itself.

What belongs here: the rule, as a pure function over what was found and what was tried, and the trying. What does not:
asking for it, which Dagster's sensor does; finding such jobs (`stuck_store.py`); and what a founder has tried again
(`retry.py`).

A failed step is tried again an hour, six and twenty-four hours after it was seen to have failed: what a provider
refused today it may take tomorrow, and a step that runs again does nothing twice. After that it is the founder's, who
has had an incident since the first time. A job that is lost, with no work and no reason, is put to work at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.provisioning.asked import resume_at

Why = Literal["failed", "lost"]

PAUSES: Mapping[Why, tuple[timedelta, ...]] = {
    "failed": (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)),
    "lost": (timedelta(0), timedelta(hours=1), timedelta(hours=6)),
}
"""Real time from when it was seen, or last tried, to each try."""

REMEMBERED = timedelta(days=7)
"""A job that was not seen for so long has gone on; should it stop again, it is tried as often as before."""

AT_ONCE = 200
"""So many are tried in one go; the others are next."""


@dataclass(frozen=True)
class Stuck:
    """A job that does not go on by itself."""

    workspace_id: UUID
    why: Why


@dataclass(frozen=True)
class Tried:
    """How often a job was tried again, and when it was last seen or tried (real time)."""

    times: int
    at: datetime


def choose(found: Sequence[Stuck], tried: Mapping[str, Tried], now: datetime) -> tuple[list[UUID], dict[str, Tried]]:
    """Which jobs are tried again now, and what is to be remembered of all.

    Args:
        found: the jobs that are stuck at this moment.
        tried: what was remembered the last time, by studio.
        now: real time.
    """
    kept = {studio: one for studio, one in tried.items() if now - one.at < REMEMBERED}
    chosen: list[UUID] = []
    for stuck in found:
        studio, pauses = str(stuck.workspace_id), PAUSES[stuck.why]
        known = kept.setdefault(studio, Tried(0, now))
        if known.times >= len(pauses):
            # As long as it is stuck it is not forgotten: else it would be tried for ever.
            if now - known.at >= REMEMBERED / 2:
                kept[studio] = Tried(known.times, now)
            continue
        if len(chosen) < AT_ONCE and now - known.at >= pauses[known.times]:
            chosen.append(stuck.workspace_id)
            kept[studio] = Tried(known.times + 1, now)
    return chosen, kept


def try_again(database: Database, clocks: Clocks, studios: Sequence[UUID]) -> dict[str, str]:
    """Have these studios' jobs go on from where they stand; by studio the step, or why not.

    Each in a transaction of its own: one that is gone or was taken back meanwhile keeps none of the others waiting.
    """
    told: dict[str, str] = {}
    for studio in studios:
        try:
            with database.transaction(Scope.fleet()) as connection:
                found = resume_at(connection, clocks, studio, (), audit.SYSTEM)
            told[str(studio)] = found["resumed"] or found["why"]
        except Permanent as error:
            told[str(studio)] = error.message
    return told
