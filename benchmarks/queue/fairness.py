"""What fairness gives and what it costs. What belongs here: small workspaces beside a great one, and the price.

Without fairness the same work is all one workspace's: within a workspace the queue is first in, first out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

from benchmarks.queue import ours
from benchmarks.queue.plan import Plan
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import Bar, Figure, progress, ratios
from pilar.backplane import budgets
from pilar.backplane.drain import Drain
from pilar.backplane.facts import Lane
from pilar.clocks import Clocks, system_clocks
from pilar.database.engine import Database, Scope
from pilar.draining import renewed

_EACH = 10
"""Items of a small workspace."""
_SPENDERS = 1_000
"""Workspaces that have budgets."""
_RESOURCE = "messages"


def small(server: Server, plan: Plan) -> list[Figure]:
    """When small workspaces are served that come after somebody with a great backlog."""
    fair, fifo = [], []
    count = plan.small * _EACH
    for number in range(1, plan.rounds + 1):
        great, *others = ours.studios(1 + plan.small)
        fair.append(_served(server, plan, [great], others, count))
        fifo.append(_served(server, plan, [great], [great], count))
        progress(f"small, round {number}: {fair[-1]:.3g} s, first in first out {fifo[-1]:.3g} s")
    beside = f"{plan.small:,} small workspaces beside {plan.backlog:,}"
    return [
        Figure(f"{beside}: served within", "s", tuple(fair)),
        Figure(f"{beside}: first in, first out", "s", tuple(fifo)),
        Figure(f"{beside}: ÷ first in, first out", "×", ratios(fair, fifo), Bar(0.1, at_most=True)),
    ]


def fair(server: Server, plan: Plan) -> list[Figure]:
    """What fairness and budgets cost, for the drain as a user has it."""
    with_, without = [], []
    for number in range(1, plan.rounds + 1):
        with_.append(_drained(server, plan, ours.studios(min(_SPENDERS, plan.workspaces)), has_budgets=True))
        without.append(_drained(server, plan, ours.studios(1), has_budgets=False))
        progress(f"fair, round {number}: {with_[-1]:,.0f}/s, without {without[-1]:,.0f}/s")
    return [
        Figure("drain with fairness and budgets", "/s", tuple(with_)),
        Figure("drain without", "/s", tuple(without)),
        Figure("drain with fairness and budgets ÷ without", "×", ratios(with_, without), Bar(0.7)),
    ]


def _served(server: Server, plan: Plan, great: Sequence[UUID], others: Sequence[UUID], count: int) -> float:
    """Seconds until the last of the items is handled that came after the backlog."""
    url = server.ours("small")
    left = count

    def run(_connection: Any, work: Any) -> None:
        nonlocal left
        left -= work.content.number < count

    with closing(Database(url)) as database:
        # The backlog's numbers lie above those of the others.
        ours.fill(database, great, plan.backlog, plan.batch, first=count)
        ours.fill(database, others, count, plan.batch)
        settle_down(url)
        drain = ours.drain_of(database, run)
        return _timed(drain, lambda: left > 0)


def _drained(server: Server, plan: Plan, of: Sequence[UUID], *, has_budgets: bool) -> float:
    """Items per second, each using one of its workspace's budget for the hour and for the day."""
    url = server.ours("fair")
    clocks, spent = system_clocks(), Counter[UUID]()
    done = 0

    def run(_connection: Any, work: Any) -> None:
        nonlocal done
        done += 1
        spent[work.workspace_id] += 1

    with closing(Database(url)) as database:
        if has_budgets:
            with database.transaction(Scope.fleet()) as connection:
                for workspace in of:
                    for period in ("hour", "day"):
                        budgets.set_limit(connection, workspace, _RESOURCE, period, 1_000_000, "queue")
        ours.fill(database, of, plan.fair, plan.batch)
        settle_down(url)
        drain = ours.drain_of(database, run)

        def spend() -> None:
            if has_budgets and spent:
                _spend(database, clocks, spent)
            spent.clear()

        return plan.fair / _timed(drain, lambda: done < plan.fair, spend)


def _spend(database: Database, clocks: Clocks, spent: Mapping[UUID, int]) -> None:
    """Take a batch's use from the budgets: one transaction more than handlers need that do so in the batch's own."""
    with database.transaction(Scope.fleet()) as connection:
        shares = budgets.consume_many(connection, clocks, _RESOURCE, list(spent.items()))
    if not all(share.fits for share in shares):
        raise RuntimeError("a budget of a million is used up")


def _timed(drain: Drain, is_wanted: Callable[[], bool], after_each: Callable[[], None] = lambda: None) -> float:
    """Drain while it is wanted, leases renewed as the worker does; return the seconds."""
    with renewed(drain):
        try:
            began = time.perf_counter()
            while is_wanted():
                if not drain.step(Lane.DEFAULT):
                    raise RuntimeError("nothing is due any more, and not everything was handled")
                after_each()
            return time.perf_counter() - began
        finally:
            drain.close()
