"""Whether the queue stays as small as its work. What belongs here: its size while very many items go through it.

The facts and the log are meant to grow, and are dropped by age; `queue` and `scheduled` hold what is to be done and
nothing else. A share of the items fails once and waits in the schedule for its second attempt.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import psycopg

from benchmarks.queue import ours
from benchmarks.queue.plan import Plan
from benchmarks.queue.server import Server
from benchmarks.report import Bar, Figure, progress
from pilar.backplane.facts import Lane
from pilar.database.engine import Database
from pilar.draining import renewed
from pilar.errors import Transient

_FAILS_ONCE = 199
"""One of so many; a prime, so that all studios have their share: one that had all of them would be served no more than
the others, and its backlog would grow without an end.
"""
_LOOKS = 50
_BAR = Bar(1.2, at_most=True)


class Later(Transient):
    """Try this again: the benchmark wants work to come back."""

    code = "benchmark_later"


def churn(server: Server, plan: Plan) -> list[Figure]:
    """The size of the queue's tables and indexes while items go through, some of them twice."""
    url = server.ours("churn")
    portion = max(1, plan.churned // _LOOKS)
    handled = 0
    is_handled = bytearray(plan.standing + _LOOKS * portion)

    def run(_connection: Any, work: Any) -> None:
        nonlocal handled
        number = work.content.number
        if number % _FAILS_ONCE == 0 and work.attempts == 1:
            raise Later("once")
        # A neighbour's failure has it run once more.
        handled += not is_handled[number]
        is_handled[number] = True

    sizes: list[float] = []
    with closing(Database(url)) as database, closing(psycopg.connect(url, autocommit=True)) as looker:
        of = ours.studios()
        drain = ours.drain_of(database, run)
        began = time.perf_counter()
        with renewed(drain):
            try:
                ours.fill(database, of, plan.standing, plan.batch)
                for number in range(1, _LOOKS + 1):
                    ours.fill(database, of, portion, plan.batch, first=plan.standing + (number - 1) * portion)
                    while handled < number * portion:
                        drain.turn([Lane.DEFAULT])
                    sizes.append(_size(looker))
                    if number % 5 == 0:
                        progress(f"churn: {number * portion:,} items, {sizes[-1]:.3g} MiB")
            finally:
                drain.close()
        took = time.perf_counter() - began
    server.drop("churn")
    before, after = sizes[: _LOOKS // 2], sizes[_LOOKS // 2 :]
    return [
        Figure(f"queue and schedule at their largest, {plan.churned:,} churned", "MiB", (max(sizes),)),
        Figure("churned, enqueued and drained in turns", "/s", (_LOOKS * portion / took,)),
        Figure("their largest size in the second half ÷ in the first", "×", (max(after) / max(before),), _BAR),
    ]


def _size(looker: psycopg.Connection[Any]) -> float:
    found = looker.execute("select pg_total_relation_size('queue') + pg_total_relation_size('scheduled')").fetchone()
    return float(found[0]) / 2**20 if found else 0.0
