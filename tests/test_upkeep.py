"""What the worker keeps in order when there is no Dagster."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from pilar import upkeep
from pilar.app import App, build_app
from pilar.backplane import audit, budgets, locks, retention
from pilar.backplane.effects import Effect, EffectLedger
from pilar.clocks import Clocks, ManualClock
from pilar.crypto import new_key
from pilar.database.engine import Database, Scope
from pilar.errors import OutcomeUnknown, Transient
from pilar.settings import Settings
from pilar.upkeep import CHORES, Chore, Upkeep, kept_up
from pilar.worker import Worker
from tests.fixtures.studios import add_studio
from tests.fixtures.system import Killed, MortalDatabase

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def real() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def clocks(real: ManualClock) -> Clocks:
    return Clocks(business=ManualClock(NOON), real=real)


def app(database: Database, clocks: Clocks) -> App:
    return build_app(Settings(secret_keys=new_key()), database=database, clocks=clocks)


def keys(database: Database) -> set[str]:
    with database.transaction(Scope.fleet()) as connection:
        return set(connection.exec_driver_sql("select key from distributed_lock").scalars())


def lock(database: Database, key: str, now: datetime, ttl: timedelta) -> None:
    with database.transaction(Scope.fleet()) as connection:
        assert locks.acquire(connection, key, holder="me", ttl=ttl, now=now)


def test_locks_and_reservations_expire_without_dagster(database: Database, clocks: Clocks, real: ManualClock) -> None:
    studio = add_studio(database)
    lock(database, "short", NOON, timedelta(minutes=1))
    lock(database, "long", NOON, timedelta(hours=1))
    with database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, "messages", "day", 10, "queue")
        budgets.reserve(connection, clocks, studio, "messages", 4, expires_in=timedelta(minutes=1))
    keeper = Upkeep(app(database, clocks), CHORES[:2])
    assert keeper.turn() == {"remove expired locks": 0, "give back reservations": 0}
    real.advance(timedelta(minutes=1))
    assert keeper.turn() == {"give back reservations": 1}
    real.advance(timedelta(minutes=4))
    assert keeper.turn() == {"remove expired locks": 1, "give back reservations": 0}
    assert keys(database) == {"long"}
    assert keeper.turn() == {}


def test_the_nightly_clean_up_is_done_once_a_day_among_all_workers(
    database: Database, clocks: Clocks, real: ManualClock
) -> None:
    one, other = Upkeep(app(database, clocks)), Upkeep(app(database, clocks))
    assert (one.turn()["clean up"], other.turn()["clean up"]) == (1, 0)
    for hour in range(23):
        real.advance(timedelta(hours=1))
        keeper = (one, other)[hour % 2]
        assert keeper.turn()["clean up"] == 0
    real.advance(timedelta(hours=1))
    assert (one.turn()["clean up"], other.turn()["clean up"]) == (1, 0)


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_who_is_killed_while_cleaning_leaves_the_day_to_another_within_the_hour(
    dies_at: int, database: Database, clocks: Clocks, real: ManualClock
) -> None:
    mortal = MortalDatabase(database.url, dies_at=dies_at, after_commit=True)
    with pytest.raises(Killed):
        Upkeep(app(mortal, clocks), CHORES[-1:]).turn()
    mortal.close()
    other = Upkeep(app(database, clocks), CHORES[-1:])
    assert other.turn()["clean up"] == 0
    real.advance(timedelta(hours=1))
    assert other.turn()["clean up"] == 1


def test_a_clean_up_that_came_to_no_end_in_time_goes_on_within_the_hour(
    database: Database, clocks: Clocks, real: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Upkeep(app(database, clocks), CHORES[-1:])
    with monkeypatch.context() as hurried:
        hurried.setattr(upkeep, "LONGEST", timedelta(0))
        assert keeper.turn()["clean up"] == 1
    real.advance(timedelta(hours=1))
    assert keeper.turn()["clean up"] == 1
    real.advance(timedelta(hours=1))
    assert keeper.turn()["clean up"] == 0, "it is done for the day"


_PAST = """
insert into lead (workspace_id, id, provider_user_id, phone, tags, properties, lifecycle, source, created_at, language)
values (:w, :w, '1', '+31612345678', '[]', '{}', 'lead', 'import', :at, 'nl');
insert into session_window (workspace_id, lead_id, opened_at, closes_at)
select :w, :w, moment - interval '1 day', moment from unnest(cast(:moments as timestamptz[])) moment;
insert into slot_offer (workspace_id, id, lead_id, event_type, slots, cause, made_at, expires_at)
select :w, gen_random_uuid(), :w, 'trial', '[]', moment::text, moment - interval '1 day', moment
from unnest(cast(:moments as timestamptz[])) moment
"""


def test_windows_and_offers_are_forgotten_after_their_days_in_batches(
    database: Database, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    studio, long_ago = add_studio(database), NOON - timedelta(days=91)
    moments = [long_ago, long_ago - timedelta(days=1), long_ago - timedelta(days=2), NOON - timedelta(days=89)]
    with database.transaction(Scope.fleet()) as connection:
        for statement in _PAST.split(";"):
            connection.execute(text(statement), {"w": studio, "at": NOON, "moments": moments})
    system, later = app(database, clocks), clocks.real.now() + timedelta(hours=1)
    none = upkeep.clean_up(system, clocks.real.now())
    assert (none["session_windows"], none["slot_offers"], none["is_complete"]) == (0, 0, False)
    done = upkeep.clean_up(system, later)
    assert (done["session_windows"], done["slot_offers"], done["is_complete"]) == (3, 3, True)
    with database.transaction(Scope.fleet()) as connection:
        left = (
            "select (select array_agg(closes_at) from session_window), (select array_agg(expires_at) from slot_offer)"
        )
        assert tuple(connection.exec_driver_sql(left).one()) == (moments[3:], moments[3:])


def test_effects_in_doubt_are_settled_and_the_audit_log_is_sealed_without_dagster(
    database: Database, clocks: Clocks, real: ManualClock
) -> None:
    def cut() -> dict[str, str]:
        raise OutcomeUnknown

    with pytest.raises(OutcomeUnknown):
        EffectLedger(database, clocks, timeout=timedelta(seconds=5)).perform(Effect("mail.setup_link", "1", call=cut))
    with database.transaction(Scope.fleet()) as connection:
        audit.record(connection, actor="system", action="a", subject="b", now=NOON)
    real.advance(timedelta(minutes=10))
    done = Upkeep(app(database, clocks)).turn()
    assert (done["settle effects in doubt"], done["seal the audit log"]) == (1, 1)
    with database.transaction(Scope.fleet()) as connection:
        assert connection.exec_driver_sql("select state from effect").scalar_one() == "intent"


def test_a_chore_that_fails_is_tried_again_and_keeps_none_of_the_others_back(
    database: Database, clocks: Clocks, real: ManualClock
) -> None:
    def fail(house: App) -> int:
        with house.database.transaction(Scope.fleet()) as connection:
            connection.exec_driver_sql("insert into distributed_lock values ('half', null, 'me', 1, now())")
            raise Transient("away")

    minute = timedelta(minutes=1)
    chores = [Chore("fails", minute, fail), Chore("counts", minute, lambda _: 7)]
    keeper = Upkeep(app(database, clocks), chores)
    for _ in range(2):
        assert keeper.turn() == {"counts": 7}
        real.advance(minute)
    assert keys(database) == set()


def test_a_thread_keeps_at_it_until_the_block_ends(
    database: Database, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_EVERY", timedelta(milliseconds=1))
    looked, again = threading.Event(), threading.Event()

    def turn(_: Upkeep) -> dict[str, int]:
        if looked.is_set():
            again.set()
        looked.set()
        raise RuntimeError("what nobody foresaw ends nothing")

    monkeypatch.setattr(Upkeep, "turn", turn)
    with kept_up(app(database, clocks)):
        assert again.wait(20)
    assert "upkeep" not in {thread.name for thread in threading.enumerate()}


def test_a_worker_keeps_things_up_beside_its_work(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOOK_EVERY", timedelta(milliseconds=1))
    lock(database, "past", datetime.now(UTC) - timedelta(hours=1), timedelta(minutes=1))
    house = build_app(Settings(secret_keys=new_key()), database=database)
    worker = Worker(house)
    thread = threading.Thread(target=worker.run)
    thread.start()
    deadline = time.monotonic() + 20
    try:
        while "past" in keys(database):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        worker.stop()
        thread.join(20)
        house.close()
    assert not thread.is_alive()
