"""How fast a great many leads are planned for, and with how much memory. What belongs here: measuring the planning."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from sqlalchemy import Connection

from benchmarks.coach.people import NOW, settle
from benchmarks.coach.plan import Plan
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import Bar, Figure, progress
from pilar.clocks import Clocks, ManualClock, system_clocks
from pilar.coach.planning import Planned, plan
from pilar.database.engine import Database, Scope
from pilar.workspaces.chunks import in_chunks
from pilar.workspaces.fleet import open_workspaces

SECONDS = 60
MEBIBYTES = 1_024
_MEBIBYTE_IN_KIBIBYTES = 1_024


def planning(server: Server, counts: Plan) -> list[Figure]:
    """Plan the first day of all leads, the next hour, and the same hour again."""
    first, later, again, memory, nudges, busy = [], [], [], [], [], []
    for number in range(1, counts.rounds + 1):
        url = server.ours("coach_plan")
        leads = settle(url, counts)
        settle_down(url)
        progress(f"plan, round {number}: {leads:,} leads are there")
        with closing(Database(url)) as database:
            before = processor_seconds(url)
            made, seconds = _planned(database, NOW)
            busy.append(processor_seconds(url) - before)
            first.append(seconds)
            nudges.append(made)
            progress(f"plan, round {number}: {made:,} nudges in {seconds:.3g} s")
            later.append(_planned(database, NOW + timedelta(hours=1))[1])
            made, seconds = _planned(database, NOW + timedelta(hours=1))
            again.append(seconds)
            if made:
                raise RuntimeError(f"planning the same again made {made} nudges")
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEBIBYTE_IN_KIBIBYTES)
        server.drop("coach_plan")
    of = f"{counts.studios * counts.leads:,} leads in {counts.studios:,} studios"
    return [
        Figure(f"{of}: their first day planned within", "s", tuple(first), Bar(SECONDS, at_most=True)),
        Figure(
            f"{of}: processor time of that, all processes",
            "s",
            tuple(busy),
            note="the database's and ours: where others use the machine, the seconds above are theirs too",
        ),
        Figure(f"{of}: nudges made", "", tuple(nudges)),
        Figure(f"{of}: one hour later planned within", "s", tuple(later), Bar(SECONDS, at_most=True)),
        Figure(f"{of}: planned again, nothing to do, within", "s", tuple(again)),
        Figure("peak memory of the process that plans", "MiB", tuple(memory), Bar(MEBIBYTES, at_most=True)),
    ]


def _planned(database: Database, now: datetime) -> tuple[int, float]:
    clocks = Clocks(business=ManualClock(now), real=system_clocks().real)

    def work(connection: Connection, chunk: Sequence[UUID]) -> Planned:
        return plan(connection, clocks, chunk)

    began = time.perf_counter()
    with database.transaction(Scope.fleet()) as connection:
        studios = open_workspaces(connection)
    done = in_chunks(database, studios, work)
    if done.failed:
        raise RuntimeError(f"planning failed: {next(iter(done.failed.values()))}")
    return sum(one.nudges for one in done.results), time.perf_counter() - began


def processor_seconds(url: str) -> float:
    """What this process and the server's have used of the processors so far."""
    with psycopg.connect(url) as connection:
        pids = [row[0] for row in connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()")]
    ticks = 0
    for pid in pids:
        # After the name, which may hold spaces, in parentheses: the 12th and 13th field are user and system time.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")
