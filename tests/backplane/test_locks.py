"""What locks promise: one holder at most, whatever stands in front of the database says; tokens that grow."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilar.app import build_app
from pilar.backplane import locks
from pilar.backplane.breakers import Breaker, State
from pilar.backplane.locks import Lock, LockKeeper, Said
from pilar.backplane.redis_locks import RULE, RedisFront
from pilar.crypto import new_key
from pilar.database.engine import Scope
from pilar.errors import NotConfigured, NotFound
from pilar.ids import new_id
from pilar.settings import Settings
from tests.fixtures.work import Bench
from tests.properties import examples
from tests.providers.local_http import refusing_port

TTL = timedelta(seconds=30)


class Liar:
    """A front that says what it is told to."""

    def __init__(self) -> None:
        self.says = Said.TAKEN

    def take(self, name: str, lock_id: UUID, until: datetime) -> Said:
        return self.says

    def extend(self, name: str, lock_id: UUID, until: datetime) -> None:
        pass

    def give_back(self, name: str, lock_id: UUID) -> None:
        pass

    def close(self) -> None:
        pass


def acquire(bench: Bench, keeper: LockKeeper, holder: str, **options: object) -> Lock | None:
    with bench.database.transaction(Scope.fleet()) as connection:
        return keeper.acquire(connection, "k", holder, ttl=TTL, **options)  # type: ignore[arg-type]


STEP = st.one_of(
    st.tuples(st.just("acquire"), st.integers(0, 2), st.sampled_from(Said)),
    st.tuples(st.sampled_from(["renew", "release"]), st.integers(0, 2), st.sampled_from(Said)),
    st.tuples(st.just("pass"), st.integers(1, 31), st.just(Said.TAKEN)),
    st.tuples(st.just("clean"), st.just(0), st.just(Said.TAKEN)),
)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=30))
def test_there_is_one_holder_at_most_whatever_the_front_says_and_tokens_grow(
    bench: Bench, steps: list[tuple[str, int, Said]]
) -> None:
    front, tokens, studio = Liar(), [0], new_id()
    keeper = LockKeeper(bench.real, front)
    held: dict[int, Lock] = {}
    for action, who, said in steps:
        front.says = said
        with bench.database.transaction(Scope.fleet()) as connection:
            now = bench.real.now()
            others = [lock for holder, lock in held.items() if lock.expires_at > now]
            if action == "acquire":
                lock = keeper.acquire(connection, "k", str(who), ttl=TTL, workspace_id=studio)
                assert (lock is None) == bool(others or said is Said.HELD)
                if lock:
                    assert lock.fencing_token > tokens[-1]
                    tokens.append(lock.fencing_token)
                    held[who] = lock
            elif action == "renew" and who in held:
                renewed = keeper.renew(connection, held[who], ttl=TTL)
                assert (renewed is not None) == (held[who] in others)
                if renewed:
                    held[who] = renewed
            elif action == "release" and who in held:
                mine = held.pop(who)
                assert keeper.release(connection, mine) or mine not in others
            elif action == "clean":
                locks.remove_expired(connection, now)
            elif action == "pass":
                bench.real.advance(timedelta(seconds=who))
        now = bench.real.now()
        assert sum(lock.expires_at > now for lock in held.values()) <= 1


def test_threads_that_want_the_same_lock_hold_it_one_after_the_other(bench: Bench) -> None:
    keeper, inside, tokens, together = LockKeeper(bench.real), [], [], threading.Barrier(6)
    overlaps = []

    def take(number: int) -> None:
        together.wait()
        for _ in range(10):
            lock = acquire(bench, keeper, f"worker-{number}")
            if lock is None:
                continue
            inside.append(number)
            if len(inside) != 1:
                overlaps.append(tuple(inside))
            tokens.append(lock.fencing_token)
            inside.remove(number)
            with bench.database.transaction(Scope.fleet()) as connection:
                assert keeper.release(connection, lock)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []
    assert tokens == sorted(set(tokens))
    assert tokens


def test_a_key_is_each_studios_own_and_the_fleets(bench: Bench) -> None:
    keeper, mine, other = LockKeeper(bench.real), new_id(), new_id()
    held = [acquire(bench, keeper, "h", workspace_id=whose) for whose in (mine, other, None)]
    assert all(held)
    assert [acquire(bench, keeper, "h", workspace_id=whose) for whose in (mine, other, None)] == [None] * 3


def test_a_studio_finds_and_releases_its_own_lock_only(bench: Bench) -> None:
    keeper, mine, other = LockKeeper(bench.real), new_id(), new_id()
    with bench.database.transaction(Scope.workspace(mine)) as connection:
        lock = keeper.acquire(connection, "k", "me", ttl=TTL, workspace_id=mine)
    assert lock
    with bench.database.transaction(Scope.workspace(other)) as connection:
        with pytest.raises(NotFound):
            keeper.find(connection, lock.id)
        assert not keeper.release(connection, lock)
        assert keeper.renew(connection, lock, ttl=TTL) is None
        assert keeper.acquire(connection, "k", "they", ttl=TTL, workspace_id=other)
    with bench.database.transaction(Scope.workspace(mine)) as connection:
        assert keeper.find(connection, lock.id) == lock
        assert keeper.release(connection, lock)
        with pytest.raises(NotFound):
            keeper.find(connection, lock.id)


def test_the_public_id_is_of_one_holding_and_ends_with_it(bench: Bench) -> None:
    keeper = LockKeeper(bench.real)
    first = acquire(bench, keeper, "a")
    bench.real.advance(TTL)
    with bench.database.transaction(Scope.fleet()) as connection, pytest.raises(NotFound):
        keeper.find(connection, first.id if first else new_id())
    second = acquire(bench, keeper, "b")
    assert first
    assert second
    assert first.id != second.id
    with bench.database.transaction(Scope.fleet()) as connection:
        assert keeper.find(connection, second.id).holder == "b"


def test_the_previous_release_takes_the_same_locks(bench: Bench) -> None:
    statement = """
        insert into distributed_lock (key, workspace_id, holder, fencing_token, expires_at)
        values ('k', null, 'before', nextval('fencing_token'), '{until}')
        on conflict on constraint pk_distributed_lock do update set holder = excluded.holder
        where distributed_lock.expires_at <= '{now}' returning holder
    """
    now = bench.real.now()
    statement = statement.format(now=now.isoformat(), until=(now + TTL).isoformat())
    assert bench.one(statement) == "before"
    assert acquire(bench, LockKeeper(bench.real), "after") is None
    assert bench.rows(statement) == []


def test_where_redis_is_unreachable_the_database_alone_decides_and_it_is_asked_once(bench: Bench) -> None:
    breaker = Breaker("Redis", bench.real, RULE)
    with refusing_port() as port:
        keeper = LockKeeper(bench.real, RedisFront(f"redis://127.0.0.1:{port}", breaker))
        lock = acquire(bench, keeper, "a")
        opened = breaker.snapshot()
        assert lock
        assert acquire(bench, keeper, "b") is None
        with bench.database.transaction(Scope.fleet()) as connection:
            assert keeper.renew(connection, lock, ttl=TTL)
            assert keeper.release(connection, lock)
        assert acquire(bench, keeper, "b")
        assert opened.state is State.OPEN
        assert breaker.snapshot() == opened  # nobody has knocked since
        keeper.close()


def test_an_address_that_is_none_is_said_without_its_password(bench: Bench) -> None:
    settings = Settings(secret_keys=new_key(), redis_url="http://:hush@127.0.0.1")
    with pytest.raises(NotConfigured, match="PILAR_REDIS_URL") as refused:
        build_app(settings, database=bench.database, clocks=bench.clocks)
    assert "hush" not in f"{refused.value} {refused.value.__cause__}"
