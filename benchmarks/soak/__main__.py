"""The running system under SIGKILL: `python -m benchmarks.soak`.

What belongs here: which figures there are, the run, and when somebody is killed. What does not: who (`victims.py`),
what goes on meanwhile (`load.py`), and what has to hold at the end (`ending.py`).
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from benchmarks.queue.server import machine
from benchmarks.report import Bar, Figure, Report, options, progress
from benchmarks.soak.ending import Ending, come_to_rest
from benchmarks.soak.load import Crowd, World, visitor, write_in
from benchmarks.soak.victims import PROGRAMS, VICTIMS, Victims
from pilar.app import App, build_app
from pilar.backplane.budget_overrides import override
from pilar.backplane.tables import budget_limit
from pilar.database.engine import Database, Scope
from pilar.database.shared_clock import shared_clocks
from pilar.errors import Transient
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.store import load_configuration, save_configuration
from pilar_cli.configuration import read_settings
from pilar_cli.crew import Interrupted
from pilar_cli.demo import figures, life
from pilar_cli.demo.command import with_sandbox
from pilar_cli.ports import LOOPBACK
from pilar_cli.running import Plan, System, running, work_beside
from pilar_cli.system import SANDBOX_PORTS

MINUTES, QUICK = 10.0, 0.5
STUDIOS = 2
CALM_SECONDS = (0.5, 3.0)
"""Between a recovery and the next kill."""
PATIENCE_SECONDS = 300.0
RECOVERED_SECONDS = 240.0
MOST_A_DAY = 100_000
_LOOK_SECONDS = 0.2

DESCRIPTION = """Runs the whole system as `pilar demo` does, with leads who write and people who pay for studios, and
kills its processes in turn at seeded moments: the web service, the worker, the sandbox, Dagster's three, a backend of
PostgreSQL and its postmaster.

At the end every delivery that was answered with 200 has to be processed, no effect lost, none repeated beyond policy,
every promise kept and nothing stuck. It exits 1 where that is not so."""

EPILOG = f"""victims, in this order, over and over, each at least once:
  {", ".join(VICTIMS)}

A recovery lasts from the kill until the process is there again and somebody who began to write at the moment of the
kill has been answered."""


@dataclass
class Soak:
    """What came of a run.

    Attributes:
        recoveries: seconds, by victim.
        never: victims after whose death nobody was answered in time.
    """

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    never: list[str] = field(default_factory=list)
    leads: int = 0
    studios: int = 0
    ending: Ending = field(default_factory=Ending)
    is_complete: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, kill, judge, print, and return the exit code."""
    parser = options(DESCRIPTION, names=VICTIMS, epilog=EPILOG)
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="M", help=f"how long, else {MINUTES:g}")
    kept = "an empty directory, kept with its logs; else one that is removed"
    parser.add_argument("--home", type=Path, metavar="DIR", help=kept)
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="decides who writes and the moments; else 1")
    chosen = parser.parse_args(arguments)
    minutes = QUICK if chosen.quick else chosen.minutes * chosen.scale
    victims = [name for name in VICTIMS if not chosen.only or name in chosen.only]
    with _home(chosen.home) as home:
        soak = run(home, victims, minutes, chosen.seed)
    report = Report("soak", {"machine": machine(), "seed": chosen.seed, "minutes": minutes}, figures=figures_of(soak))
    report.show(as_json=chosen.json)
    return report.exit_code


def run(home: Path, victims: Sequence[str], minutes: float, seed: int) -> Soak:
    """The whole run.

    Args:
        home: an empty directory for the system.
        victims: who is killed, in this order.
        minutes: how long leads write; longer where the victims have not all been killed once.
        seed: decides the moments.
    """
    soak = Soak()
    settings = read_settings(home=home)
    plan = Plan("the soak", settings, more_ports=tuple(SANDBOX_PORTS.items()))
    with running(plan, progress, with_sandbox) as on:
        failure = work_beside(on, lambda: _soak(on, soak, victims, minutes, seed), progress)
    if isinstance(failure, Exception) and not isinstance(failure, Interrupted):
        raise failure
    return soak


def _soak(on: System, soak: Soak, victims: Sequence[str], minutes: float, seed: int) -> None:
    chance = random.Random(seed)
    url = f"http://{LOOPBACK}:{on.ports['sandbox']}"
    with (
        World(url) as world,
        closing(Database(on.database_url, pool_size=8)) as database,
        closing(build_app(on.settings, database=database, clocks=shared_clocks(database))) as app,
    ):
        for number in range(STUDIOS):
            world.sign_up(visitor(number))
        _until(on, lambda: len(figures.active_studios(database)) == STUDIOS, "the first studios are active")
        on.crew.wait_ready(*(name for name in PROGRAMS if name in victims))
        _lift_limits(app, figures.active_studios(database))
        numbers = [number for number, _ in life.phone_numbers(database, figures.active_studios(database))]
        progress("The first studios are active: leads begin to write.")
        killer = Victims(on.settings.home_path, on.database_url, chance)
        with Crowd(url, numbers, seed) as crowd:
            ends = time.monotonic() + 60 * minutes
            turn = 0
            while turn < len(victims) or time.monotonic() < ends:
                on.crew.wait(chance.uniform(*CALM_SECONDS))
                _strike(on, world, crowd, killer, victims[turn % len(victims)], soak, STUDIOS + turn)
                turn += 1
        progress("Nobody writes any more; the rest is settled.")
        late = time.monotonic() + PATIENCE_SECONDS
        soak.ending = come_to_rest(app, world, on.crew.wait, lambda: time.monotonic() > late)
        soak.leads, soak.studios = len(world.leads()), len(figures.active_studios(database))
        paid = len(world.subscriptions())
        if soak.studios != paid:
            soak.ending.lost.append(f"{paid} people have paid, and {soak.studios} studios are active")
        soak.is_complete = True
    on.stop.set()


def _lift_limits(app: App, studios: Sequence[UUID]) -> None:
    """Let studios write as much as they are written to.

    By their plan and their own default they would stop at so many an hour and a day, which is as it should be and no
    failure to recover.
    """
    until = app.clocks.business.now() + timedelta(days=1)
    with app.database.transaction(Scope.fleet()) as connection:
        for studio in studios:
            version, document = load_configuration(connection, studio)
            content = document.model_dump(mode="json")
            content["operator"]["policies"]["whatsapp"]["daily_limit"] = MOST_A_DAY
            changed = StudioConfiguration.model_validate(content)
            save_configuration(
                connection, studio, changed, changed_by="system", note="the soak", now=app.clocks.business.now(),
                expected_version=version,
            )  # fmt: skip
            limits = select(budget_limit.c.resource, budget_limit.c.period).where(budget_limit.c.workspace_id == studio)
            for resource, period in connection.execute(limits).all():
                override(
                    connection, app.clocks, studio, resource, period, MOST_A_DAY, until, "system", "the soak"
                )  # fmt: skip


def _strike(on: System, world: World, crowd: Crowd, killer: Victims, name: str, soak: Soak, number: int) -> None:
    """Kill one while somebody pays and somebody writes, and wait until the latter has been answered."""
    writer = crowd.somebody("curious")
    pid = _kill(on, killer, name)
    began = time.monotonic()
    _in_spite_of_all(on, lambda: world.sign_up(visitor(number)))
    write_in(world, writer, on.stop)
    while not (_is_back(killer, name, pid) and _is_answered(world, writer.sender)):
        if time.monotonic() - began > RECOVERED_SECONDS:
            soak.never.append(name)
            progress(f"{name}: not recovered")
            return
        on.crew.wait(_LOOK_SECONDS)
    if name in PROGRAMS:
        on.crew.wait_ready(name)
    seconds = time.monotonic() - began
    soak.recoveries.setdefault(name, []).append(seconds)
    progress(f"{name}: recovered in {seconds:.1f} s")


def _kill(on: System, killer: Victims, name: str) -> int:
    """Kill one as soon as there is one: it may just be on its way back."""
    while True:
        try:
            return killer.kill(name)
        except ProcessLookupError:
            on.crew.wait(_LOOK_SECONDS)


def _is_back(killer: Victims, name: str, pid: int) -> bool:
    is_replaced = killer.pid(name) not in (None, pid)
    return is_replaced or name == "postgres-backend"


def _is_answered(world: World, number: str) -> bool:
    try:
        lead = world.lead(number)
    except Transient:
        return False
    return lead is not None and lead["received"] > 0


def _in_spite_of_all(on: System, ask: Callable[[], object]) -> None:
    """Ask the sandbox until it answers. Who pays twice, since an answer was lost, gets two studios."""
    while True:
        try:
            ask()
        except Transient:
            on.crew.wait(_LOOK_SECONDS)
        else:
            return


def _until(on: System, came_about: Callable[[], bool], what: str) -> None:
    late = time.monotonic() + PATIENCE_SECONDS
    while not came_about():
        if time.monotonic() > late:
            raise Transient(f"It took too long until: {what}.")
        on.crew.wait(_LOOK_SECONDS)


def figures_of(soak: Soak) -> list[Figure]:
    """The figures of a run."""
    none, ending = Bar(0, at_most=True), soak.ending
    wrong = {
        "deliveries answered and not processed": ending.unprocessed,
        "effects lost": ending.lost,
        "effects repeated beyond policy": ending.repeated,
        "promises broken": ending.promises,
        "things stuck": ending.stuck,
        "kills nobody recovered from": soak.never,
    }
    for name, sentences in wrong.items():
        for one in sentences:
            progress(f"{name}: {one}")
    told = [Figure("runs that came to their end", "", (int(soak.is_complete),), Bar(1))]
    told += [Figure(name, "", (len(sentences),), none) for name, sentences in wrong.items()]
    told.append(Figure("kills", "", (sum(map(len, soak.recoveries.values())) + len(soak.never),), Bar(1)))
    told.append(Figure("leads", "", (soak.leads,), Bar(1)))
    told.append(Figure("studios", "", (soak.studios,)))
    told += [Figure(f"recovery: {name}", "s", tuple(seconds)) for name, seconds in soak.recoveries.items()]
    return told


@contextmanager
def _home(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    home = Path(tempfile.mkdtemp(prefix="pilar-soak-"))
    home.chmod(0o711)  # where root runs it, the server's account has to get through
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
