"""`pilar sandbox fleet`. What belongs here: finding the running PILAR, and the options of the simulation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from pilar.errors import PilarError
from pilar_cli import kept
from pilar_cli.configuration import is_given, read_settings
from pilar_cli.console import FAILED, INTERRUPTED, Json, answer, answer_json, fail, sentence
from pilar_cli.ports import LOOPBACK
from pilar_cli.sandbox_client import Url, address

if TYPE_CHECKING:
    from pilar.settings import Settings
    from pilar_cli.demo.display import Display
    from pilar_cli.fleet.outcome import FleetOutcome
    from provider_sandbox.fleet.timeline import Timeline

SPEED = 7_200.0
"""A day in twelve seconds: fast, and slow enough for a nudge to go out within the hours in which it makes sense."""
FASTEST = 86_400.0


def fleet(
    studios: Annotated[int, typer.Option(min=1, max=10_000, help="How many studios sign up.")] = 5,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days of business time pass.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same people do the same.")] = 1,
    speed: Annotated[float, typer.Option(min=1.0, max=FASTEST, help="Business seconds for a real one.")] = SPEED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be played, and play nothing.")] = False,
    end: Annotated[
        bool, typer.Option("--end", help="Play nothing: let business time go at real pace where a run was killed.")
    ] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Let a fleet live beside the running PILAR: signups, leads, payments, affiliates, by the business clock.

    It moves the business clock of the PILAR of this home; the exit code is 0 if everything played was taken in.
    """
    from provider_sandbox.fleet.timeline import Timeline

    if dry_run:
        _tell_timeline(Timeline(seed, studios, days, _next_midnight(datetime.now(UTC))), as_json)
        return
    from pilar.database.server_files import make_home
    from pilar_cli.demo.display import Display
    from pilar_cli.fleet.alone import alone_in

    settings = read_settings()
    base = url or address()
    make_home(settings.home_path)
    if end:
        with alone_in(settings.home_path):
            _end(settings, base)
        return
    with alone_in(settings.home_path), Display(to_stderr=True) as display:
        outcome, code = _play(settings, base, (seed, studios, days, speed), display)
    if as_json:
        answer_json(outcome.as_json())
    else:
        from pilar_cli.fleet.report import print_outcome

        print_outcome(outcome)
    if outcome.failure:
        fail(outcome.failure, code)
    raise typer.Exit(0 if outcome.is_complete else FAILED)


def _play(
    settings: Settings, base: str, wanted: tuple[int, int, int, float], display: Display
) -> tuple[FleetOutcome, int]:
    """Play against the running system; what ends it early is told in the outcome, and by the exit code."""
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.crew import Interrupted, stop_signals
    from pilar_cli.databases import product_database
    from pilar_cli.demo.access import Access
    from pilar_cli.demo.clockwork import Clockwork
    from pilar_cli.demo.living import Office
    from pilar_cli.demo.outside import Outside
    from pilar_cli.fleet.outcome import FleetOutcome
    from pilar_cli.fleet.story import FleetStory
    from pilar_cli.fleet.world import RunningPilar
    from provider_sandbox.fleet.timeline import Timeline

    seed, studios, days, speed = wanted
    public_url = _web_url(settings)
    settings = settings.model_copy(update={"public_url": public_url})
    with stop_signals() as stop, product_database(settings) as database, Outside(base) as outside:
        clockwork = Clockwork(database, shared_clocks(database), outside.set_clock)
        access = Access(settings, database, urlsplit(base).port or 0)
        office = Office(public_url, access.new_link())
        world = RunningPilar(
            public_url, database, outside, clockwork, office, access.owner_link,
            lambda now: display.moment(f"{now:%A %d %B, %H:%M}"), stop,
        )  # fmt: skip
        timeline = Timeline(seed, studios, days, _next_midnight(world.now()))
        outcome = FleetOutcome(seed, studios, days, timeline.start, speed)
        display.say(f"{studios} studios live for {days} days from {timeline.start:%Y-%m-%d} on, at {speed:g} times …")
        code = FAILED
        try:
            FleetStory(timeline, world, database, outside, outcome, display.say).tell()
        except Interrupted:
            outcome.failure, code = "It was stopped before it was done.", INTERRUPTED
        except PilarError as error:
            outcome.failure = sentence(error)
        finally:
            world.close()
            office.close()
            display.clear()
    return outcome, code


def _end(settings: Settings, base: str) -> None:
    """Let business time go at the pace of real time again."""
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.databases import product_database
    from pilar_cli.demo.clockwork import Clockwork
    from pilar_cli.demo.outside import Outside

    with product_database(settings) as database, Outside(base) as outside:
        clockwork = Clockwork(database, shared_clocks(database), outside.set_clock)
        setting = clockwork.change_pace(1.0)
    answer(f"Business time goes on from {setting.business_anchor:%Y-%m-%d %H:%M} UTC at the pace of real time.")


def _tell_timeline(timeline: Timeline, as_json: bool) -> None:
    for _ in timeline.by_day():
        pass
    rows = timeline.tally.rows()
    if as_json:
        answer_json({"start": timeline.start, "planned": dict(timeline.counts), "rates": rows})
        return
    from pilar_cli.fleet.report import print_timeline

    print_timeline(timeline.counts, rows)


def _web_url(settings: Settings) -> str:
    """Where the web service of this home is reached."""
    if is_given("public_url"):
        return settings.public_url
    port = kept.read(settings.home_path / kept.PORTS).get("web")
    return f"http://{LOOPBACK}:{port}" if port else settings.public_url


def _next_midnight(moment: datetime) -> datetime:
    """The first midnight in UTC after a moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
