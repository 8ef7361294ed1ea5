"""What forgetting by age promises: what is finished and old goes, nothing else does, and a kill loses nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilar.backplane import audit
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.handlers import Outside
from pilar.backplane.retention import CleanedUp, Keep, clean_up
from pilar.backplane.sealing import seal
from pilar.backplane.verifying import verify
from pilar.database.engine import Database, Scope
from pilar.errors import OutcomeUnknown, Permanent
from pilar.settings import Settings
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import Bench
from tests.properties import examples

KEEP = Keep.of(Settings())
OLD = timedelta(days=401)


def _clean(bench: Bench, *, database: Database | None = None, **options: Any) -> CleanedUp:
    return clean_up(database or bench.database, bench.clocks, KEEP, **options)


def _drain(bench: Bench) -> None:
    drain = bench.drain()
    drain.run_until_idle(bench.real.now() + timedelta(hours=1))
    drain.close()


def _facts(bench: Bench) -> int:
    return int(bench.one("select (select count(*) from autopilot_job) + (select count(*) from autopilot_event)"))


def test_what_is_done_and_old_goes(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    bench.ask("a", "b")
    _drain(bench)
    bench.real.advance(OLD)
    bench.ask("young")
    _drain(bench)
    done = _clean(bench)
    assert (done.jobs, done.keys, done.is_complete) == (2, 2, True)
    assert bench.rows("select payload->>'name' from autopilot_job") == [("young",)]
    assert _clean(bench).jobs == 0


def test_what_is_not_done_stays_however_old_it_is(bench: Bench) -> None:
    def run(connection: Any, work: Any) -> None:
        if work.content.name == "dead":
            raise Permanent("no")

    bench.on_chore(run)
    bench.ask("done", "dead")
    _drain(bench)
    bench.ask("due")
    bench.ask("later", due_at=bench.real.now() + timedelta(days=1_000))
    bench.ask("parked")
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "with gone as (delete from queue where position = (select position from autopilot_job where payload->>'name' = 'parked') returning *)"
            " insert into parked (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at, held_by)"
            " select position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at, 'type:test.chore' from gone"
        )
    bench.real.advance(OLD)
    assert _clean(bench).jobs == 1
    left = bench.rows("select payload->>'name' from autopilot_job order by 1")
    assert left == [("dead",), ("due",), ("later",), ("parked",)]
    kept = bench.rows(
        "select j.payload->>'name' from idempotency_key k join autopilot_job j using (position) order by 1"
    )
    assert kept == [("due",), ("later",), ("parked",)], "the same key is still the same work"


def test_deliveries_go_earlier_with_their_bodies(bench: Bench) -> None:
    bench.registry.on_delivery("stripe", "x", Outside(lambda work: None))
    with bench.database.transaction(Scope.fleet()) as connection:
        for number in range(3):
            connection.exec_driver_sql(
                "with one as (insert into inbox (id, provider, external_id, headers, body, received_at)"
                f" values (gen_random_uuid(), 'stripe', 'e{number}', '{{}}', 'x', '{bench.real.now().isoformat()}') returning position)"
                " insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)"
                f" select position, '', 1, '00000000-0000-0000-0000-000000000000', 'stripe', 'inbox', 50, 0, 5, '{bench.real.now().isoformat()}' from one"
                + (" where false" if number == 1 else "")
            )
    bench.real.advance(timedelta(days=91))
    assert _clean(bench).deliveries == 1, "two of them still wait to be worked on"
    _drain(bench)
    assert _clean(bench).deliveries == 2


def test_settled_effects_of_kinds_that_pass_go_and_no_others(bench: Bench) -> None:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=timedelta(seconds=10))

    def cut() -> dict[str, Any]:
        raise OutcomeUnknown

    ledger.perform(Effect("test.send", "1", call=dict))
    ledger.perform(Effect("test.buy", "1", call=dict))
    with pytest.raises(OutcomeUnknown):
        ledger.perform(Effect("test.send", "2", call=cut))
    bench.real.advance(OLD)
    ledger.perform(Effect("test.send", "3", call=dict))
    assert _clean(bench, effect_kinds=["test.send"]).effects == 1
    assert bench.rows("select kind, key from effect order by 1, 2") == [
        ("test.buy", "1"),
        ("test.send", "2"),
        ("test.send", "3"),
    ]


def test_audit_entries_go_after_years_and_only_when_sealed(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        audit.record(connection, actor="system", action="a", subject="b", now=bench.real.now())
    bench.real.advance(KEEP.audit + timedelta(days=1))
    assert _clean(bench).audit_entries == 0
    seal(bench.database, bench.clocks)
    assert _clean(bench).audit_entries == 0, "its seal is young"
    bench.real.advance(KEEP.audit + timedelta(days=1))
    assert _clean(bench).audit_entries == 1
    with bench.database.transaction(Scope.fleet()) as connection:
        assert verify(connection, bench.real.now()).broken is None


def test_a_deadline_cuts_it_short_and_the_next_one_goes_on(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    bench.ask("a", "b")
    _drain(bench)
    bench.real.advance(OLD)
    cut = _clean(bench, deadline=bench.real.now())
    assert (cut.jobs, cut.is_complete) == (0, False)
    assert _clean(bench).jobs == 2


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_kill_at_any_batch_loses_nothing(bench: Bench, after_commit: bool) -> None:
    bench.on_chore(lambda connection, work: None)
    bench.ask(*map(str, range(12)))
    _drain(bench)
    bench.real.advance(OLD)
    bench.ask("due")
    for moment in range(1, 30):
        dying = MortalDatabase(bench.database.url, dies_at=moment, after_commit=after_commit)
        try:
            _clean(bench, database=dying, batch=3)
        except Killed:
            assert bench.one("select count(*) from queue") == 1
            assert bench.one("select count(*) from autopilot_job where payload->>'name' = 'due'") == 1
        finally:
            dying.close()
    assert dying.died is False, "there are more batches than moments"
    assert _clean(bench).jobs == 0
    assert _facts(bench) == 1


STATES = ("due", "scheduled", "parked", "dead", "done")


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.sampled_from(STATES), st.booleans()), max_size=25),
    batch=st.integers(1, 7),
)
def test_of_any_mixture_the_old_and_done_go_and_nothing_else(
    bench: Bench, rows: list[tuple[str, bool]], batch: int
) -> None:
    with bench.database.engine.begin() as connection:
        for table in ("queue", "scheduled", "parked", "dead_letter", "autopilot_event"):
            connection.exec_driver_sql(f"delete from {table}")
    bench.real.advance(OLD)
    old = [row for row in rows if row[1]]
    bench.tell(*(f"{bench.real.now()}:{number}" for number in range(len(old))))
    bench.real.advance(OLD)
    young = [row for row in rows if not row[1]]
    bench.tell(*(f"{bench.real.now()}:{number}" for number in range(len(young))))
    common = "position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts"
    with bench.database.engine.begin() as connection:
        positions = [
            row[0] for row in connection.exec_driver_sql("select position from autopilot_event order by position")
        ]
        for (state, _), position in zip([*old, *young], positions, strict=True):
            gone = f"with gone as (delete from queue where position = {position} returning *)"
            into = {
                "scheduled": f"insert into scheduled ({common}, due_at, business_time) select {common}, due_at, false from gone",
                "parked": f"insert into parked ({common}, due_at, held_by) select {common}, due_at, 'type:x' from gone",
                "dead": f"insert into dead_letter ({common}, error_code, error, failed_at) select {common}, 'x', 'x', due_at from gone",
                "done": "select from gone",
            }
            if state in into:
                connection.exec_driver_sql(f"{gone} {into[state]}")
    expected = sum(1 for state, _ in old if state == "done")
    assert _clean(bench, batch=batch).events == expected
    assert bench.one("select count(*) from autopilot_event") == len(rows) - expected
