"""The schedule of a fleet's life. What belongs here: from a seed to every event at its moment; pure.

It is made day by day: what is held in memory is a studio's outline and the days to come of people who will write
again, however long the run is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from provider_sandbox.fleet import people, rates, studios
from provider_sandbox.fleet.chances import Chances, Tally
from provider_sandbox.fleet.people import Lead, Zone
from provider_sandbox.fleet.studios import Affiliate, Studio

MOST_DAYS = 366
MOST_STUDIOS = 10_000

_DAY = timedelta(days=1)
_READY_HOURS = 1.0
"""Nobody writes to a studio before its owner has consented and this has passed."""


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens at a moment of business time.

    Attributes:
        at: when, in UTC.
        number: its place among all, which decides where two are at once.
        kind: `affiliate_joined`, `link_visited`, `link_flooded`, `studio_signed_up`, one of `studios.MoneyKind`,
            `lead_wrote`, or `lead_` and what they write about (`again`, `stop`, `back`).
        studio: whom it is about, where it is a studio.
        affiliate: whom it is about, where it is an affiliate.
        lead: who writes.
        times: how many clicks a flood has.
    """

    at: datetime
    number: int
    kind: str = field(compare=False)
    studio: Studio | None = field(default=None, compare=False)
    affiliate: Affiliate | None = field(default=None, compare=False)
    lead: Lead | None = field(default=None, compare=False)
    times: int = field(default=1, compare=False)


@dataclass
class _Coming:
    """What is known of the days to come."""

    by_day: dict[int, list[tuple[datetime, str, dict[str, Any]]]] = field(default_factory=dict)

    def add(self, day: int, at: datetime, kind: str, **about: Any) -> None:
        self.by_day.setdefault(day, []).append((at, kind, about))


class Timeline:
    """A fleet's life; the same arguments give the same one.

    Args:
        seed: decides everything.
        studios: how many sign up, at most `MOST_STUDIOS`.
        days: how long it is, at most `MOST_DAYS`.
        start: midnight of the first day, in UTC.
    """

    def __init__(self, seed: int, studios_wanted: int, days: int, start: datetime) -> None:
        if not 1 <= studios_wanted <= MOST_STUDIOS or not 1 <= days <= MOST_DAYS:
            raise ValueError(f"A fleet has from 1 to {MOST_STUDIOS} studios and lives from 1 to {MOST_DAYS} days.")
        self.seed = seed
        self.days = days
        self.start = start.astimezone(UTC)
        self.tally = Tally()
        """What each rate has come to in the days that were made."""
        self.counts: Counter[str] = Counter()
        """Events of the days that were made, by kind."""
        self.studios_wanted = studios_wanted
        self.waiting = 0
        """Events of later days that are held in memory."""

    @property
    def ends(self) -> datetime:
        """The end of the last day."""
        return self.start + _DAY * self.days

    def by_day(self) -> Iterator[list[Event]]:
        """The events of one day after the other, each in order. To be asked once."""
        coming = _Coming()
        fleet = [self._studio(index, coming) for index in range(self.studios_wanted)]
        clubs = [self._affiliate(index, coming) for index in range(studios.affiliate_count(self.studios_wanted))]
        places: list[dict[Zone, int]] = [{} for _ in fleet]
        number = 0
        for day in range(self.days):
            for club in clubs:
                self._visits(club, day, coming)
            for studio in fleet:
                self._leads(studio, day, places[studio.index], coming)
            due = sorted(coming.by_day.pop(day, []), key=lambda one: one[0])
            events = [Event(at, number + place, kind, **about) for place, (at, kind, about) in enumerate(due)]
            number += len(events)
            self.counts.update(event.kind for event in events)
            self.waiting = sum(map(len, coming.by_day.values()))
            yield events

    def _studio(self, index: int, coming: _Coming) -> Studio:
        chances = Chances(self.tally, self.seed, "studio", index)
        studio = studios.studio(chances, index, self.studios_wanted, self.days, self.seed)
        signed_up = self._signed_up(studio)
        coming.add(self._day_of(signed_up), signed_up, "studio_signed_up", studio=studio)
        for happening in studio.happenings:
            at = signed_up + timedelta(hours=happening.after_hours)
            coming.add(self._day_of(at), at, happening.kind, studio=studio)
        return studio

    def _affiliate(self, index: int, coming: _Coming) -> Affiliate:
        chances = Chances(self.tally, self.seed, "affiliate", index)
        club = studios.affiliate(chances, index, self.days, self.seed)
        coming.add(0, self.start, "affiliate_joined", affiliate=club)
        if not club.is_honest:
            at = self.start + _DAY * club.flood_day + timedelta(hours=chances.hours(1, 23))
            times = max(chances.number(rates.FLOOD), 1)
            coming.add(club.flood_day, at, "link_flooded", affiliate=club, times=times)
        return club

    def _visits(self, club: Affiliate, day: int, coming: _Coming) -> None:
        chances = Chances(self.tally, self.seed, "visits", club.index, day)
        for _ in range(chances.number(rates.VISITORS)):
            at = self.start + _DAY * day + timedelta(hours=chances.hours(1, 24))
            coming.add(day, at, "link_visited", affiliate=club)

    def _leads(self, studio: Studio, day: int, places: dict[Zone, int], coming: _Coming) -> None:
        """Those who write to a studio for the first time on this day, with what they will write later."""
        signed_up = self._signed_up(studio)
        if studio.consents_after is None or day < self._day_of(signed_up):
            return
        opens = signed_up + timedelta(hours=studio.consents_after + _READY_HOURS)
        closes = signed_up + timedelta(hours=studio.leaves_after) if studio.leaves_after is not None else self.ends
        chances = Chances(self.tally, self.seed, "leads", studio.index, day)
        for number in range(chances.number(rates.LEADS)):
            own = Chances(self.tally, self.seed, "lead", studio.index, day, number)
            lead = people.lead(own, studio.zone, places)
            places[lead.zone] = places.get(lead.zone, 0) + 1
            wrote = self._moment(day, lead.hour, lead.zone)
            if not opens <= wrote < closes:
                continue
            coming.add(day, wrote, "lead_wrote", studio=studio, lead=lead)
            for turn in lead.turns:
                at = self._moment(day + turn.day, turn.hour, lead.zone)
                if day + turn.day < self.days and wrote < at < closes:
                    coming.add(day + turn.day, at, f"lead_{turn.topic}", studio=studio, lead=lead)

    def _signed_up(self, studio: Studio) -> datetime:
        return self._moment(studio.day, studio.hour, studio.zone)

    def _moment(self, day: int, hour: float, zone: Zone) -> datetime:
        """The moment within a day of UTC at which it is this hour in a zone."""
        midnight = self.start + _DAY * day
        local = midnight.astimezone(ZoneInfo(zone.name)).replace(hour=0, minute=0, second=0, microsecond=0)
        moment = local.astimezone(UTC) + timedelta(hours=hour)
        return midnight + (moment - midnight) % _DAY

    def _day_of(self, moment: datetime) -> int:
        return (moment - self.start) // _DAY
