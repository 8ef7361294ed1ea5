"""The story of the demonstration: studios are paid for, come to life, are scored, and are seen by the founder.

What belongs here: the order of events and how long each may take. What does not: how to sign up (`outside.py`), to
look (`figures.py`, `visit.py`), to show (`display.py`, `report.py`), and starting programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pilar.clocks import SystemClock
from pilar.database.engine import Database
from pilar.errors import Transient
from pilar_cli.crew import Crew
from pilar_cli.demo import figures, outcome
from pilar_cli.demo.display import Display
from pilar_cli.demo.figures import Studio
from pilar_cli.demo.outcome import Outcome, Waited
from pilar_cli.demo.outside import Outside
from pilar_cli.demo.studios import Visitor, visitors
from pilar_cli.demo.visit import Founder
from pilar_pipelines import launch

Answer = TypeVar("Answer")

LOOK_SECONDS = 0.25
_ASK_DAGSTER_SECONDS = 0.5
"""An answer of its GraphQL takes it tens of milliseconds of work."""
_SETTLE_SECONDS = 15.0
"""How long the last webhooks may be under way after all studios are active."""
_DAGSTER_SECONDS = 120.0
_PER_STUDIO_SECONDS = 2.0


@dataclass(frozen=True)
class Stage:
    """Where the story takes place.

    Attributes:
        crew: the programs.
        database: the product's.
        outside: the sandbox.
        url: the web service.
        dagster_url: Dagster's GraphQL door.
        display: tells how it goes.
        sign_in_link: makes a one-time link for the founder.
        began: when the command was started, on the monotonic clock.
    """

    crew: Crew
    database: Database
    outside: Outside
    url: str
    dagster_url: str
    display: Display
    sign_in_link: Callable[[], str]
    began: float


class Story:
    """Tells it once; the result is filled in as it happens, so that it is there whatever comes in between."""

    def __init__(self, stage: Stage, count: int, result: Outcome) -> None:
        self.outcome = result
        self._stage = stage
        self._people = visitors(count, result.seed)
        self._limit = (150.0 if result.with_worker else 240.0) + _PER_STUDIO_SECONDS * count
        self._signed_up: dict[str, tuple[Visitor, datetime]] = {}
        self._waits: dict[tuple[str, str], Waited] = {}
        self._studios: dict[str, Studio] = {}

    def tell(self) -> None:
        """Everything in order.

        Raises:
            Transient: something did not come about in its time.
            Interrupted: somebody wants to stop.
        """
        stage = self._stage
        self._note("web_and_worker_ready")
        deliveries = stage.outside.deliveries()
        inbox = figures.inbox_counts(stage.database)
        recorded = figures.effect_counts(stage.database)
        seen = stage.outside.effects()
        self._sign_up()
        self._see_them_grow()
        self._have_them_scored()
        self._visit()
        stage.outside.wait_idle(_SETTLE_SECONDS)
        now = stage.outside.deliveries().since(deliveries)
        self.outcome.deliveries = outcome.compare_deliveries(
            now.accepted, now.different, outcome.grown(figures.inbox_counts(stage.database), inbox)
        )
        self.outcome.effects = outcome.compare_effects(
            outcome.grown(figures.effect_counts(stage.database), recorded),
            outcome.grown(stage.outside.effects(), seen),
        )
        self._note("story_told")

    def _sign_up(self) -> None:
        clock = SystemClock()
        for person in self._people:
            moment = clock.now()
            subscription = self._stage.outside.sign_up(person)
            self._signed_up[subscription] = (person, moment)
            self.outcome.signups += 1
        self._stage.display.say(f"{self.outcome.signups} people have paid for a studio.")
        self._note("signed_up")

    def _see_them_grow(self) -> None:
        deadline = time.monotonic() + self._limit
        while True:
            self._studios = figures.studios(self._stage.database, self._signed_up.keys())
            self._observe()
            self.outcome.active = sum(studio.is_active for studio in self._studios.values())
            if self.outcome.active == len(self._signed_up):
                break
            if time.monotonic() > deadline:
                raise Transient(f"Not all studios became active within {self._limit:g} s. {self._who_is_missing()}")
            self._stage.crew.wait(LOOK_SECONDS)
        self._stage.display.clear()
        signed_up = {subscription: moment for subscription, (_, moment) in self._signed_up.items()}
        self.outcome.to_active, self.outcome.steps = outcome.times(self._studios.values(), signed_up)
        self.outcome.waits = list(self._waits.values())
        self._stage.display.say(f"All {self.outcome.active} studios are active.")
        self._note("studios_active")

    def _observe(self) -> None:
        """Show how far everybody is, and keep who waited for whom: a step forgets it once it is done."""
        far: dict[str, tuple[int, int, str]] = {}
        for subscription, (person, _) in self._signed_up.items():
            studio = self._studios.get(subscription)
            if studio is None:
                far[person.studio] = (0, 0, "paid")
                continue
            done = sum(step.completed_at is not None for step in studio.steps)
            far[person.studio] = (done, len(studio.steps), _where(studio))
            for step in studio.steps:
                key = (subscription, step.name)
                until = step.completed_at or SystemClock().now()
                if step.waits_on and step.wait_since:
                    seconds = (until - step.wait_since).total_seconds()
                    self._waits[key] = Waited(
                        person.studio, step.name, step.waits_on, step.wait_reason or "", round(seconds, 2)
                    )
        self._stage.display.advance(far)

    def _have_them_scored(self) -> None:
        """Dagster scores all studios in one run."""
        crew, url = self._stage.crew, self._stage.dagster_url
        crew.wait_ready("dagster-code", "dagster-webserver")
        self._note("dagster_ready")
        wanted = {str(one) for one in figures.active_studios(self._stage.database)}
        self._stage.display.say(f"Dagster takes {len(wanted)} studios as partitions …")
        self._until(lambda: wanted <= set(_asked(launch.partition_keys, url) or ()), "Dagster knows all studios")
        self.outcome.partitions = len(launch.partition_keys(url))
        self._note("partitions_known")
        run = launch.materialize_all_studios(url)
        self.outcome.run_id = run
        self._stage.display.say("Dagster scores the health of all of them in one run …")
        self._until(lambda: self._run_has_ended(run), "Dagster's run has ended")
        self.outcome.materialized = launch.materialized_partitions(url, launch.SCORES)
        self.outcome.failed_checks = launch.failed_checks(url)
        self._stage.display.say(
            f"The run ended with {self.outcome.run_status}: {self.outcome.materialized} studios have a score."
        )
        self._note("scored")

    def _run_has_ended(self, run: str) -> bool:
        self.outcome.run_status = _asked(lambda url: launch.run_status(url, run), self._stage.dagster_url)
        return self.outcome.run_status in launch.ENDED

    def _visit(self) -> None:
        """The founder signs in and sees it all."""
        wanted = {
            str(studio.workspace_id): self._signed_up[subscription][0].studio
            for subscription, studio in self._studios.items()
        }
        founder = Founder(self._stage.url)
        try:
            self.outcome.dagster_kept_out = founder.is_kept_out("/dagster/")
            founder.sign_in(self._stage.sign_in_link())
            seen = founder.look_for(wanted)
            self.outcome.seen_active = sum(
                workspace in seen and seen[workspace].name == name and seen[workspace].state == "active"
                for workspace, name in wanted.items()
            )
            self.outcome.dagster_behind_session = founder.follow_to_dagster() == 200
        finally:
            founder.close()
        self._stage.display.say(f"The founder has signed in and sees {self.outcome.seen_active} of them at work.")
        self._note("visited")

    def _until(self, came_about: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _DAGSTER_SECONDS
        while not came_about():
            if time.monotonic() > deadline:
                raise Transient(f"It took more than {_DAGSTER_SECONDS:g} s until: {what}.")
            self._stage.crew.wait(_ASK_DAGSTER_SECONDS)

    def _who_is_missing(self) -> str:
        missing = []
        for subscription, (person, _) in self._signed_up.items():
            studio = self._studios.get(subscription)
            if studio is None:
                missing.append(f"{person.studio}: its payment has not been noticed")
            elif not studio.is_active:
                missing.append(f"{person.studio}: {_where(studio)}")
        return "; ".join(missing) + "."

    def _note(self, turn: str) -> None:
        self.outcome.moments[turn] = round(time.monotonic() - self._stage.began, 2)


def _where(studio: Studio) -> str:
    step = studio.current
    if step is None:
        return studio.state
    title = step.name.replace("_", " ")
    if step.status == "failed":
        return f"{title} failed: {step.error}"
    return f"{title}, waits on {step.waits_on}" if step.waits_on else title


def _asked(ask: Callable[[str], Answer], url: str) -> Answer | None:
    """An answer of Dagster's, or None while it is still getting ready."""
    try:
        return ask(url)
    except Transient:
        return None
