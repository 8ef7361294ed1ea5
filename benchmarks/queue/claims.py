"""What a claim costs, however much waits. What belongs here: the claim with few due, many due, many for later.

The claim is the real one, of 500 items from 50 workspaces, and is rolled back, so that each finds the same situation;
its cursor moves on, so that each finds other rows.
"""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

from benchmarks.queue import bare, ours
from benchmarks.queue.plan import Plan
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import Bar, Figure, progress, ratios
from pilar.database.engine import Database, Scope

_BAR = Bar(2.5, at_most=True)
_LATER = timedelta(days=365)


def claim(server: Server, plan: Plan) -> list[Figure]:
    """The cost of a claim in three situations, in turns."""
    few = _situation(server, "claim_few", plan, due=plan.due)
    due = _situation(server, "claim_due", plan, due=plan.many)
    later = _situation(server, "claim_later", plan, due=plan.due, later=plan.many)
    costs: dict[str, list[float]] = {"few": [], "due": [], "later": []}
    for number in range(1, plan.rounds + 1):
        for name, url in (("few", few), ("due", due), ("later", later)):
            costs[name].append(_cost(url, plan.claims))
            progress(f"claim, round {number}: {name} {costs[name][-1]:.3g} ms")
    for name in ("claim_few", "claim_due", "claim_later"):
        server.drop(name)
    with_few = f"claim with {plan.due:,} due"
    return [
        Figure(with_few, "ms", tuple(costs["few"])),
        Figure(f"claim with {plan.many:,} due", "ms", tuple(costs["due"])),
        Figure(f"claim with {plan.many:,} for later in {plan.workspaces:,} workspaces", "ms", tuple(costs["later"])),
        Figure(f"… with {plan.many:,} due ÷ with {plan.due:,}", "×", ratios(costs["due"], costs["few"]), _BAR),
        Figure(f"… with {plan.many:,} for later ÷ without", "×", ratios(costs["later"], costs["few"]), _BAR),
    ]


def _situation(server: Server, name: str, plan: Plan, *, due: int, later: int = 0) -> str:
    progress(f"claim: {due:,} due, {later:,} for later")
    url = server.ours(name)
    with closing(Database(url)) as database:
        # As many workspaces as give a full batch where few are due; where many are, ten times as many each.
        of = ours.studios(plan.workspaces if due == plan.many else min(plan.workspaces, max(1, due // 10)))
        ours.fill(database, of, due, plan.batch)
        if later:
            ours.fill(database, ours.studios(plan.workspaces), later, plan.batch, due_at=datetime.now(UTC) + _LATER)
    settle_down(url)
    return url


def _cost(url: str, claims: int) -> float:
    """The median of some claims, in milliseconds."""
    claimer, took = bare.Claimer(), []
    with closing(Database(url)) as database:
        for number in range(claims + 2):
            with database.transaction(Scope.fleet(), settings=bare.CLAIMS_ONLY) as connection:
                began = time.perf_counter()
                rows = claimer.claim(connection)
                took.append(time.perf_counter() - began)
                connection.rollback()
            if not rows:
                raise RuntimeError(f"claim {number} found nothing")
    return statistics.median(took[2:]) * 1_000  # the first two prepare and warm up
