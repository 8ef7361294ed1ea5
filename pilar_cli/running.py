"""From settings to a running system. What belongs here: the order in which `pilar up` and `pilar demo` bring it up.

Databases first, then every program at once; on the way down the programs first, then the database they use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pilar.crypto import new_key
from pilar.database.server_files import make_home
from pilar.providers.dagster.client import GRAPHQL_PATH
from pilar.settings import Settings
from pilar_cli import databases, kept, system
from pilar_cli.configuration import is_given
from pilar_cli.crew import Crew, Interrupted, stop_signals
from pilar_cli.ports import LOOPBACK, ReservedPorts
from pilar_cli.processes import ProcessSpec, Supervisor

GRACE_SECONDS = 20.0
"""A worker finishes the provider calls that it has begun: that takes a provider's time-out at most."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to run.

    Attributes:
        name: the command, as a second one is told.
        settings: as the environment gives them.
        with_worker: whether the warm worker runs; Dagster's sensors drain without it.
        with_dagster: whether Dagster runs; a benchmark does what its schedules do by business time of its own.
        web_port: the web service's, if somebody asks for one.
        web_host: the address it listens on.
        web_workers: its processes.
        more_ports: the usual ports of further programs.
    """

    name: str
    settings: Settings
    with_worker: bool = True
    with_dagster: bool = True
    web_port: int | None = None
    web_host: str = LOOPBACK
    web_workers: int = 1
    more_ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class System:
    """A system whose programs have been started."""

    settings: Settings
    database_url: str = field(repr=False)
    ports: dict[str, int]
    crew: Crew
    stop: threading.Event

    @property
    def url(self) -> str:
        """Where the web service is reached from this machine."""
        return f"http://{LOOPBACK}:{self.ports['web']}"

    @property
    def dagster_url(self) -> str:
        """Dagster's own address, without the web service before it."""
        return self.settings.dagster_url + GRAPHQL_PATH


Further = Callable[[Settings, dict[str, int]], tuple[Settings, Sequence[ProcessSpec]]]
"""Changes settings and adds programs, once ports are chosen."""


@contextmanager
def running(plan: Plan, say: Say, further: Further | None = None) -> Iterator[System]:
    """Bring a system up; when the block ends, by whatever, take everything down again.

    Raises:
        Busy: one runs in this home already.
        Interrupted: somebody wants to stop before it is up.
    """
    home = plan.settings.home_path
    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        make_home(home)
        supervisor = Supervisor(home, plan.name, grace_seconds=GRACE_SECONDS)
        left = supervisor.claim()
        stack.callback(supervisor.stop_all)
        if left:
            say(f"A former run was killed; what was left of it has been ended: {', '.join(left)}.")
        ports = _ports(plan, home, stack.enter_context(ReservedPorts()), say)
        server = stack.enter_context(databases.server_for(plan.settings))
        if server.is_embedded:
            stack.enter_context(databases.kept_running(home, say))
        stack.callback(supervisor.stop_all)
        _go_on(stop)
        say(f"Database: {'embedded PostgreSQL' if server.is_embedded else 'the server of PILAR_DATABASE_URL'}.")
        applied = databases.make_product_database(server)
        if applied:
            say(f"Migrated: {', '.join(applied)}.")
        dagster_database = databases.make_dagster_database(plan.settings, server)
        _go_on(stop)
        settings = plan.settings.model_copy(
            update={
                "home": home,
                "database_url": SecretStr(server.url),
                "dagster_database_url": SecretStr(dagster_database),
                "public_url": _public_url(plan.settings, ports["web"]),
                "dagster_url": f"http://{LOOPBACK}:{ports['dagster']}",
                "secret_keys": _secret_keys(plan.settings, home, say),
            }
        )
        settings, more = further(settings, ports) if further else (settings, ())
        dagster = system.prepare_dagster(home, dagster_database, ports["dagster-code"])
        first = [
            system.web_service(settings, ports["web"], host=plan.web_host, workers=plan.web_workers),
            *([system.worker(settings, ports["web"])] if plan.with_worker else []),
            *more,
        ]
        then = (
            system.dagster_programs(settings, dagster, ports["dagster-code"], ports["dagster"])
            if plan.with_dagster
            else []
        )
        crew = Crew(supervisor, first, then, stop)
        crew.start()
        yield System(settings, server.url, ports, crew, stop)


def work_beside(running_system: System, work: Callable[[], Any], say: Say) -> BaseException | None:
    """Watch the programs from the main thread, and once the first are ready do `work` in another one.

    Returns:
        What the work raised, if anything.

    The watch ends when the stop event is set: by a signal, by the work itself, or by what it raises.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            running_system.crew.go_on()
            work()
        except BaseException as error:
            raised.append(error)
            running_system.stop.set()

    thread = threading.Thread(target=run, name="beside")
    thread.start()
    try:
        running_system.crew.watch(say)
    finally:
        running_system.stop.set()
        thread.join()
    return raised[0] if raised else None


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Interrupted


def _ports(plan: Plan, home: Path, reserved: ReservedPorts, say: Say) -> dict[str, int]:
    usual = system.USUAL_PORTS | dict(plan.more_ports)
    wanted = {} if plan.web_port is None else {"web": plan.web_port}
    chosen = kept.choose_ports(home, reserved, usual, wanted=wanted)
    for name, (port, preferred) in chosen.items():
        if port != preferred:
            say(f"Port {preferred} is taken: {name} is on {port}.")
    return {name: port for name, (port, _) in chosen.items()}


def _public_url(settings: Settings, port: int) -> str:
    return settings.public_url if is_given("public_url") else f"http://{LOOPBACK}:{port}"


def _secret_keys(settings: Settings, home: Path, say: Say) -> tuple[SecretStr, ...]:
    if settings.secret_keys:
        return settings.secret_keys
    key, is_new = kept.secret(home, "secret_keys", new_key)
    if is_new:
        say(
            f"PILAR_SECRET_KEYS is not set: a key was made and is kept in {home / kept.SECRETS}. "
            "Keep a copy of it: without it, stored credentials can't be read."
        )
    return (SecretStr(key),)
