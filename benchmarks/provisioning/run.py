"""The run: people pay, providers misbehave, business days go by. What belongs here: what happens when.

The programs are the product's own, started as `pilar demo` starts them, without Dagster: what its schedules do on real
time is done here whenever business time has been moved, through the same functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.provisioning import counted, processes
from benchmarks.provisioning.counted import Counted
from benchmarks.provisioning.crowd import SLOWEST_HOURS, Kind, Owner, fault_rules
from benchmarks.report import progress
from benchmarks.soak.load import World
from benchmarks.story import verdict
from pilar.app import App, build_app
from pilar.database.embedded import EmbeddedServer
from pilar.database.engine import Database
from pilar.database.shared_clock import shared_clocks
from pilar.errors import Transient
from pilar.provisioning.following import follow_up
from pilar.upkeep import settle_effects
from pilar_cli.configuration import read_settings
from pilar_cli.crew import Interrupted
from pilar_cli.demo.clockwork import CLOCKS_SEEN_SECONDS, Clockwork
from pilar_cli.demo.command import with_sandbox
from pilar_cli.ports import LOOPBACK
from pilar_cli.running import Plan, System, running, work_beside
from pilar_cli.system import SANDBOX_PORTS

MORNING = datetime(2031, 3, 3, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
LAST_DAY = 16
"""The day after waits on owners are given up: fourteen days after they began, on the first day or the second."""
UNDER_WAY = 40
"""So many studios may be in the making at once: people come one after the other, and not all in one minute."""
PROVIDER_TIMEOUT = 2.0
PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.2
_SWEEP = timedelta(seconds=60)


@dataclass
class Run:
    """What came of it.

    Attributes:
        cpu: seconds of processor time, by program.
        seconds: of wall time, from the first payment to the last studio that was made on the first day.
        struck: how often faults struck.
    """

    cpu: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    struck: int = 0
    reminders: int = 0
    counted: Counted = field(default_factory=Counted)
    is_complete: bool = False


def run(home: Path, crowd: Sequence[Owner], seed: int) -> Run:
    """The whole run in an empty directory.

    Args:
        home: for the system; where root runs it, others have to get through.
        crowd: who signs up, those first whom Meta rejects.
        seed: decides which faults strike.
    """
    told = Run()
    settings = read_settings(home=home, provider_timeout_seconds=PROVIDER_TIMEOUT)
    plan = Plan("the signups", settings, with_dagster=False, more_ports=tuple(SANDBOX_PORTS.items()))
    with running(plan, progress, with_sandbox) as on:
        failure = work_beside(on, lambda: _tell(on, told, crowd, seed), progress)
    if isinstance(failure, Exception) and not isinstance(failure, Interrupted):
        raise failure
    return told


@dataclass
class _Stage:
    """What the parts of the run have in common."""

    on: System
    world: World
    app: App
    clockwork: Clockwork

    def until_quiet(self, what: str) -> None:
        """Wait until neither product nor world has anything to do before business time goes on.

        Raises:
            Transient: it takes too long.
        """
        late = time.monotonic() + PATIENCE_SECONDS
        quiet = 0
        while quiet < 2:
            idle = self.world.wait_idle(10.0)
            left = counted.restless(self.app.database)
            settle_effects(self.app)
            quiet = quiet + 1 if idle and not left else 0
            if time.monotonic() > late:
                raise Transient(f"It does not come to rest {what}: {left[:5]}")
            self.on.crew.wait(_LOOK_SECONDS)

    def wait_for(self, came_about: Callable[[], bool], what: str) -> None:
        """Wait until something is so; raise `Transient` where it takes too long."""
        late = time.monotonic() + PATIENCE_SECONDS
        while not came_about():
            if time.monotonic() > late:
                raise Transient(f"It took too long until {what}.")
            self.on.crew.wait(_LOOK_SECONDS)


def _tell(on: System, told: Run, crowd: Sequence[Owner], seed: int) -> None:
    with (
        World(f"http://{LOOPBACK}:{on.ports['sandbox']}") as world,
        closing(Database(on.database_url, pool_size=8)) as database,
        closing(build_app(on.settings, database=database, clocks=shared_clocks(database))) as app,
    ):
        stage = _Stage(on, world, app, Clockwork(database, app.clocks, world.set_clock))
        stage.clockwork.set(MORNING, 1.0)
        on.crew.wait(CLOCKS_SEEN_SECONDS)
        home, server = on.settings.home_path, EmbeddedServer(on.settings.home_path).status().pid
        before = {name: processes.cpu_seconds(home, name) for name in processes.OUR_OWN}
        before["postgres"] = processes.server_cpu_seconds(server) if server else 0.0
        outages = 1 + round(len(crowd) / 250)
        world.ask("PUT", "faults", json={"seed": seed, "rules": list(fault_rules(outages))})
        began = time.monotonic()
        _pay(stage, crowd)
        stage.until_quiet("on the first day")
        told.seconds = time.monotonic() - began
        progress(f"The first day is over after {told.seconds:.0f} s: {_so_far(app)}")
        _mend(stage)
        told.reminders = _let_days_pass(stage)
        told.cpu = {name: processes.cpu_seconds(home, name) - before[name] for name in processes.OUR_OWN}
        told.cpu["postgres"] = (processes.server_cpu_seconds(server) if server else 0.0) - before["postgres"]
        _settle(stage)
        told.struck = world.ask("DELETE", "faults")["struck"]
        comes = sum(one.kind is not Kind.NEVER for one in crowd)
        keys = [str(one["account_sid"]) for one in world.ask("GET", "objects/twilio.key")]
        told.counted = counted.count(app, len(crowd), comes, world.effects_by_key(), keys)
        told.is_complete = True
    on.stop.set()


def _pay(stage: _Stage, crowd: Sequence[Owner]) -> None:
    """Have everybody pay: those first whom Meta rejects, and then the others, some at a time."""
    rejected = [one for one in crowd if one.kind is Kind.REJECTED]
    for owner in rejected:
        stage.world.sign_up(owner.visitor)
    _reject(stage, len(rejected))
    for number, owner in enumerate(crowd[len(rejected) :], start=len(rejected) + 1):
        if owner.kind in (Kind.SLOW, Kind.NEVER):
            stage.world.ask("PUT", "owners", json={"email": owner.visitor.email, "hours": owner.hours})
        paid = number - 1
        stage.wait_for(lambda: paid - counted.at_rest(stage.app.database) < UNDER_WAY, "studios are made")  # noqa: B023
        stage.world.sign_up(owner.visitor)
        if number % 50 == 0:
            progress(f"{number} of {len(crowd)} have paid: {_so_far(stage.app)}")


def _reject(stage: _Stage, count: int) -> None:
    """Have Meta reject a template of each business that there is, under review if it still is, and the business."""
    done: set[str] = set()

    def meddle() -> bool:
        for template in stage.world.ask("GET", "objects/meta.template"):
            if template["waba"] in done or template["name"] == "number_test":  # that one is written with at once
                continue
            _decide(stage, template, "REJECTED")
            done.add(template["waba"])
        return len(done) == count

    stage.wait_for(meddle, "Meta has rejected what it was to reject")


def _mend(stage: _Stage) -> None:
    """Have the owners hand in again what was rejected, and Meta approve it."""
    for template in stage.world.ask("GET", "objects/meta.template"):
        if template["status"] == "REJECTED":
            _decide(stage, template, "APPROVED")
    stage.until_quiet("after templates were mended")


def _decide(stage: _Stage, template: dict[str, str], decision: str) -> None:
    stage.world.ask("PUT", "meta/businesses", json={"waba": template["waba"], "review": decision})
    told = {name: template[name] for name in ("waba", "name", "language")}
    stage.world.ask("POST", "meta/templates/status", json={**told, "event": decision})


def _let_days_pass(stage: _Stage) -> int:
    """Let business days go by until nobody is left who may come; how many reminders and looks there were."""
    total = 0
    slow_days = int(SLOWEST_HOURS / 24) + 1
    for day in range(1, LAST_DAY + 1):
        stage.clockwork.set(MORNING + day * A_DAY, 1.0)
        stage.on.crew.wait(CLOCKS_SEEN_SECONDS)
        stage.until_quiet(f"on day {day}")
        deadline = stage.app.clocks.real.now() + _SWEEP
        total += follow_up(stage.app.database, stage.app.clocks, deadline=deadline).total
        stage.until_quiet(f"on day {day}, after what is due was followed up")
        if day == slow_days:
            progress(f"Day {day}: {_so_far(stage.app)}")
    progress(f"Day {LAST_DAY}: {_so_far(stage.app)}")
    return total


def _settle(stage: _Stage) -> None:
    """Wait until effects in doubt have been looked for, which begins two minutes after they were tried."""
    late = time.monotonic() + PATIENCE_SECONDS
    while verdict.stuck(stage.app) and time.monotonic() < late:
        settle_effects(stage.app)
        stage.on.crew.wait(1.0)


def _so_far(app: App) -> str:
    found = counted.ends(app.database)
    return f"{sum(one.is_active for one in found)} of {len(found)} studios are active"
