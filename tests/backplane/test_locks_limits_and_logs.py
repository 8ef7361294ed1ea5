"""What locks, limits, idempotency keys and the two logs promise."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from pilar.backplane import audit, heartbeat, idempotency, limits, locks
from pilar.backplane.idempotency import Answer
from pilar.database.engine import Scope
from pilar.errors import Busy, Conflict, Invalid, TooManyRequests
from pilar.ids import new_id
from tests.fixtures.work import Bench

TTL = timedelta(seconds=30)


def test_a_lock_has_one_holder_at_a_time(bench: Bench) -> None:
    held, together = [], threading.Barrier(8)

    def take(number: int) -> None:
        together.wait()
        with bench.database.transaction(Scope.fleet()) as connection:
            if lock := locks.acquire(connection, "k", f"worker-{number}", ttl=TTL, now=bench.real.now()):
                held.append(lock)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1


def test_an_expired_lock_goes_to_the_next_with_a_higher_token_and_the_first_can_do_nothing(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        first = locks.acquire(connection, "k", "a", ttl=TTL, now=bench.real.now())
        assert first
        bench.real.advance(TTL)
        second = locks.acquire(connection, "k", "b", ttl=TTL, now=bench.real.now())
        assert second
        assert second.fencing_token > first.fencing_token
        assert locks.renew(connection, first, ttl=TTL, now=bench.real.now()) is None
        assert not locks.release(connection, first)
        assert locks.release(connection, second)
        assert locks.acquire(connection, "k", "c", ttl=TTL, now=bench.real.now())


def test_a_limit_counts_each_subject_and_starts_anew_with_each_window(bench: Bench) -> None:
    limit = limits.Limit("test", 2, timedelta(minutes=1))
    with bench.database.transaction(Scope.fleet()) as connection:
        assert limits.take(connection, limit, "a", bench.real.now()) == 1
        assert limits.take(connection, limit, "a", bench.real.now()) == 0
        assert limits.take(connection, limit, "b", bench.real.now()) == 1
        with pytest.raises(TooManyRequests) as refused:
            limits.take(connection, limit, "a", bench.real.now() + timedelta(seconds=20))
        assert refused.value.retry_after == timedelta(seconds=40)
        assert limits.take(connection, limit, "a", bench.real.now() + timedelta(minutes=1)) == 1


def test_many_uses_at_once_fit_together_or_not_at_all(bench: Bench) -> None:
    limit, now = limits.Limit("test", 10, timedelta(minutes=1)), bench.real.now()
    with bench.database.transaction(Scope.fleet()) as connection:
        assert limits.take(connection, limit, "a", now, cost=7) == 3
        with pytest.raises(Invalid):
            limits.take(connection, limit, "a", now, cost=11)
        with pytest.raises(TooManyRequests), connection.begin_nested():
            limits.take(connection, limit, "a", now, cost=4)
        assert limits.take_many(connection, limit, {"b": 2, "a": 3, "c": 11}, now) == {"a": 0, "b": 8, "c": -1}
        assert limits.take_many(connection, limit, {}, now) == {}
        limits.take_many(connection, limit, {"d": 2**31 - 1}, now)
        with pytest.raises(TooManyRequests):
            limits.take(connection, limit, "d", now)


def test_a_use_that_was_none_is_given_back_in_its_own_window_and_never_below_zero(bench: Bench) -> None:
    limit = limits.Limit("test", 2, timedelta(minutes=1))
    with bench.database.transaction(Scope.fleet()) as connection:
        limits.give_back(connection, limit, "a", bench.real.now())
        assert limits.take(connection, limit, "a", bench.real.now()) == 1
        limits.give_back(connection, limit, "a", bench.real.now())
        limits.give_back(connection, limit, "a", bench.real.now())
        assert limits.take(connection, limit, "a", bench.real.now()) == 1
        limits.give_back(connection, limit, "b", bench.real.now())
        limits.give_back(connection, limit, "a", bench.real.now() + timedelta(minutes=1))
        assert limits.take(connection, limit, "a", bench.real.now()) == 0


@pytest.mark.parametrize(
    ("limit", "amount", "window"),
    [
        (limits.EVENTS, 1_000, timedelta(hours=1)),
        (limits.JOBS, 500, timedelta(hours=1)),
        (limits.LOCKS, 100, timedelta(minutes=1)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_workers_at_once_share_a_limit_to_the_last_use(
    bench: Bench, limit: limits.Limit, amount: int, window: timedelta
) -> None:
    got: list[int] = []
    refused: list[timedelta | None] = []
    together = threading.Barrier(8)

    def take(number: int) -> None:
        together.wait()
        for _ in range(10):
            try:
                with bench.database.transaction(Scope.fleet()) as connection:
                    # Other subjects in another order beside it: nobody waits in a circle.
                    limits.take_many(connection, limit, {f"{(number + n) % 8}": 1 for n in range(8)}, bench.real.now())
                    limits.take(connection, limit, "studio", bench.real.now(), cost=amount // 40)
            except TooManyRequests as error:
                refused.append(error.retry_after)
            else:
                got.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == amount // (amount // 40)
    assert refused == [window] * (80 - len(got))


def test_an_idempotency_key_answers_its_caller_once_and_for_all(bench: Bench) -> None:
    now = bench.real.now()
    with bench.database.transaction(Scope.fleet()) as connection:
        assert idempotency.begin(connection, "owner:1", "k", b"POST /x {}", now) is None
        with pytest.raises(Busy):
            idempotency.begin(connection, "owner:1", "k", b"POST /x {}", now)
        idempotency.finish(connection, "owner:1", "k", Answer(201, {"location": "/x/1"}, b"made"))
        again = idempotency.begin(connection, "owner:1", "k", b"POST /x {}", now)
        assert again == Answer(201, {"location": "/x/1"}, b"made")
        with pytest.raises(Conflict):
            idempotency.begin(connection, "owner:1", "k", b"POST /x {1}", now)
        assert idempotency.begin(connection, "owner:2", "k", b"POST /x {}", now) is None


def test_a_request_that_was_cut_off_can_be_sent_again(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        idempotency.begin(connection, "c", "k", b"r", bench.real.now())
        later = bench.real.now() + idempotency.ABANDONED_AFTER
        assert idempotency.begin(connection, "c", "k", b"r", later) is None


def test_the_audit_log_holds_no_personal_data(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        audit.record(
            connection,
            actor="system",
            action="lead.created",
            subject="lead:1",
            now=bench.real.now(),
            details={
                "email": "anna@example.com",
                "phone": "+31612345678",
                "api_key": "x",
                "nested": [{"name": "Anna"}],
            },
        )
    assert bench.one("select details from audit_log") == {
        "email": "a…@example.com",
        "phone": "…78",
        "api_key": "***",
        "nested": [{"name": "A…"}],
    }


def test_a_studio_is_told_the_same_thing_once(bench: Bench) -> None:
    studio = new_id()
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        for _ in range(2):
            audit.tell(connection, studio, key="k", type="t", text="It is open.", now=bench.business.now())
    assert bench.one("select count(*) from activity_log") == 1


def test_a_worker_counts_as_alive_until_it_is_silent(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "w", bench.real.now())
        assert heartbeat.live_workers(connection, bench.real.now()) == 1
        assert heartbeat.live_workers(connection, bench.real.now() + heartbeat.LIVE_FOR) == 0
        heartbeat.leave(connection, "w")
        assert heartbeat.live_workers(connection, bench.real.now()) == 0
