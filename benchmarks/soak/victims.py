"""Who is killed, and how it is seen that they are back.

What belongs here: finding each process and sending SIGKILL. What does not: when (`__main__.py`). Only processes of this
run are killed: those that its supervisor and its server have recorded.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pilar.database.embedded import EmbeddedServer

PROGRAMS = ("web", "worker", "sandbox", "dagster-daemon", "dagster-code", "dagster-webserver")
BACKEND, POSTMASTER = "postgres-backend", "postgres-postmaster"
VICTIMS = ("web", "worker", BACKEND, "sandbox", POSTMASTER, "dagster-daemon", "dagster-code", "dagster-webserver")

Kill = Callable[[], int]
"""Kills one and returns its process id."""


@dataclass(frozen=True)
class Victims:
    """The processes of one run.

    Attributes:
        home: where its supervisor records programs and its server lies.
        database_url: the product's database.
        chance: decides which of several backends.
    """

    home: Path
    database_url: str
    chance: random.Random

    def pid(self, name: str) -> int | None:
        """The process that is recorded under a name, None while there is none."""
        if name in (BACKEND, POSTMASTER):
            return EmbeddedServer(self.home).status().pid
        with suppress(OSError, ValueError):
            found = json.loads((self.home / "run" / f"{name}.json").read_text())["pid"]
            return int(found) if found is not None else None
        return None

    def kill(self, name: str) -> int:
        """SIGKILL one, and return the process id that is to be another one's afterwards.

        Raises:
            ProcessLookupError: there is none just now.
        """
        recorded = self.pid(name)
        pid = self._a_backend() if name == BACKEND else recorded
        if pid is None or recorded is None:
            raise ProcessLookupError(name)
        os.kill(pid, signal.SIGKILL)
        return recorded

    def _a_backend(self) -> int | None:
        """One of the processes that serve the product; with it the server drops all others and recovers."""
        query = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        try:
            with psycopg.connect(self.database_url, connect_timeout=5) as connection:
                pids = sorted(row[0] for row in connection.execute(query))
        except psycopg.Error:
            return None
        return self.chance.choice(pids) if pids else None
