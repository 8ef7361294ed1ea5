"""How many webhooks become durable per second, beside plainer ways of taking them: `python -m benchmarks.ingest`.

What belongs here: which figures there are, their bars, and the run. What each side is stands in its own module.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ingest import services
from benchmarks.ingest.commits import commits
from benchmarks.ingest.plan import QUICK, Plan
from benchmarks.ingest.services import Taken
from benchmarks.queue.server import Server, durable_server, machine, settle_down
from benchmarks.report import Bar, Figure, Report, options, progress, ratios
from pilar.settings import Settings

OURS, EACH, STATEMENT = "PILAR", "a commit each", "a statement each"
VERIFIED, BARE = "nothing kept", "HTTP alone"
COMMITTERS = (1, 16)

DESCRIPTION = """Measures how many signed deliveries of WhatsApp and Stripe the web service takes per second: read,
verified, durable in PostgreSQL, answered with 200. It runs as `pilar up --web-workers 2` starts it.

It prints each figure with its bar and exits 1 when a gate falls short. A full run takes about five minutes and wants
the machine for itself."""

EPILOG = """sides:
  door      PILAR, and beside it, by the same uvicorn with the same options:
            a commit each     the same door; per delivery a pooled connection, an insert and a commit
            a statement each  the same, where the insert is a transaction by itself
            nothing kept      the same door without a database: read, verified, answered
            HTTP alone        the body is read and answered with 200: neither verified nor kept
  commits   pgbench, storing one delivery per transaction, with 1 and with 16 clients

Service, PostgreSQL and client share the machine's cores, so each figure is what all of them together can do: what
PostgreSQL and the client take is missing to the service. That is why processor time is told beside each rate."""


@dataclass(frozen=True)
class Side:
    """A service that is measured.

    Attributes:
        factory: what uvicorn serves.
        share: how many of the deliveries it gets: the slower the fewer, so that each takes seconds.
        keeps: whether its deliveries have to be in the database.
    """

    factory: str
    share: float = 1.0
    keeps: bool = False


SIDES = {
    OURS: Side(services.OURS, keeps=True),
    EACH: Side(services.COMMIT_EACH, 0.2, keeps=True),
    STATEMENT: Side(services.STATEMENT_EACH, 0.2, keeps=True),
    VERIFIED: Side(services.VERIFIED),
    BARE: Side(services.BARE, 2.0),
}


@dataclass
class Measured:
    """What the sides gave, round by round."""

    of: dict[str, list[Taken]] = field(default_factory=lambda: {name: [] for name in SIDES})

    def told(self, name: str, what: Callable[[Taken], float]) -> tuple[float, ...]:
        """One value of a side in each round."""
        return tuple(what(taken) for taken in self.of[name])


def door(server: Server, plan: Plan, _home: Path) -> list[Figure]:
    """The services, each in its turn within each round."""
    measured = Measured()
    for number in range(1, plan.rounds + 1):
        for name, side in SIDES.items():
            url = server.ours("door")
            settle_down(url)
            count = max(1, round(plan.deliveries * side.share))
            taken = services.measure(side.factory, url, count, plan, keeps=side.keeps)
            measured.of[name].append(taken)
            progress(f"round {number}: {name} {taken.rate:,.0f}/s, p99 {taken.p99 * 1e3:.0f} ms")
    return _figures(measured)


def committed(server: Server, plan: Plan, home: Path) -> list[Figure]:
    """The server alone."""
    rounds: dict[int, list[float]] = {clients: [] for clients in COMMITTERS}
    for number in range(1, plan.rounds + 1):
        for clients, found in rounds.items():
            url = server.ours("commits")
            settle_down(url)
            found.append(commits(home, url, clients, plan.commit_seconds))
            progress(f"round {number}: pgbench with {clients} {found[-1]:,.0f}/s")
    return [
        Figure(f"committed by pgbench, {clients} client{'s' * (clients > 1)}", "/s", tuple(found))
        for clients, found in rounds.items()
    ]


def _figures(measured: Measured) -> list[Figure]:
    rates = {name: measured.told(name, lambda taken: taken.rate) for name in SIDES}
    ours = rates[OURS]
    return [
        *(Figure(f"taken, {name}", "/s", rate) for name, rate in rates.items()),
        Figure(f"taken ÷ {EACH}", "×", ratios(ours, rates[EACH]), Bar(5)),
        Figure(f"taken ÷ {STATEMENT}", "×", ratios(ours, rates[STATEMENT])),
        Figure(f"taken ÷ {VERIFIED}", "×", ratios(ours, rates[VERIFIED]), Bar(0.7), note=_SAME_CORES),
        Figure(f"taken ÷ {BARE}", "×", ratios(ours, rates[BARE]), note=_SAME_CORES),
        *(Figure(f"p50, {name}", "ms", measured.told(name, lambda taken: taken.p50 * 1e3)) for name in SIDES),
        Figure(f"p99, {OURS}", "ms", measured.told(OURS, lambda taken: taken.p99 * 1e3), Bar(100, at_most=True)),
        *(
            Figure(f"p99, {name}", "ms", measured.told(name, lambda taken: taken.p99 * 1e3))
            for name in SIDES
            if name != OURS
        ),
        *(Figure(f"CPU of the service, {name}", "µs", measured.told(name, _service_cpu)) for name in SIDES),
        Figure(f"CPU of PostgreSQL, {OURS}", "µs", measured.told(OURS, lambda taken: taken.server_cpu * 1e6)),
        Figure(f"CPU of PostgreSQL, {EACH}", "µs", measured.told(EACH, lambda taken: taken.server_cpu * 1e6)),
        Figure(f"CPU of the client, {OURS}", "µs", measured.told(OURS, lambda taken: taken.client_cpu * 1e6)),
    ]


_SAME_CORES = "PostgreSQL and the client take their time from the same cores"


def _service_cpu(taken: Taken) -> float:
    return taken.service_cpu * 1e6


MEASURES: dict[str, Callable[[Server, Plan, Path], list[Figure]]] = {"door": door, "commits": committed}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    chosen = options(DESCRIPTION, names=list(MEASURES), epilog=EPILOG).parse_args(arguments)
    wanted = [name for name in MEASURES if not chosen.only or name in chosen.only]
    plan = (QUICK if chosen.quick else Plan()).scaled(chosen.scale)
    home = Settings().home_path / "bench" / "server"
    figures: list[Figure] = []
    with durable_server(home) as server:
        for name in wanted:
            progress(f"== {name}")
            figures += MEASURES[name](server, plan, home)
        context = {"machine": machine(), "server": server.settings(), "plan": vars(plan)}
    report = Report("ingest", context, not chosen.quick, figures)
    report.show(as_json=chosen.json)
    return report.exit_code


if __name__ == "__main__":
    # Ended politely, it removes its server; one that is left by a kill is removed by the next run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
