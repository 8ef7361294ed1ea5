"""The story of the demonstration: studios are paid for, come to life, live through a day, and are seen by the founder.

What belongs here: the order of events and how long each may take. What does not: what people do (`outside.py`,
`living.py`, `day.py`), looking (`figures.py`, `life.py`, `visit.py`), showing (`display.py`, `report.py`), and starting
programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pilar.clocks import Clocks, SystemClock
from pilar.database.engine import Database
from pilar.errors import Transient
from pilar.providers.dagster import client as dagster
from pilar.providers.dagster.client import DagsterClient
from pilar_cli.crew import Crew
from pilar_cli.demo import figures, life, outcome
from pilar_cli.demo.browser import Browser
from pilar_cli.demo.day import A_MONTH, DAY_SECONDS, UNHURRIED_DAY_SECONDS, Day
from pilar_cli.demo.display import Display
from pilar_cli.demo.figures import Studio
from pilar_cli.demo.living import Office, Owners, follow, live_a_day
from pilar_cli.demo.outcome import Outcome, Waited
from pilar_cli.demo.outside import Outside
from pilar_cli.demo.studios import Visitor, visitors
from pilar_cli.demo.visit import follow_to_dagster, is_kept_out, look_for

Answer = TypeVar("Answer")

LOOK_SECONDS = 0.25
_ASK_DAGSTER_SECONDS = 0.5
"""An answer of its GraphQL takes it tens of milliseconds of work."""
_SETTLE_SECONDS = 15.0
"""How long the last webhooks may be under way after all studios are active."""
_DAGSTER_SECONDS = 120.0
_ALL_SETTLED_SECONDS = 240.0
"""A message that was being handed over when its worker was killed is left to a status for a while."""
REFUNDED_MINOR = 2_000
"""A part of what the first studio pays each month."""
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
        clocks: the product's.
        sign_in_link: makes a one-time link for the founder.
        owner_link: makes a one-time link for a studio's owner.
        began: when the command was started, on the monotonic clock.
    """

    crew: Crew
    database: Database
    outside: Outside
    url: str
    dagster_url: str
    display: Display
    clocks: Clocks
    sign_in_link: Callable[[], str]
    owner_link: Callable[[UUID], str]
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
        with Browser(stage.url) as stranger:
            self.outcome.dagster_kept_out = is_kept_out(stranger, "/dagster/")
        office = Office(stage.url, stage.sign_in_link())
        try:
            affiliate, link = office.invite_affiliate()
            self._sign_up(follow(stage.url, link))
            self._see_them_grow()
            seconds = DAY_SECONDS if self.outcome.with_worker else UNHURRIED_DAY_SECONDS
            day = Day(stage.database, stage.outside, stage.crew, stage.clocks, seconds=seconds)
            self._let_a_month_pass(day, affiliate)
            experiment = office.start_experiment()
            self._live(day)
            self._have_it_told_in_dagster()
            self._read_life(affiliate, experiment)
            self._visit(office)
        finally:
            office.close()
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

    def _sign_up(self, click: str) -> None:
        """The first of them comes by the affiliate's link."""
        clock = SystemClock()
        for number, person in enumerate(self._people):
            moment = clock.now()
            subscription = self._stage.outside.sign_up(person, click if number == 0 else None)
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

    def _let_a_month_pass(self, day: Day, affiliate: UUID) -> None:
        """A commission is held until it has passed, and a part of the payment behind it is given back."""
        stage = self._stage
        self._until(lambda: figures.has_commission(stage.database, affiliate), "the affiliate has earned a commission")
        stage.display.say("A month passes at once, and a part of the first payment is given back.")
        day.skip(A_MONTH)
        stage.outside.refund(next(iter(self._signed_up)), REFUNDED_MINOR)
        self._until(lambda: figures.has_clawback(stage.database, affiliate), "the refund has taken its share back")
        self._note("month_passed")

    def _live(self, day: Day) -> None:
        stage = self._stage
        studios = [studio.workspace_id for studio in self._studios.values()]
        stage.display.say(f"A day passes in {day.seconds:g} seconds: leads write in, are answered and nudged …")
        owners = Owners(stage.url, stage.database, stage.owner_link, studios)
        try:
            live_a_day(
                day, stage.database, owners, studios, self.outcome.seed,
                lambda now: stage.display.moment(f"{now:%A %H:%M}"),
            )  # fmt: skip
        finally:
            owners.close()
        stage.display.clear()
        self._until(lambda: self._is_settled(studios), "all messages of the day are settled", _ALL_SETTLED_SECONDS)
        self._note("day_lived")

    def _is_settled(self, studios: list[UUID]) -> bool:
        self._stage.outside.wait_idle(_SETTLE_SECONDS)
        now = self._stage.clocks.business.now()
        life.read_messages(self._stage.database, studios, now, self.outcome.life)
        return self.outcome.life.unsettled == 0

    def _have_it_told_in_dagster(self) -> None:
        """Dagster makes everything about all studios in one run, and everything about the fleet in another."""
        self._stage.crew.wait_ready("dagster-code", "dagster-webserver")
        self._note("dagster_ready")
        with DagsterClient(self._stage.dagster_url) as asked:
            wanted = {str(one) for one in figures.active_studios(self._stage.database)}
            self._stage.display.say(f"Dagster takes {len(wanted)} studios as partitions …")
            self._until(lambda: wanted <= set(_told(asked.partition_keys) or ()), "Dagster knows all studios")
            keys = asked.partition_keys()
            self.outcome.partitions = len(keys)
            self._note("partitions_known")
            self._stage.display.say("Dagster makes every studio's figures in one run, then the fleet's …")
            self._run(asked, dagster.STUDIOS_JOB, keys)
            if self.outcome.run_status == dagster.SUCCESS:
                self._run(asked, dagster.FLEET_JOB, None)
            self.outcome.life.materialized = asked.materializations()
            self.outcome.materialized = self.outcome.life.materialized.get(dagster.SCORES, 0)
            self.outcome.failed_checks = asked.failed_checks()
        self._stage.display.say(
            f"The runs ended with {self.outcome.run_status}: {len(self.outcome.life.materialized)} assets are there."
        )
        self._note("materialized")

    def _run(self, asked: DagsterClient, job: str, keys: Sequence[str] | None) -> None:
        self.outcome.run_id = run = asked.launch(job, keys)
        self._until(lambda: self._run_has_ended(asked, run), f"Dagster's run of {job} has ended")

    def _run_has_ended(self, asked: DagsterClient, run: str) -> bool:
        told = _told(lambda: asked.run(run))
        self.outcome.run_status = told.status if told else None
        return self.outcome.run_status in dagster.ENDED

    def _read_life(self, affiliate: UUID, experiment: UUID) -> None:
        database, lived = self._stage.database, self.outcome.life
        life.read_experiment(database, experiment, lived)
        life.read_ledger(database, affiliate, lived)
        lived.written_after_stop = self._stage.outside.effects().get("meta.message_after_stop", 0)

    def _visit(self, office: Office) -> None:
        """The founder looks at it all."""
        wanted = {
            str(studio.workspace_id): self._signed_up[subscription][0].studio
            for subscription, studio in self._studios.items()
        }
        seen = look_for(office.browser, wanted)
        self.outcome.seen_active = sum(
            workspace in seen and seen[workspace].name == name and seen[workspace].state == "active"
            for workspace, name in wanted.items()
        )
        self.outcome.dagster_behind_session = follow_to_dagster(office.browser) == 200
        self._stage.display.say(f"The founder has signed in and sees {self.outcome.seen_active} of them at work.")
        self._note("visited")

    def _until(self, came_about: Callable[[], bool], what: str, seconds: float = _DAGSTER_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not came_about():
            if time.monotonic() > deadline:
                raise Transient(f"It took more than {seconds:g} s until: {what}.")
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


def _told(ask: Callable[[], Answer]) -> Answer | None:
    """An answer of Dagster's, or None while it is still getting ready."""
    try:
        return ask()
    except Transient:
        return None
