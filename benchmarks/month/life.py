"""A month of studios by the business clock. What belongs here: making them, letting time pass, and what was found."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row
from pydantic import SecretStr

from benchmarks.coach import morning
from benchmarks.coach.plan import Plan
from benchmarks.month.expected import KINDS, Nudge, Who, nudges
from benchmarks.report import progress
from pilar.app import App, build_app
from pilar.backplane.drain import Drain
from pilar.clocks import Clocks, ManualClock
from pilar.coach.activity import refresh_coach_activity
from pilar.coach.planning import AHEAD, plan
from pilar.crypto import new_key
from pilar.database.engine import Database, Scope
from pilar.settings import Settings
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from provider_sandbox.state import FILE_NAME
from provider_sandbox.testing import running_sandbox, sandbox_config

ZONES = (
    *("Europe/Amsterdam", "Europe/London", "Europe/Lisbon", "America/New_York", "America/Los_Angeles"),
    *("America/St_Johns", "America/Santiago", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kolkata", "Asia/Tokyo"),
    "Australia/Sydney",
)
LEADS = 3
"""Of each studio: one as the studio says, one elsewhere with an hour of their own, and, by turns, one who has not
agreed or one who named an hour at which nobody is written to."""
MOST_PER_WEEK = 20
PLANNED_EVERY = timedelta(hours=6)
AT_ONCE = timedelta(minutes=2)
"""How long after its moment a nudge may go, where another to the same lead goes first or a call is tried again."""
_DAY = timedelta(days=1)
_OWN_HOUR, _TOO_EARLY = time(18, 45), time(7, 30)

_FOUND = """
select n.workspace_id, n.lead_id, n.type, n.local_day, n.due_at, n.skipped, m.state, m.attempted_at,
       m.accepted_at is not null as is_sent,
       array(select r ->> 'code' from jsonb_array_elements(m.verdict -> 'decision' -> 'reasons') r
             where m.state = 'refused') as reasons
from coach_nudge n left join message m on m.workspace_id = n.workspace_id and m.id = n.message_id
"""
_TOLD = """
select coalesce(sum(planned), 0) as planned, coalesce(sum(sent), 0) as sent, coalesce(sum(refused), 0) as refused
from analytics.coach_activity
"""


@dataclass
class Month:
    """What came of it.

    Attributes:
        planned: nudges that were planned for the span.
        sent: of these, what WhatsApp took.
        refused: the others, by reason; one with several reasons counts for each.
        wrong: what is not as the other opinion has it, in words.
        told: what the product's own report adds up to: planned, sent, refused.
        taken: messages that the sandbox took.
    """

    planned: int = 0
    sent: int = 0
    unsent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    told: tuple[int, int, int] = (0, 0, 0)
    taken: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether everything planned was sent or refused, and the product's report says the same."""
        all_ended = self.planned == self.sent + self.unsent
        return all_ended and self.told == (self.planned, self.sent, self.unsent) and self.taken == self.sent


def live(url: str, home: Path, studios: int, begins: datetime, days: int) -> Month:
    """Let studios live for some days, and hold what their leads got against what they should have got.

    Args:
        url: a database with PILAR's tables, empty.
        home: an empty directory for the sandbox.
        studios: how many; their zones go round.
        begins: business time.
        days: how many.
    """
    ends = begins + timedelta(days=days)
    coaching = CoachingConfiguration(
        enabled=True,
        schedules=tuple(CoachSchedule(type=f"coach.{one.name}", cron=one.cron) for one in KINDS),
        # Whoever named an hour of their own gets all three then, and so more than a studio gives as a rule.
        most_per_week=MOST_PER_WEEK,
    )
    config, key = sandbox_config(home), new_key()
    counts = Plan(burst_studios=studios, burst_leads=LEADS)
    morning.settle(url, home, counts, secret_key=key, app_id=None, now=begins, coaching=coaching)
    people = _placed(url)
    with running_sandbox(config) as sandbox, closing(Database(url)) as database:
        settings = Settings(
            secret_keys=(SecretStr(key),),
            meta_app_id=config.meta_app_id,
            meta_app_secret=(SecretStr(config.meta_app_secret),),
            meta_api_base=f"{sandbox.base_url}/meta",
        )
        clock = ManualClock(begins)
        with _system(settings, database, clock) as app:
            _pass_time(app, clock, url, sorted({studio for studio, _ in people}), ends)
        month = _compared(url, people, begins, ends)
        month.taken = _taken(home)
    return month


@contextmanager
def _system(settings: Settings, database: Database, clock: ManualClock) -> Iterator[App]:
    app = build_app(settings, database=database, clocks=Clocks(business=clock, real=clock))
    try:
        yield app
    finally:
        app.close()


def _placed(url: str) -> dict[tuple[UUID, UUID], Who]:
    """Put studios and leads where they are; who is who, by studio and lead."""
    people: dict[tuple[UUID, UUID], Who] = {}
    with psycopg.connect(url) as connection:
        studios = connection.execute("select workspace_id from workspace order by name").fetchall()
        for place, (studio,) in enumerate(studios):
            here, elsewhere = ZONES[place % len(ZONES)], ZONES[(place + 5) % len(ZONES)]
            connection.execute("update workspace set time_zone = %s where workspace_id = %s", (here, studio))
            leads = connection.execute("select id from lead where workspace_id = %s order by phone", (studio,))
            kinds = (
                Who(here, None, agrees=True),
                Who(elsewhere, _OWN_HOUR, agrees=True),
                Who(here, None, agrees=False) if place % 2 else Who(here, _TOO_EARLY, agrees=True),
            )
            for (lead,), who in zip(leads.fetchall(), kinds, strict=True):
                people[studio, lead] = who
                key = (studio, lead)
                connection.execute(
                    "update lead set time_zone = %s where workspace_id = %s and id = %s", (who.zone, *key)
                )
                hour = who.hour.strftime("%H:%M") if who.hour else None
                connection.execute(
                    "update coach_enrolment set time_of_day = %s where workspace_id = %s and lead_id = %s", (hour, *key)
                )
                if not who.agrees:
                    connection.execute("delete from consent where workspace_id = %s and lead_id = %s", key)
    return people


def _pass_time(app: App, clock: ManualClock, url: str, studios: Sequence[UUID], ends: datetime) -> None:
    """Let business time pass, from one moment at which something is due to the next."""
    next_plan, begins = clock.now(), clock.now()
    began, said = perf_counter(), begins
    drain = app.drain("month")
    with psycopg.connect(url, autocommit=True) as connection:
        while clock.now() < ends:
            if clock.now() >= said + _DAY:
                said += _DAY
                progress(f"day {(said - begins).days} of {(ends - begins).days}: {perf_counter() - began:.0f} s")
            if clock.now() >= next_plan:
                next_plan += PLANNED_EVERY
                with app.database.transaction(Scope.fleet()) as fleet:
                    # What would be due later is nobody's: it would be planned, and never end.
                    plan(fleet, app.clocks, studios, until=min(clock.now() + AHEAD, ends))
                with app.database.transaction(Scope.fleet()) as fleet:
                    refresh_coach_activity(fleet, app.clocks, studios)
            _drain(drain, clock, connection)
            # Nudges that are to be woken, and messages that are kept back until a moment.
            (due,) = connection.execute(
                "select min(due_at) from scheduled where business_time and due_at > %s", (clock.now(),)
            ).fetchone() or (None,)
            clock.advance(min(due or ends, next_plan, ends) - clock.now())
    drain.close()
    with app.database.transaction(Scope.fleet()) as fleet:
        refresh_coach_activity(fleet, app.clocks, studios)


def _drain(drain: Drain, clock: ManualClock, connection: psycopg.Connection[Any]) -> None:
    """Do what is due, and what is put off for seconds: of two messages to a lead the second waits for the first."""
    while True:
        drain.run_until_idle(clock.now() + _DAY)
        (soon,) = connection.execute(
            "select min(due_at) from scheduled where not business_time and due_at <= %s", (clock.now() + AT_ONCE,)
        ).fetchone() or (None,)
        if soon is None:
            return
        clock.advance(max(soon - clock.now(), timedelta(0)))


def _compared(url: str, people: Mapping[tuple[UUID, UUID], Who], begins: datetime, ends: datetime) -> Month:
    month = Month()
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        rows: list[Any] = connection.execute(_FOUND).fetchall()
        # What is due later was planned ahead, and is nobody's yet.
        ahead = sum(1 for row in rows if row.due_at >= ends)
        told: Any = connection.execute(_TOLD).fetchone()
    month.told = (int(told[0]) - ahead, int(told[1]), int(told[2])) if told else (0, 0, 0)
    found: dict[tuple[UUID, UUID, str, date], Any] = {}
    for row in rows:
        if row.due_at < ends:
            found[row.workspace_id, row.lead_id, row.type, row.local_day] = row
            _count(month, row)
    for (studio, lead), who in people.items():
        for nudge in nudges(who, begins, ends):
            row = found.pop((studio, lead, nudge.kind, nudge.day), None)
            if words := _difference(nudge, row):
                month.wrong.append(f"{who.zone} {nudge.day} {nudge.kind}: {words}")
    month.wrong += [f"{row.type} of {row.local_day} should not be" for row in found.values()]
    return month


def _count(month: Month, row: Any) -> None:
    month.planned += 1
    if row.is_sent:
        month.sent += 1
        return
    month.unsent += 1
    month.refused.update([row.skipped] if row.skipped else row.reasons or [f"state {row.state}"])


def _difference(nudge: Nudge, row: Any) -> str:
    """What is not as it should be; nothing where all is."""
    if row is None:
        return f"it was to be due at {nudge.due_at}, and was never planned"
    if row.due_at != nudge.due_at:
        return f"it was due at {row.due_at}, and should have been at {nudge.due_at}"
    if nudge.reasons:
        told = frozenset(row.reasons)
        return "" if told == nudge.reasons else f"it was refused for {sorted(told)}, not for {sorted(nudge.reasons)}"
    if not row.is_sent:
        return f"it was not sent: {row.skipped or row.state} {row.reasons}"
    is_in_time = nudge.due_at <= row.attempted_at < nudge.due_at + AT_ONCE
    return "" if is_in_time else f"it was sent at {row.attempted_at}, due at {nudge.due_at}"


def _taken(home: Path) -> int:
    """How many messages the sandbox has taken, as its own record says."""
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        (count,) = connection.execute("select count(*) from effect where kind = 'meta.message_sent'").fetchone()
        return int(count)
