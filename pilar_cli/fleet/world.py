"""A running PILAR as the place where a fleet's life is played. What belongs here: how each thing is done there.

What is played, and when, is the sandbox's (`provider_sandbox/fleet`). Affiliates are invited and leads answered on the
pages, as people do it; hours pass by the functions that Dagster's schedules call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pilar.clocks import SystemClock
from pilar.database.engine import Database
from pilar.errors import PilarError
from pilar_cli.crew import Interrupted
from pilar_cli.demo import figures, life
from pilar_cli.demo.clockwork import CLOCKS_SEEN_SECONDS, Clockwork
from pilar_cli.demo.figures import Studio
from pilar_cli.demo.living import Office, Owners, follow
from pilar_cli.demo.outside import NotPlayed, Outside
from provider_sandbox.fleet.player import Refused, Seen

_LOOK_SECONDS = 0.1
_STUDIO = "studio"
"""Who a step waits on where it is the studio's owner."""


class RunningPilar:
    """Implements `provider_sandbox.fleet.player.World`.

    Attributes:
        studios: those of the fleet that work.
    """

    def __init__(
        self,
        url: str,
        database: Database,
        outside: Outside,
        clockwork: Clockwork,
        office: Office,
        owner_link: Callable[[UUID], str],
        show: Callable[[datetime], None],
        stop: threading.Event,
    ) -> None:
        """Take the system's doors, the founder's browser, what shows a moment, and what ends it all."""
        self.studios: list[UUID] = []
        self._url = url
        self._database = database
        self._outside = outside
        self._clockwork = clockwork
        self._office = office
        self._owners = Owners(url, database, owner_link, self.studios)
        self._show = show
        self._stop = stop
        self._setting = clockwork.change_pace(1.0)
        self._next_hour: datetime | None = None

    def begin(self, start: datetime) -> None:
        """Have it be the first moment of the run."""
        self._setting = self._clockwork.set(start, 1.0)
        self._wait(CLOCKS_SEEN_SECONDS)

    def end(self) -> None:
        """Do the last hour's work, and what people still have to do."""
        self._wait(CLOCKS_SEEN_SECONDS)
        self._clockwork.tick(self.studios)
        while self._owners.answer_one():
            self._wait(0)

    def close(self) -> None:
        """Let time go on at its usual pace whatever came in between, and close the owners' browsers."""
        self._owners.close()
        if self._setting.rate != 1.0:
            self._setting = self._clockwork.change_pace(1.0)

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Ask the sandbox's control API."""
        try:
            return self._outside.ask(method, path, **request)
        except NotPlayed as error:
            raise Refused(error.message) from error

    def now(self) -> datetime:
        """Business time."""
        return self._setting.at(SystemClock().now())

    def real_seconds(self) -> float:
        """Real time."""
        return time.monotonic()

    def set_pace(self, rate: float) -> None:
        """Let business time go on at another pace."""
        self._setting = self._clockwork.change_pace(rate)

    def look(self, subscriptions: Collection[str]) -> Mapping[str, Seen]:
        """How far studios are."""
        found = figures.studios(self._database, subscriptions)
        return {subscription: self._seen(studio) for subscription, studio in found.items()}

    def invite(self, name: str, email: str) -> str:
        """Make somebody an affiliate; return the link's path."""
        return self._office.invite_affiliate(name, email)[1]

    def click(self, link: str) -> str:
        """Follow a link; return the click's id."""
        try:
            return follow(self._url, link)
        except PilarError as error:
            raise Refused(error.message) from error

    def live(self, moment: datetime, until: datetime | None) -> None:
        """Do an hour's work where one has passed, answer a lead where one waits for a person, and wait a little."""
        if self._next_hour is None or moment >= self._next_hour:
            self._clockwork.tick(self.studios)
            self._next_hour = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self._owners.answer_one()
        self._show(moment)
        seconds = _LOOK_SECONDS
        if until is not None:
            seconds = min(seconds, max((until - self.now()).total_seconds() / self._setting.rate, 0.0))
        self._wait(seconds)

    def _seen(self, studio: Studio) -> Seen:
        step = studio.current
        if not studio.is_active:
            waits = step is not None and step.waits_on == _STUDIO
            return Seen(waits_on_owner=waits, failed=step is not None and step.status == "failed")
        numbers = life.phone_numbers(self._database, [studio.workspace_id])
        if not numbers:
            return Seen()
        if studio.workspace_id not in self.studios:
            self.studios.append(studio.workspace_id)
        return Seen(number=numbers[0][0])

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Interrupted("It was stopped before it was done.")
