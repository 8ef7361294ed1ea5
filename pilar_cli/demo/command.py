"""`pilar demo`. What belongs here: `pilar up` with the sandbox in place of providers, and the story told on it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilar.errors import Conflict
from pilar_cli.configuration import read_settings
from pilar_cli.console import FAILED, INTERRUPTED, Json, answer, answer_json, fail, say, sentence
from pilar_cli.ports import LOOPBACK

if TYPE_CHECKING:
    from pilar.settings import Settings
    from pilar_cli.demo.display import Display
    from pilar_cli.demo.outcome import Outcome
    from pilar_cli.processes import ProcessSpec
    from pilar_cli.running import System

FOUNDER = "founder@pilar.example"


def demo(
    studios: Annotated[int, typer.Option(min=1, max=500, help="How many people pay for a studio.")] = 5,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether the warm worker runs; Dagster's sensors drain too.")
    ] = True,
    leave: Annotated[bool, typer.Option("--exit", help="End after the story; 0 only if everything happened.")] = False,
    home: Annotated[Path | None, typer.Option(help="Where its state is kept; else PILAR_HOME, else .pilar.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The web service's port.")] = None,
    as_json: Json = False,
) -> None:
    """Show the whole system at work on this machine: studios are paid for, come to life, are scored, and are seen."""
    began = time.monotonic()
    from pilar_cli.crew import Interrupted
    from pilar_cli.demo.display import Display
    from pilar_cli.demo.outcome import Outcome
    from pilar_cli.running import Plan, running, work_beside

    settings = read_settings(**({"home": home} if home else {}))
    _refuse_real_money(settings)
    outcome = Outcome(seed=secrets.randbelow(2**31), with_worker=with_worker)
    failure: BaseException | None = None
    plan = Plan("pilar demo", settings, with_worker=with_worker, web_port=port, more_ports=_sandbox_ports())
    display = Display(to_stderr=as_json)
    try:
        with running(plan, say if as_json else display.say, _with_sandbox) as system:
            told: list[str] = []

            def tell() -> None:
                with display:
                    _tell(system, display, outcome, studios, began)
                if as_json and not leave:
                    answer_json(outcome.as_json() | {"access": _access(system)})
                elif not as_json:
                    _show(outcome, _access(system), stays=not leave)
                told.append("it")
                if leave:
                    system.stop.set()

            failure = work_beside(system, tell, say if as_json else display.say)
            if told or failure:
                display.say("Stopping …")
    except Interrupted as interruption:
        failure = interruption
    _end(outcome, failure, as_json=as_json and (leave or failure is not None))


def _tell(system: System, display: Display, outcome: Outcome, count: int, began: float) -> None:
    from pilar.database.engine import Database
    from pilar_cli.demo.outside import Outside
    from pilar_cli.demo.story import Stage, Story

    url = system.settings.database_url
    if url is None:
        raise Conflict("A running system has a database.")
    database = Database(url.get_secret_value(), pool_size=2, application_name="pilar demo")
    try:
        with Outside(f"http://{LOOPBACK}:{system.ports['sandbox']}") as outside:
            stage = Stage(
                system.crew, database, outside, system.url, system.dagster_url, display, _link_maker(system), began
            )
            Story(stage, count, outcome, with_worker=outcome.with_worker).tell()
    finally:
        database.close()


def _link_maker(system: System) -> Callable[[], str]:
    def make() -> str:
        return _access(system)["sign in, once"]

    return make


def _access(system: System) -> dict[str, str]:
    """Where to go and how to get in, with a fresh one-time link."""
    from pilar.clocks import SystemClock
    from pilar.database.engine import Database
    from pilar_cli import kept
    from pilar_cli.founder import set_password, sign_in_link

    settings = system.settings
    email = settings.founder_email or FOUNDER
    password, _ = kept.secret(settings.home_path, "founder_password", lambda: secrets.token_urlsafe(12))
    now = SystemClock().now()
    url = settings.database_url
    if url is None:
        raise Conflict("A running system has a database.")
    database = Database(url.get_secret_value(), pool_size=1, application_name="pilar demo")
    try:
        link = sign_in_link(database, settings.public_url, email, "Founder", now)
        set_password(database, email, password, now)
    finally:
        database.close()
    return {
        "overview": f"{settings.public_url}/overview",
        "Dagster": f"{settings.public_url}/dagster/",
        "sandbox": f"http://{LOOPBACK}:{system.ports['sandbox']}/",
        "sign in, once": link,
        "or as": f"{email}, with founder_password of {settings.home_path / kept.SECRETS}",
    }
