"""How fast a morning's nudges go out. What belongs here: the run and its figures."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from pydantic import SecretStr

from benchmarks.coach.crew import Program, programs
from benchmarks.coach.looking import Looking, signed_in
from benchmarks.coach.morning import Morning, ring, settle
from benchmarks.coach.plan import Plan
from benchmarks.queue.processes import Failed
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import Bar, Figure, percentile, progress
from pilar.crypto import new_key
from pilar.settings import Settings
from pilar_cli.demo.command import with_sandbox
from pilar_cli.ports import LOOPBACK, free_port
from pilar_cli.sandbox import STATE, sandbox_keys

PER_SECOND = 300
MEBIBYTES = 1_024
MILLISECONDS = 200
_LOOK_SECONDS = 0.5
_WORD_SECONDS = 10.0
_PATIENCE_SECONDS = 300.0
_MEBIBYTE_IN_KIBIBYTES = 1_024
_FOLDED = "select count(*) from message_status"


class Went(NamedTuple):
    """How one burst went.

    Attributes:
        seconds: from the moment when all were due to the last acceptance.
        accepted: messages that WhatsApp took.
        folded: statuses that had been folded into messages by then.
        folded_after: those that were folded after that, until every message was known to be read.
        seconds_after: how long that took.
        answers: seconds of each page, by its name.
        memory: peak in MiB, by program.
        busy: processor seconds, by program.
    """

    seconds: float
    accepted: int
    folded: int
    folded_after: int
    seconds_after: float
    answers: Mapping[str, list[float]]
    memory: Mapping[str, float]
    busy: Mapping[str, float]


def burst(server: Server, counts: Plan) -> list[Figure]:
    """Have every lead's nudge due at once, and see how fast they go out, and how the pages answer meanwhile."""
    rounds = [_round(server, counts, number) for number in range(1, counts.rounds + 1)]
    of = f"{counts.burst_studios * counts.burst_leads:,} nudges of {counts.burst_studios} studios due at once"
    bar = Bar(MILLISECONDS, at_most=True)
    figures = [
        Figure(
            f"{of}: accepted by WhatsApp",
            "/s",
            tuple(one.accepted / one.seconds for one in rounds),
            Bar(PER_SECOND),
            note="from a nudge's moment to the provider's answer: message, verdict, attempt and outcome all durable",
        ),
        Figure(f"{of}: statuses folded meanwhile", "/s", tuple(one.folded / one.seconds for one in rounds)),
        Figure(
            f"{of}: statuses folded after it",
            "/s",
            tuple(one.folded_after / one.seconds_after for one in rounds),
            note="until every message was known to be read, as fast as the sandbox tells",
        ),
        Figure(
            f"{of}: every message known to be read, after the last went,",
            "s",
            tuple(one.seconds_after for one in rounds),
        ),
    ]
    for page in rounds[0].answers:
        p95 = tuple(1_000 * percentile(one.answers[page], 0.95) for one in rounds)
        figures.append(Figure(f"{page} during the burst, 95 of 100 within", "ms", p95, bar))
        worst = tuple(1_000 * max(one.answers[page]) for one in rounds)
        figures.append(Figure(f"{page} during the burst, at worst", "ms", worst))
    for name in rounds[0].memory:
        is_ours = name != "sandbox"
        peaks = tuple(one.memory[name] for one in rounds)
        limit = Bar(MEBIBYTES, at_most=True) if is_ours else None
        figures.append(Figure(f"peak memory of {name}", "MiB", peaks, limit))
    for name in rounds[0].busy:
        each = tuple(1_000 * one.busy[name] / one.accepted for one in rounds)
        figures.append(Figure(f"processor time of {name} for each message", "ms", each))
    return figures


def _round(server: Server, counts: Plan, number: int) -> Went:
    url = server.ours("coach_burst")
    with tempfile.TemporaryDirectory(prefix="pilar-bench-") as place:
        ports = {name: free_port(None) for name in ("web", "sandbox", "sandbox-mail")}
        secret_key = new_key()
        bare = Settings(home=Path(place), database_url=SecretStr(url), secret_keys=(SecretStr(secret_key),))
        settings, (sandbox,) = with_sandbox(bare, ports)
        app_id = sandbox_keys(bare.home_path)["meta-app-id"]
        morning = settle(url, bare.home_path / STATE, counts, secret_key=secret_key, app_id=app_id)
        settle_down(url)
        progress(f"burst, round {number}: {morning.leads:,} leads in {len(morning.studios)} studios are there")
        with programs(settings, ports["web"], sandbox, counts.burst_workers, url) as running:
            cookie = signed_in(url)
            pages = {
                "the overview": "/overview",
                "a studio's page": f"/studios/{morning.studios[0]}",
                "its conversations": f"/studios/{morning.studios[0]}/conversations",
                "the queue's page": "/queue",
            }
            with Looking(f"http://{LOOPBACK}:{ports['web']}", cookie, pages) as looking:
                before = {one.name: one.busy() for one in running}
                began = ring(url, morning)
                ended = _until_all_went(url, morning, running)
                busy = {one.name: one.busy() - before[one.name] for one in running}
                folded = _count(url, _FOLDED)
            all_read = _until_all_are_read(url, morning, running)
            folded_after = _count(url, _FOLDED) - folded
            memory = {one.name: one.peak() / _MEBIBYTE_IN_KIBIBYTES for one in running if one.pid_is_ours}
        took, after = (ended - began).total_seconds(), max((all_read - ended).total_seconds(), _LOOK_SECONDS)
        went = Went(took, morning.leads, folded, folded_after, after, looking.seconds, memory, busy)
    progress(
        f"burst, round {number}: {went.accepted / took:.0f} messages/s, then {folded_after:,} statuses in {after:.3g} s"
    )
    server.drop("coach_burst")
    return went


def _until_all_went(url: str, morning: Morning, running: list[Program]) -> datetime:
    """When the provider took the last message."""
    deadline, next_word = time.monotonic() + _PATIENCE_SECONDS, time.monotonic() + _WORD_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            time.sleep(_LOOK_SECONDS)
            count, last = connection.execute(
                "select count(*), max(accepted_at) from message where accepted_at is not null"
            ).fetchone() or (0, None)
            if count == morning.leads and last is not None:
                return last  # type: ignore[no-any-return]
            for one in running:
                one.check()
            if time.monotonic() > next_word:
                progress(f"  {count:,} of {morning.leads:,} messages were taken")
                next_word += _WORD_SECONDS
            if time.monotonic() > deadline:
                states = connection.execute("select state, count(*) from message group by 1").fetchall()
                raise Failed(f"After {_PATIENCE_SECONDS:.0f} s {count} of {morning.leads} were taken: {states}")


def _until_all_are_read(url: str, morning: Morning, running: list[Program]) -> datetime:
    """When the last message was known to be read: the sandbox's people read everything."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            count, now = connection.execute(
                "select count(*) filter (where state = 'read'), clock_timestamp() from message"
            ).fetchone() or (0, None)
            if count == morning.leads and now is not None:
                return now  # type: ignore[no-any-return]
            for one in running:
                one.check()
            if time.monotonic() > deadline:
                raise Failed(f"After {_PATIENCE_SECONDS:.0f} s {count} of {morning.leads} were known to be read.")
            time.sleep(_LOOK_SECONDS)


def _count(url: str, statement: str) -> int:
    with psycopg.connect(url) as connection:
        (found,) = connection.execute(statement.encode()).fetchone() or (0,)
        return int(found)
