"""Whatever is done to work in whatever order, each piece is in exactly one place, and the promises hold."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from pilar.backplane import cancelling, dead_letters, pauses
from pilar.backplane.drain import Drain
from pilar.backplane.facts import Concurrency
from pilar.backplane.handlers import Registry, Snooze, Work
from pilar.backplane.invariants import INVARIANTS
from pilar.backplane.notices import IncidentRequested
from pilar.backplane.work import ALIVE, Status, list_jobs
from pilar.database.engine import Scope
from pilar.errors import Conflict, Permanent, Transient
from tests.fixtures.work import START, Bench
from tests.properties import examples

ACTOR = "admin:anna"
FATES = {
    "good": None,
    "slow": Snooze(timedelta(seconds=40)),
    "weak": Transient("away"),
    "bad": Permanent("no"),
}
PAUSES: list[tuple[pauses.Dimension, str]] = [
    ("type", "test.chore"),
    ("lane", "default"),
    ("workspace", "01900000-0000-7000-8000-000000000001"),
]

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "later": {"due_at": START + timedelta(seconds=90)},
    "in turn": {"concurrency": Concurrency("one", limit=1)},
    "unique": {"unique_key": "same"},
}

which = st.integers(0, 9)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(sorted(FATES)), st.sampled_from(sorted(WAYS))),
        st.tuples(st.just("claim")),
        st.tuples(st.just("settle")),
        st.tuples(st.just("work")),
        st.tuples(st.just("wait"), st.sampled_from([1, 45, 1000])),
        st.tuples(st.just("cancel"), which),
        st.tuples(st.just("put off"), which, st.sampled_from([None, 5, 500])),
        st.tuples(st.just("requeue"), st.integers(1, 3)),
        st.tuples(st.just("discard"), st.integers(1, 3)),
        st.tuples(st.just("pause"), st.sampled_from(PAUSES), st.sampled_from([None, 60])),
        st.tuples(st.just("resume"), st.sampled_from(PAUSES)),
    ),
    min_size=5,
    max_size=25,
)


class _House:
    """A queue to which anything may be done."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.held: list[tuple[Drain, list[Any]]] = []
        self.asked = 0
        bench.registry = Registry()
        bench.registry.know_event(IncidentRequested)
        bench.on_chore(self._run)

    def do(self, step: tuple[Any, ...]) -> None:
        what, *more = step
        getattr(self, "_" + what.replace(" ", "_"))(*more)

    def _run(self, connection: Connection, work: Work[Any]) -> None:
        if error := FATES[work.content.name.split("-")[0]]:
            raise error

    def _ask(self, fate: str, way: str) -> None:
        self.asked += 1
        self.bench.ask(f"{fate}-{self.asked}", max_attempts=2, **WAYS[way])

    def _claim(self) -> None:
        drain = self.bench.drain(f"worker-{len(self.held)}", batch=2)
        drain.promote()
        self.held.append((drain, self.bench.claim(drain)))

    def _settle(self) -> None:
        """Whoever claimed first goes on, perhaps long after the lease ran out."""
        if self.held:
            drain, rows = self.held.pop(0)
            if rows:
                self.bench.run_claimed(drain, rows)

    def _work(self) -> None:
        self.bench.run()

    def _wait(self, seconds: int) -> None:
        self.bench.real.advance(timedelta(seconds=seconds))

    def _cancel(self, number: int) -> None:
        with suppress(Conflict), self.bench.database.transaction(Scope.fleet()) as connection:
            if job := self._job(connection, number):
                cancelling.cancel(connection, self.bench.clocks, job, actor=ACTOR)

    def _put_off(self, number: int, seconds: int | None) -> None:
        until = None if seconds is None else self.bench.real.now() + timedelta(seconds=seconds)
        with suppress(Conflict), self.bench.database.transaction(Scope.fleet()) as connection:
            if job := self._job(connection, number):
                cancelling.reschedule(connection, self.bench.clocks, job, until, actor=ACTOR)

    def _requeue(self, limit: int) -> None:
        with self.bench.database.transaction(Scope.fleet()) as connection:
            every = dead_letters.DeadFilter()
            dead_letters.requeue(connection, self.bench.clocks, every, actor=ACTOR, limit=limit)

    def _discard(self, limit: int) -> None:
        with self.bench.database.transaction(Scope.fleet()) as connection:
            every = dead_letters.DeadFilter()
            dead_letters.discard(connection, self.bench.clocks, every, actor=ACTOR, limit=limit)

    def _pause(self, what: tuple[pauses.Dimension, str], seconds: int | None) -> None:
        now = self.bench.real.now()
        until = None if seconds is None else now + timedelta(seconds=seconds)
        with self.bench.database.transaction(Scope.fleet()) as connection:
            pauses.pause(connection, *what, actor=ACTOR, reason="look", until=until, now=now)

    def _resume(self, what: tuple[pauses.Dimension, str]) -> None:
        with self.bench.database.transaction(Scope.fleet()) as connection:
            pauses.resume(connection, *what, actor=ACTOR, now=self.bench.real.now())

    def _job(self, connection: Connection, number: int) -> Any:
        jobs = list_jobs(connection)
        return jobs[number % len(jobs)].id if jobs else None

    def check(self) -> None:
        """Each job is in exactly one place, and what is told about it is what is there."""
        now = {"real_now": self.bench.real.now(), "business_now": self.bench.business.now()}
        with self.bench.database.transaction(Scope.fleet()) as connection:
            for invariant in INVARIANTS:
                assert connection.execute(text(invariant.query), now).all() == [], invariant.promise
            places = connection.execute(
                text(
                    "select j.id, (select count(*) from queue w where w.position = j.position) as due,"
                    " (select count(*) from scheduled w where w.position = j.position) as scheduled,"
                    " (select count(*) from parked w where w.position = j.position) as parked,"
                    " (select count(*) from dead_letter w where w.position = j.position) as dead,"
                    " (select count(*) from queue_log l where l.position = j.position"
                    "  and l.outcome in ('done', 'cancelled', 'discarded')) as ended from autopilot_job j"
                )
            ).all()
            states = {job.id: job.status for job in list_jobs(connection, limit=1_000)}
        for row in places:
            assert row.due + row.scheduled + row.parked + row.dead + row.ended == 1, row
            status = states[row.id]
            assert (status in ALIVE) == (not row.ended)
            assert (status in (Status.PENDING, Status.IN_PROGRESS)) == bool(row.due)
            assert (status is Status.FAILED) == bool(row.dead)
            assert (status is Status.PARKED) == bool(row.parked)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps)
def test_each_piece_of_work_is_in_exactly_one_place(bench: Bench, steps: list[tuple[Any, ...]]) -> None:
    with bench.database.engine.begin() as connection:
        connection.execute(
            text(
                "truncate queue, scheduled, parked, dead_letter, queue_log, unique_work, queue_pause, autopilot_job,"
                " autopilot_event, idempotency_key"
            )
        )
    house = _House(Bench(bench.database))
    for step in steps:
        house.do(step)
        house.check()
