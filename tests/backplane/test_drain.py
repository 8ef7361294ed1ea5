"""What the drain promises: nothing is lost, done twice, or held up by its neighbours."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from pilar.backplane import store, sweeping
from pilar.backplane.backlog import dead_letters, waiting
from pilar.backplane.facts import PORTION, Cause, Job, Lane, enqueue
from pilar.backplane.handlers import Delivery, Outside, Snooze, Transactional, Work
from pilar.backplane.inbox import InboxWriter, NewDelivery
from pilar.backplane.notices import IncidentRequested
from pilar.backplane.retention import Keep, clean_up
from pilar.database.engine import Scope
from pilar.errors import Permanent, Transient
from pilar.health.incidents import IncidentKeeper, list_incidents
from pilar.ids import new_id
from pilar.settings import Settings
from tests.backplane.ran import count, counted, note, ran
from tests.fixtures.work import Bench, Chore, Happened


def test_work_is_done_once_logged_and_gone(bench: Bench) -> None:
    bench.on_chore(note)
    bench.ask("a", "b")
    assert bench.run() == 2
    assert bench.run() == 0
    assert ran(bench) == ["a", "b"]
    assert bench.one("select count(*) from queue") == 0
    assert bench.rows("select outcome, attempts from queue_log") == [("done", 1), ("done", 1)]


def test_the_same_key_is_the_same_job_even_within_one_batch(bench: Bench) -> None:
    assert bench.ask("a", "b", "a") == 2
    assert bench.ask("b", "c") == 1
    assert bench.one("select count(*) from autopilot_job") == 3


def test_the_same_key_in_another_studio_is_another_job(bench: Bench) -> None:
    assert bench.ask("a", workspace_id=new_id()) + bench.ask("a", workspace_id=new_id()) + bench.ask("a") == 3


def test_facts_keep_the_order_they_were_recorded_in(bench: Bench) -> None:
    bench.tell("z", "m", "a")
    assert [row[0] for row in bench.rows("select aggregate_id from autopilot_event order by position")] == [
        "z",
        "m",
        "a",
    ]


def test_a_failing_transaction_leaves_no_work_behind(bench: Bench) -> None:
    with pytest.raises(RuntimeError), bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("select 1"))
        raise RuntimeError
    assert bench.one("select count(*) from queue") == 0


def test_one_poison_item_does_not_stop_its_batch(bench: Bench) -> None:
    def run(connection: Connection, work: Work[Any]) -> None:
        note(connection, work)
        if work.content.name == "poison":
            connection.execute(text("select 1/0"))

    bench.on_chore(run)
    bench.ask("a", "poison", "b")
    bench.run()
    assert ran(bench) == ["a", "b"], "what the poison item wrote is undone, what its neighbours wrote is not"
    assert bench.one("select attempts from scheduled") == 1


def test_what_may_succeed_later_is_tried_again_after_a_growing_delay_and_then_buried(bench: Bench) -> None:
    bench.registry.on_event(IncidentRequested, "health", Transactional(IncidentKeeper(bench.clocks).on_request))
    bench.on_chore(lambda connection, work: _raise(Transient("the provider is away")))
    bench.ask("a", max_attempts=3)
    delays = []
    for _ in range(2):
        assert bench.run() == 1
        assert bench.run() == 0, "not before its time"
        delays.append(bench.one("select due_at from scheduled") - bench.real.now())
        bench.real.advance(delays[-1])
    assert delays[0] <= timedelta(seconds=1) < delays[1] <= timedelta(seconds=2) or delays[0] < delays[1]
    assert bench.run() == 1
    with bench.database.transaction(Scope.fleet()) as connection:
        assert dead_letters(connection) == 1
    bench.run()
    with bench.database.transaction(Scope.fleet()) as connection:
        (found,) = list_incidents(connection)
    assert "test.chore" in found.title
    assert found.description == "the provider is away"


def test_a_provider_that_asks_for_patience_gets_it(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: _raise(Transient(retry_after=timedelta(minutes=7))))
    bench.ask("a")
    bench.run()
    assert bench.one("select due_at from scheduled") == bench.real.now() + timedelta(minutes=7)


def test_what_cannot_succeed_is_buried_at_once(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: _raise(Permanent("no such template; ask anna@example.com")))
    bench.ask("a")
    bench.run()
    assert bench.rows("select error_code, error, attempts from dead_letter") == [
        ("permanent", "no such template; ask a…@example.com", 1)
    ]


def test_snoozing_counts_no_attempt(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: _raise(Snooze(timedelta(minutes=1))))
    bench.ask("a", max_attempts=1)
    for _ in range(3):
        bench.run()
        bench.real.advance(timedelta(minutes=1))
    assert bench.one("select attempts from scheduled") == 0


def test_unknown_work_is_buried_with_a_reason(bench: Bench) -> None:
    bench.ask("a")
    bench.run()
    code, error = bench.rows("select error_code, error from dead_letter")[0]
    assert code == "unknown_type"
    assert "test.chore" in error


def test_each_handler_of_an_event_retries_on_its_own(bench: Bench) -> None:
    attempts: list[int] = []

    def first(connection: Connection, work: Work[Happened]) -> None:
        count(connection, "first")

    def second(connection: Connection, work: Work[Happened]) -> None:
        attempts.append(work.attempts)
        count(connection, "second")
        if work.attempts == 1:
            raise Transient

    bench.registry.on_event(Happened, "first", Transactional(first))
    bench.registry.on_event(Happened, "second", Transactional(second))
    bench.tell("a")
    for _ in range(4):
        bench.run()
        bench.real.advance(timedelta(minutes=1))
    assert attempts == [1, 2]
    assert counted(bench) == {"first": 1, "second": 1}
    assert bench.one("select count(*) from queue") == 0


def test_each_handler_of_a_delivery_retries_on_its_own(bench: Bench) -> None:
    def handler(name: str) -> Transactional:
        def run(connection: Connection, work: Work[Delivery]) -> None:
            count(connection, f"{name}:{work.content.external_id}")
            if name == "money" and work.attempts == 1:
                raise Transient

        return Transactional(run)

    bench.registry.on_delivery("stripe", "signup", handler("signup"))
    bench.registry.on_delivery("stripe", "money", handler("money"))
    bench.registry.on_delivery("twilio", "codes", handler("codes"))
    with pytest.raises(ValueError, match="named signup already"):
        bench.registry.on_delivery("stripe", "signup", handler("signup"))

    async def arrive() -> None:
        writer = InboxWriter(bench.database.url)
        writer.start()
        for provider, external_id in (("stripe", "evt_1"), ("twilio", "sms_1")):
            await writer.put(NewDelivery(provider, external_id, b"{}", received_at=bench.real.now()))
        await writer.stop()

    asyncio.run(arrive())
    for _ in range(4):
        bench.run(lane=Lane.INBOX)
        bench.real.advance(timedelta(minutes=1))
    assert counted(bench) == {"signup:evt_1": 1, "money:evt_1": 1, "codes:sms_1": 1}
    assert bench.one("select count(*) from queue") == 0
    assert bench.rows("select type, handler, outcome from queue_log order by type, finished_at, handler") == [
        ("stripe", "", "fanned_out"),
        ("stripe", "money", "retry"),
        ("stripe", "signup", "done"),
        ("stripe", "money", "done"),
        ("twilio", "", "done"),
    ]


def test_an_event_nobody_waits_for_is_kept_and_done(bench: Bench) -> None:
    bench.registry.know_event(Happened)
    bench.tell("a")
    bench.run()
    assert bench.one("select count(*) from queue") == 0
    assert bench.one("select count(*) from autopilot_event") == 1


def test_work_for_later_waits_for_the_clock_it_was_planned_by(bench: Bench) -> None:
    bench.on_chore(note)
    bench.ask("business", due_at=bench.business.now() + timedelta(hours=1), business_time=True)
    bench.ask("real", due_at=bench.real.now() + timedelta(hours=1))
    assert bench.run() == 0
    bench.business.advance(timedelta(hours=1))
    bench.run()
    assert ran(bench) == ["business"]
    bench.real.advance(timedelta(hours=1))
    bench.run()
    assert ran(bench) == ["business", "real"]


def test_workers_at_once_do_each_piece_once(bench: Bench) -> None:
    bench.on_chore(note)
    for studio in range(20):
        bench.ask(*(f"{studio}-{number}" for number in range(50)), workspace_id=new_id())
    together = threading.Barrier(4)

    def work(number: int) -> None:
        drain = bench.drain(f"worker-{number}", batch=40)
        together.wait()
        while drain.step(Lane.DEFAULT):
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran(bench)) == 1000, "a second run of the same piece would have broken the table's key"
    assert bench.one("select count(*) from queue_log where outcome = 'done' and attempts = 1") == 1000


def test_outside_work_runs_without_a_transaction_and_settles_by_itself(bench: Bench) -> None:
    seen: list[str] = []
    bench.on_chore(lambda work: seen.append(work.content.name) or {"said": "call +31612345678"}, outside=True)
    bench.ask("a", "b", "c")
    bench.run()
    assert sorted(seen) == ["a", "b", "c"]
    assert {row[0]["said"] for row in bench.rows("select result from queue_log")} == {"call …78"}


def test_a_studio_with_much_work_does_not_delay_one_with_little(bench: Bench) -> None:
    order: list[str] = []
    bench.on_chore(lambda connection, work: order.append(work.content.name))
    bench.ask(*(f"big-{number}" for number in range(500)), workspace_id=new_id())
    for studio in range(5):
        bench.ask(f"small-{studio}", workspace_id=new_id())
    drain = bench.drain(batch=100)
    drain.step(Lane.DEFAULT)
    assert {name for name in order if name.startswith("small")} == {f"small-{studio}" for studio in range(5)}
    while drain.step(Lane.DEFAULT):
        pass
    assert len(order) == len(set(order)) == 505


def test_the_walk_reaches_every_studio(bench: Bench) -> None:
    """More studios than one claim visits, with the first ones' work leased by somebody else."""
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    for studio in range(130):
        bench.ask(f"studio-{studio}", workspace_id=new_id())
    bench.claim(bench.drain("slow", batch=50))
    drain = bench.drain("quick", batch=50)
    for _ in range(4):
        drain.step(Lane.DEFAULT)
    assert len(done) == 80


def test_priority_decides_within_a_studio(bench: Bench) -> None:
    order: list[str] = []
    bench.on_chore(lambda connection, work: order.append(work.content.name))
    bench.ask("later", priority=1)
    bench.ask("first", priority=9)
    drain = bench.drain(batch=1)
    drain.step(Lane.DEFAULT)
    assert order == ["first"]


def test_sensors_leave_fresh_work_to_a_living_worker(bench: Bench) -> None:
    bench.ask("a")
    with bench.database.transaction(Scope.fleet()) as connection:
        assert waiting(connection, bench.real.now(), for_at_least=timedelta(seconds=5)) == []
        later = bench.real.now() + timedelta(seconds=5)
        (lane,) = waiting(connection, later, for_at_least=timedelta(seconds=5))
    assert (lane.lane, lane.count) == ("default", 1)


def test_two_handlers_of_one_name_are_refused(bench: Bench) -> None:
    bench.registry.on_event(Happened, "same", Outside(lambda work: None))
    with pytest.raises(ValueError, match="same"):
        bench.registry.on_event(Happened, "same", Outside(lambda work: None))


def test_the_log_is_partitioned_ahead_and_dropped_by_age(bench: Bench) -> None:
    first = clean_up(bench.database, bench.clocks, Keep.of(Settings()))
    assert first.partitions_made == 8
    bench.real.advance(timedelta(days=40))
    later = clean_up(bench.database, bench.clocks, Keep.of(Settings()))
    assert later.partitions_dropped == 8, "those of the days that are past their time"


def _raise(error: Exception) -> None:
    raise error


def test_a_batch_is_never_larger_than_was_asked_for(bench: Bench) -> None:
    bench.on_chore(note)
    for studio in range(20):
        bench.ask(*(f"{studio}-{number}" for number in range(30)), workspace_id=new_id())
    assert len(bench.claim(bench.drain(batch=100))) == 100


@pytest.mark.parametrize("count", [3, 60, 100])
def test_studios_that_all_have_more_than_they_are_given_are_served_alike(bench: Bench, count: int) -> None:
    bench.on_chore(note)
    for studio in [new_id() for _ in range(count)]:
        bench.ask(*map(str, range(3_000 // count)), workspace_id=studio)
    drain = bench.drain(batch=100)
    served = Counter(row.workspace_id for _ in range(20) for row in bench.claim(drain))
    assert served.total() >= 1_500
    assert len(served) == count
    assert max(served.values()) <= 1.5 * min(served.values()), served


def test_a_glance_names_the_lanes_that_hold_work_and_no_other(bench: Bench) -> None:
    bench.ask("a", lane=Lane.BULK)
    bench.ask("later", due_at=bench.real.now() + timedelta(hours=1))

    def glance() -> store.Glance:
        with bench.database.transaction(Scope.fleet()) as connection:
            return store.glance(connection, list(Lane), business_now=bench.business.now(), real_now=bench.real.now())

    assert glance() == store.Glance(frozenset({"bulk"}), later=False, parked=False)
    bench.real.advance(timedelta(hours=1))
    assert glance() == store.Glance(frozenset({"bulk"}), later=True, parked=False)


def test_a_queue_that_much_has_gone_through_is_vacuumed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.on_chore(note)
    vacuumed = "select vacuum_count from pg_stat_user_tables where relname = 'queue'"
    before = bench.one(vacuumed)
    monkeypatch.setattr(sweeping, "AFTER", 10)
    drain = bench.drain()
    bench.ask(*map(str, range(9)))
    drain.step(Lane.DEFAULT)
    assert bench.one(vacuumed) == before, "not for a few"
    bench.ask("one more")
    drain.step(Lane.DEFAULT)
    drain.close()
    assert bench.one(vacuumed) == before + 1


def test_a_great_many_jobs_are_taken_in_by_portions_each_once(bench: Bench) -> None:
    names = [str(number) for number in range(2 * PORTION + 1)]
    jobs = (Job(payload=Chore(name=name), key=name, unique_key=name[:3] or None) for name in [*names, names[0]])
    with bench.database.transaction(Scope.fleet()) as connection:
        unique = enqueue(connection, bench.clocks, jobs, Cause.new())
    assert unique == len({name[:3] for name in names})
    assert bench.ask(*names, names[0]) == len(names) - unique
    assert bench.one("select count(distinct payload ->> 'name') from autopilot_job") == len(names)
