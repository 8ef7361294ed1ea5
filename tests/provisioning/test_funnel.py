"""Provisioning as numbers: each signup counted once, each step timed by business time, and what is stuck tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from pilar.backplane.breaches import find_breaches
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Kind
from pilar.backplane.handlers import Work
from pilar.backplane.locks import LockKeeper
from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.operator.provisioning_health import provisioning_health
from pilar.provisioning import channel_store, store, stuck_store, traces
from pilar.provisioning.events import AdvanceProvisioning
from pilar.provisioning.funnel import Funnel, refresh_funnel
from pilar.provisioning.invariants import INVARIANTS
from pilar.provisioning.retry import retry
from pilar.provisioning.runner import Runner
from pilar.provisioning.steps import Done, OutsideStep, Wait
from pilar.provisioning.stuck import AT_ONCE, PAUSES, REMEMBERED, Stuck, Tried, choose, try_again
from pilar.workspaces.store import upsert_integration
from pilar.workspaces.tables import subscription
from tests.fixtures.studios import add_studio

NOON = datetime(2031, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = ("customer_validation", "phone_number_purchase", "whatsapp_connection", "activation")


@dataclass
class World:
    """Signups whose steps take the business time that a test gives them, and wait for whom it says."""

    database: Database
    business: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    real: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    takes: dict[str, timedelta] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)

    @property
    def clocks(self) -> Clocks:
        return Clocks(business=self.business, real=self.real)

    def steps(self) -> Sequence[OutsideStep]:
        def run(name: str) -> Done | Wait:
            self.business.advance(self.takes.get(name, timedelta(0)))
            on: Any = self.waits.get(name)
            return Wait(on, "until they act") if on else Done({})

        return [OutsideStep(name, name.title(), lambda _job, name=name: run(name)) for name in STEPS]

    def sign_up(self) -> store.NewJob:
        identity = new_id()
        job = store.NewJob(identity, new_id(), f"sub_{identity}", "cus_1", new_id(), identity.bytes, b"")
        with self.database.transaction(Scope.fleet()) as connection:
            store.create_job(connection, job, self.steps(), self.business.now())
        return job

    def advance(self, job: store.NewJob) -> Mapping[str, Any]:
        runner = Runner(
            self.database, self.clocks, LockKeeper(self.real), self.steps(),
            lock_ttl=timedelta(seconds=5), public_url="https://pilar.test",
        )  # fmt: skip
        payload = AdvanceProvisioning(job_id=job.id)
        return runner.advance(
            Work(1, "run", Kind.JOB, new_id(), job.workspace_id, payload.type_name, payload, 1, 8, 1, new_id(),
                 self.real.now(), self.real.now())
        )  # fmt: skip

    def count(self) -> Funnel:
        with self.database.transaction(Scope.fleet()) as connection:
            return refresh_funnel(connection, self.clocks)

    def again(self, job: store.NewJob, from_step: str | None = None) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            retry(connection, self.clocks, job.workspace_id, "system", from_step=from_step)

    def put(self, job: store.NewJob, state: str) -> None:
        with self.database.transaction(Scope.fleet()) as connection:
            store.set_job(connection, job.id, {"state": state})

    def rows(self, statement: str) -> list[Any]:
        with self.database.transaction(Scope.fleet()) as connection:
            return list(connection.execute(text(statement)).all())


def test_a_day_of_signups_is_a_funnel_and_steps_are_timed_by_business_time(database: Database) -> None:
    world = World(database, takes={"phone_number_purchase": HOUR})
    prompt, slow, paying, failed, vain, gone = (world.sign_up() for _ in range(6))
    world.advance(prompt)  # takes an hour, all of it our own
    world.waits["whatsapp_connection"] = "studio"
    world.advance(slow)
    world.business.advance(2 * DAY)
    world.waits = {"customer_validation": "stripe"}
    world.advance(paying)
    world.waits = {}
    world.advance(slow)  # the owner came after two days
    for job, state in ((failed, "failed"), (vain, "expired"), (gone, "undone")):
        world.put(job, state)
    later = world.sign_up()

    found = world.count()
    assert found == Funnel(signups=7, opened=2, running=1, waiting=1, failed=1, expired=1, taken_back=1)
    assert found.uncounted == 0
    first, second = world.rows(
        "select signups, validated, with_number, connected, opened, running, waits_on_stripe, waits_on_studio, failed,"
        " expired, taken_back, open_p50 from analytics.provisioning_funnel order by day"
    )
    assert first[:11] == (6, 2, 2, 2, 2, 0, 1, 0, 1, 1, 1)
    assert first.open_p50 == (3_600 + 2 * 86_400 + 2 * 3_600) / 2
    assert second[:6] == (1, 0, 0, 0, 0, 1)
    times = {row.step: row for row in world.rows("select * from analytics.provisioning_step_time")}
    assert set(times) == {*STEPS, "all"}
    number, connection = times["phone_number_purchase"], times["whatsapp_connection"]
    assert (number.completed, number.waited, number.work_p50, number.wait_p95) == (2, 0, 3_600, 0)
    assert (connection.completed, connection.waited, connection.work_p95) == (2, 1, 0)
    assert connection.wait_p50 == 86_400  # half of two days: one waited, and one did not
    assert (times["all"].wait_p95, times["all"].total_p95) > (1.8 * 86_400, 1.8 * 86_400)

    with database.transaction(Scope.analyst()) as reading:
        health = provisioning_health(reading, world.business.now())
    assert (health.signups, health.opened, health.stuck, health.taken_back) == (7, 2, 2, 1)
    assert health.success_rate == 2 / 5
    assert [one.title for one in health.steps] == [name.title() for name in STEPS]
    assert [(one.waits_on, one.waiting, one.under_a_day) for one in health.parties] == [("stripe", 1, 1)]
    world.business.advance(4 * DAY)
    world.count()
    with database.transaction(Scope.analyst()) as reading:
        [party] = provisioning_health(reading, world.business.now()).parties
        old = provisioning_health(reading, world.business.now() + 60 * DAY)
    assert (party.under_a_day, party.under_a_week, party.oldest_at) == (0, 1, NOON + 2 * DAY + 2 * HOUR)
    assert (old.signups, old.success_rate) == (0, None)
    with database.transaction(Scope.fleet()) as connection:  # a closed studio's data is erased one day
        connection.execute(text("delete from provisioning_step where job_id = :it"), {"it": prompt.id})
    world.advance(later)
    assert world.count().opened == 3
    told = "select with_number, connected, opened from analytics.provisioning_funnel order by day"
    assert world.rows(told) == [(2, 2, 2), (1, 1, 1)]


def test_time_that_was_waited_is_added_up_whoever_it_was_for_and_begins_anew_with_a_step_that_runs_again(
    database: Database,
) -> None:
    world = World(database, waits={"whatsapp_connection": "meta"})
    job = world.sign_up()
    world.advance(job)
    world.business.advance(HOUR)
    world.waits["whatsapp_connection"] = "studio"
    world.advance(job)
    world.business.advance(2 * HOUR)
    world.advance(job)  # looks, and goes on waiting
    world.business.advance(HOUR)
    world.waits = {}
    world.advance(job)
    told = (
        "select waited_seconds, extract(epoch from ended_at - begun_at)::int from provisioning_step where name = '{}'"
    )
    assert world.rows(told.format("whatsapp_connection")) == [(4 * 3_600, 4 * 3_600)]
    world.business.advance(DAY)
    world.again(job, from_step="whatsapp_connection")
    world.advance(job)
    assert world.rows(told.format("whatsapp_connection")) == [(0, 0)]
    assert world.count().opened == 1


def test_a_number_that_was_lost_or_given_back_is_no_second_one(database: Database) -> None:
    world = World(database)
    ledger = EffectLedger(database, world.clocks, timeout=timedelta(seconds=5))
    [promise] = [one for one in INVARIANTS if one.name == "one_number_per_studio"]
    studios = [add_studio(database) for _ in range(4)]

    def have(studio: UUID, kind: str, key: str, **response: str) -> None:
        ledger.perform(Effect(kind=kind, key=key, call=lambda: response, find=lambda: None, workspace_id=studio))

    def breaches() -> set[UUID]:
        with database.transaction(Scope.fleet()) as connection:
            return {row["workspace_id"] for row in find_breaches(connection, world.clocks, promise).rows}

    for number, studio in enumerate(studios):
        for name in ("first", "second"):
            have(studio, traces.NUMBER, f"{studio}:{name}", number_sid=f"PN{number}{name}")
    have(studios[0], traces.RELEASED_NUMBER, "PN0first")
    with database.transaction(Scope.fleet()) as connection:
        upsert_integration(connection, studios[1], "twilio", now=NOON, state="closed")
        channel_store.keep_purchase(connection, studios[2], f"{studios[2]}:first", NOON.date(), NOON)
        channel_store.lose_purchase(connection, studios[2], f"{studios[2]}:first", NOON)
    assert breaches() == {studios[3]}


def test_a_paid_subscription_whose_studio_nobody_makes_is_a_breach(database: Database) -> None:
    world = World(database)
    [promise] = [one for one in INVARIANTS if one.name == "paid_subscriptions_are_served"]
    job = world.sign_up()
    left, made, open_already = add_studio(database, state="provisioning"), job.workspace_id, add_studio(database)
    add_studio(database, workspace_id=made, state="provisioning")
    paid = {
        "stripe_customer_id": "cus_1", "status": "active", "plan": "PRO", "amount_minor": 9_900, "currency": "EUR",
        "cancel_at_period_end": False, "read_at": NOON,
    }  # fmt: skip
    with database.transaction(Scope.fleet()) as connection:
        for studio in (left, made, open_already):
            values = {"workspace_id": studio, "stripe_subscription_id": f"sub_{studio}", **paid}
            connection.execute(insert(subscription).values(values))
        found = find_breaches(connection, world.clocks, promise).rows
    assert [row["workspace_id"] for row in found] == [left]


def test_what_was_tried_is_told_and_a_job_that_is_gone_keeps_no_other_waiting(database: Database) -> None:
    world = World(database)
    gone, lost, undone = new_id(), world.sign_up(), world.sign_up()
    world.put(undone, "undone")
    told = try_again(database, world.clocks, [gone, undone.workspace_id, lost.workspace_id])
    assert told == {
        str(gone): "There is no such provisioning job.",
        str(undone.workspace_id): "The signup was taken back.",
        str(lost.workspace_id): STEPS[0],
    }
    with database.transaction(Scope.fleet()) as connection:
        assert stuck_store.stuck(connection, size=10) == [], "work is under way"
    assert world.rows("select distinct actor from audit_log where action = 'provisioning.retried'") == [("system",)]


def test_what_nobody_is_at_is_found_and_what_is_waited_for_or_worked_on_is_not(database: Database) -> None:
    world = World(database, waits={"whatsapp_connection": "studio"})
    waiting, lost, failed, worked_on = (world.sign_up() for _ in range(4))
    world.advance(waiting)
    world.put(failed, "failed")
    with database.transaction(Scope.fleet()) as connection:
        retry(connection, world.clocks, worked_on.workspace_id, "system")
        found = stuck_store.stuck(connection, size=10)
        assert {(one.workspace_id, one.why) for one in found} == {
            (lost.workspace_id, "lost"), (failed.workspace_id, "failed"),
        }  # fmt: skip
        assert stuck_store.stuck(connection, size=1) == found[:1]
        assert stuck_store.overdue_waits(connection, NOON + HOUR) == 0
        assert stuck_store.overdue_waits(connection, NOON + 2 * DAY) == 1


@settings(max_examples=30)
@given(
    hours=st.lists(st.tuples(st.integers(1, 90), st.booleans()), max_size=30), why=st.sampled_from(["failed", "lost"])
)
def test_a_job_is_tried_again_after_pauses_and_so_often_only(hours: Sequence[tuple[int, bool]], why: Any) -> None:
    stuck, now, tried = Stuck(new_id(), why), NOON, dict[str, Tried]()
    tries: list[datetime] = []
    for later, is_seen in hours:
        now += timedelta(hours=later)
        chosen, tried = choose([stuck] if is_seen else [], tried, now)
        tries += [now] * len(chosen)
        assert chosen in ([], [stuck.workspace_id])
    for number in range(len(tries) - len(PAUSES[why])):
        gone = tries[number + len(PAUSES[why])] - tries[number]
        assert gone >= REMEMBERED, "tried again from the beginning only when it had not been seen for long"
    if not any(later >= REMEMBERED / HOUR / 2 for later, _ in hours) and all(seen for _, seen in hours):
        assert len(tries) <= len(PAUSES[why])


def test_a_failed_job_waits_an_hour_a_lost_one_not_at_all_and_so_many_go_at_once() -> None:
    failed, lost = Stuck(new_id(), "failed"), Stuck(new_id(), "lost")
    chosen, tried = choose([failed, lost], {}, NOON)
    assert chosen == [lost.workspace_id]
    assert choose([failed, lost], tried, NOON + HOUR)[0] == [failed.workspace_id, lost.workspace_id]
    many = [Stuck(new_id(), "lost") for _ in range(AT_ONCE + 5)]
    chosen, tried = choose(many, {}, NOON)
    assert len(chosen) == AT_ONCE
    assert choose(many, tried, NOON)[0] == [one.workspace_id for one in many[AT_ONCE:]]
