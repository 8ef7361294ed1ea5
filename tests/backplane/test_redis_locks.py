"""What a real Redis in front of the locks may do: refuse early. What it may not, however it fails: anything else."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from pilar.backplane.breakers import Breaker, State
from pilar.backplane.locks import Lock, LockKeeper
from pilar.backplane.redis_locks import RULE, RedisFront
from pilar.database.engine import Database, Scope
from tests.fixtures.redis_server import RedisServer, running_redis
from tests.fixtures.system import SkippingClock

pytestmark = pytest.mark.slow

TTL = timedelta(seconds=30)
SHORT = timedelta(milliseconds=700)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def clock() -> SkippingClock:
    return SkippingClock()


class Process:
    """A process's keeper, with what it believes of Redis."""

    def __init__(
        self, database: Database, redis: RedisServer, clock: SkippingClock, breakers: SkippingClock | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._breakers = breakers or clock
        self.breaker = Breaker("Redis", self._breakers, RULE)
        self.keeper = LockKeeper(clock, RedisFront(redis.url, self.breaker))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._database.transaction(Scope.fleet()) as connection:
            # Where a row is waited for that Redis should have refused, the test says so in place of hanging.
            connection.execute(text("set local lock_timeout = '5s'"))
            yield connection

    def acquire(self, holder: str = "h", *, ttl: timedelta = TTL) -> Lock | None:
        with self.transaction() as connection:
            return self.keeper.acquire(connection, "k", holder, ttl=ttl)

    def renew(self, lock: Lock, *, ttl: timedelta = TTL) -> Lock | None:
        with self.transaction() as connection:
            return self.keeper.renew(connection, lock, ttl=ttl)

    def release(self, lock: Lock) -> bool:
        with self.transaction() as connection:
            return self.keeper.release(connection, lock)

    def knock_again(self) -> None:
        """Let the time pass in which Redis is left alone."""
        self._breakers.skip_to(self._breakers.now() + RULE.longest_rest)

    def acquire_when_free(self, lock: Lock) -> Lock:
        """Take what must be free when a lock would have expired; fails where it is free only later."""
        latest = lock.expires_at + timedelta(milliseconds=1)
        while True:
            began = self._clock.now()
            if taken := self.acquire():
                return taken
            assert began <= latest, "it is stuck for longer than its ttl"


@pytest.fixture
def process(database: Database, redis: RedisServer, clock: SkippingClock) -> Iterator[Process]:
    one = Process(database, redis, clock)
    yield one
    one.keeper.close()


@pytest.fixture
def other(database: Database, redis: RedisServer, clock: SkippingClock) -> Iterator[Process]:
    one = Process(database, redis, clock)
    yield one
    one.keeper.close()


def test_redis_refuses_before_the_database_is_asked(process: Process, other: Process) -> None:
    with process.transaction() as connection:
        assert process.keeper.acquire(connection, "k", "a", ttl=TTL)
        assert other.acquire() is None  # the row is not committed: the database would have had it wait


def test_a_lock_that_is_given_back_is_free_in_both(process: Process, other: Process, redis: RedisServer) -> None:
    lock = process.acquire()
    assert lock
    assert process.release(lock)
    assert redis.expiry() is None
    assert other.acquire()


def test_what_redis_has_forgotten_the_database_still_refuses(
    process: Process, other: Process, redis: RedisServer
) -> None:
    lock = process.acquire()
    assert lock
    redis.ask("FLUSHALL")
    assert other.acquire() is None
    assert redis.expiry() is None, "the key of who was refused stays behind"
    renewed = process.renew(lock)
    assert renewed
    assert redis.expiry() == pytest.approx(renewed.expires_at.timestamp(), abs=0.002)


def test_redis_killed_while_a_lock_is_held_costs_nobody_anything(
    process: Process, other: Process, redis: RedisServer
) -> None:
    lock = process.acquire()
    redis.kill()
    assert lock
    assert other.acquire() is None
    renewed = process.renew(lock)
    assert renewed
    assert other.breaker.snapshot().state is State.OPEN
    assert process.release(renewed)
    taken = other.acquire()
    assert taken
    assert taken.fencing_token > lock.fencing_token


def test_redis_killed_between_its_yes_and_the_rows(process: Process, other: Process, redis: RedisServer) -> None:
    with process.transaction() as connection:
        lock = process.keeper.acquire(connection, "k", "a", ttl=TTL)
        redis.kill()
    assert lock
    assert other.acquire() is None
    assert process.release(lock)
    assert other.acquire()


def test_a_key_that_comes_back_after_the_lock_was_given_back_without_redis_holds_no_longer_than_the_lock(
    process: Process, other: Process, redis: RedisServer
) -> None:
    lock = process.acquire(ttl=timedelta(seconds=3))
    assert lock
    redis.kill()
    assert process.release(lock)
    redis.start()  # it reads what it had written down
    expiry = redis.expiry()
    assert expiry is None or expiry <= lock.expires_at.timestamp()
    assert other.acquire_when_free(lock)


def test_a_redis_that_hangs_is_waited_for_once_and_what_it_does_late_holds_no_longer_than_the_lock(
    process: Process, other: Process, redis: RedisServer
) -> None:
    redis.pause()
    began = time.monotonic()
    lock = process.acquire()
    waited = time.monotonic() - began
    assert lock
    assert process.release(lock)
    terms = process.breaker.snapshot()
    again = process.acquire()
    assert again
    assert process.breaker.snapshot() == terms, "it was asked again"
    assert waited >= 0.2
    redis.go_on()
    # The command lay in its socket: it is carried out now, with the expiry that it came with.
    expiry = redis.expiry()
    assert expiry is None or expiry <= lock.expires_at.timestamp() + 0.001
    assert other.acquire() is None
    process.knock_again()
    assert process.renew(again) is None  # it has expired meanwhile
    assert process.breaker.snapshot().state is State.CLOSED


def test_a_rollback_gives_the_key_back(process: Process, other: Process, redis: RedisServer) -> None:
    with pytest.raises(KeyError), process.transaction() as connection:
        assert process.keeper.acquire(connection, "k", "a", ttl=TTL)
        raise KeyError
    assert redis.expiry() is None
    with process.transaction() as connection:
        with pytest.raises(KeyError), connection.begin_nested():
            assert process.keeper.acquire(connection, "k", "a", ttl=TTL)
            raise KeyError
        assert redis.expiry() is None
    assert other.acquire()


DIES = """
import sys
from datetime import timedelta
from pilar.backplane.breakers import Breaker
from pilar.backplane.locks import LockKeeper
from pilar.backplane.redis_locks import RedisFront
from pilar.clocks import SystemClock
from pilar.database.engine import Database, Scope

clock = SystemClock()
keeper = LockKeeper(clock, RedisFront(sys.argv[2], Breaker("Redis", clock)))
with Database(sys.argv[1]).transaction(Scope.fleet()) as connection:
    keeper.acquire(connection, "k", "child", ttl=timedelta(seconds=3))
    print("taken", flush=True)
    sys.stdin.read()
"""


def test_who_is_killed_between_key_and_commit_leaves_the_key_to_its_expiry(
    database: Database, process: Process, redis: RedisServer
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", DIES, database.url, redis.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout
        assert child.stdout.readline() == "taken\n"
    finally:
        child.kill()
        child.communicate()
    expiry = redis.expiry()
    assert expiry
    assert expiry <= time.time() + 3
    deadline = time.monotonic() + 30
    while (lock := process.acquire()) is None:
        assert time.monotonic() < deadline
        assert time.time() <= expiry + 1
    assert lock


def test_an_expired_lock_is_free_in_both(process: Process, other: Process) -> None:
    lock = process.acquire(ttl=SHORT)
    assert lock
    taken = other.acquire_when_free(lock)
    assert taken.fencing_token > lock.fencing_token
    assert process.renew(lock) is None
    assert not process.release(lock)
    assert process.acquire() is None, "who had lost the lock took the next holder's key along"


def test_a_redis_that_refuses_to_write_is_a_redis_that_is_away(process: Process, redis: RedisServer) -> None:
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    lock = process.acquire()
    assert lock
    assert process.breaker.snapshot().state is State.OPEN
    assert process.release(lock)


@pytest.mark.parametrize("seed", range(3))
def test_there_are_never_two_holders_while_redis_is_killed_paused_and_emptied(
    database: Database, redis: RedisServer, seed: int
) -> None:
    # Redis lives by the machine's time, and so do the locks; when Redis is asked again is up to the test.
    clock, breakers, chance = SkippingClock(), SkippingClock(), random.Random(seed)
    processes = [Process(database, redis, clock, breakers) for _ in range(3)]
    ttl = timedelta(seconds=2)
    inside: dict[int, Lock] = {}
    tokens: list[int] = []
    overlaps: list[tuple[Lock, ...]] = []
    ended = threading.Event()

    def work(number: int) -> None:
        process = processes[number % len(processes)]
        while not ended.is_set():
            lock = process.acquire(f"worker-{number}", ttl=ttl)
            if lock is None:
                continue
            now = clock.now()
            if others := tuple(other for other in list(inside.values()) if other.expires_at > now):
                overlaps.append((lock, *others))
            inside[number] = lock
            tokens.append(lock.fencing_token)
            renewed = process.renew(lock, ttl=ttl)
            assert renewed or lock.expires_at <= clock.now()
            inside.pop(number)
            assert process.release(renewed or lock) or (renewed or lock).expires_at <= clock.now()

    def grown(by: int) -> None:
        """Wait until the lock has changed hands so often."""
        wanted, deadline = len(tokens) + by, time.monotonic() + 30
        while len(tokens) < wanted:
            assert time.monotonic() < deadline, "nobody gets the lock any more"
            ended.wait(0.01)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            mishap = chance.choice(["kill", "pause", "flush"])
            if mishap == "kill":
                redis.kill()
                grown(3)
                redis.start()
            elif mishap == "pause":
                redis.pause()
                grown(3)
                redis.go_on()
            else:
                redis.ask("FLUSHALL")
            for process in processes:
                process.knock_again()
            # A key that was not given back while Redis was away bars the way for a ttl at most.
            grown(3)
    finally:
        ended.set()
        if redis.is_running:
            redis.go_on()
        for thread in threads:
            thread.join()
        for process in processes:
            process.keeper.close()
    assert overlaps == []
    assert tokens == sorted(set(tokens))
