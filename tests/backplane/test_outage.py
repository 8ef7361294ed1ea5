"""What the inbox promises while the database is away: nothing that was answered is lost, and order is kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.inbox import InboxWriter
from pilar.backplane.replay import Patience
from pilar.backplane.spool import Spool
from pilar.backplane.spool_file import Bounds
from pilar.backplane.spool_places import spool_files
from pilar.database.engine import Database
from pilar.errors import Transient
from tests.backplane.line import Line

START = datetime(2027, 1, 1, tzinfo=UTC)
QUICK = Patience(statement=0.5, first_pause=0.02, longest_pause=0.1, look_around=0.2)
PLENTY = Bounds(bytes=1 << 30, rows=1_000_000)


def delivery(number: int) -> NewDelivery:
    return NewDelivery(
        "stripe", f"evt_{number}", b'{"n": %d}' % number, received_at=START + timedelta(milliseconds=number)
    )


def spool_in(place: Path, bounds: Bounds = PLENTY) -> Spool:
    return Spool(place / "spool", "test", bounds)


@asynccontextmanager
async def door(url: str, place: Path, bounds: Bounds = PLENTY, **options: Any) -> AsyncIterator[InboxWriter]:
    writer = InboxWriter(url, spool=spool_in(place, bounds), **{"patience": QUICK, **options})
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def until(condition: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is told by no event
            await asyncio.sleep(0.01)


def is_through(writer: InboxWriter) -> bool:
    status = writer.status()
    assert status.spool
    return not status.is_spooling and not status.spool.waiting


def waiting(writer: InboxWriter) -> int:
    status = writer.status()
    assert status.spool
    return status.spool.waiting


def stored(database: Database) -> list[str]:
    """The deliveries in order of their positions; each has its row in the queue."""
    with psycopg.connect(database.url) as connection:
        rows = connection.execute(
            "select i.external_id, q.position is not null from inbox i left join queue q using (position)"
            " order by i.position"
        ).fetchall()
    assert all(is_queued for _, is_queued in rows)
    return [name for name, _ in rows]


def names(*numbers: int) -> list[str]:
    return [f"evt_{number}" for number in numbers]


def test_deliveries_are_answered_while_the_database_is_away_and_replayed_in_order(
    database: Database, tmp_path: Path
) -> None:
    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path) as writer:
            await writer.put(delivery(0))
            await line.cut()
            await asyncio.gather(*(writer.put(delivery(number)) for number in range(1, 1_501)))
            await writer.put(delivery(7))  # it comes again
            assert waiting(writer) == 1_500
            status = writer.status()
            assert status.is_spooling
            assert status.spool
            assert (status.spool.spooled, status.spool.oldest) == (1_501, START + timedelta(milliseconds=1))
            await line.mend()
            await until(lambda: is_through(writer))
            await writer.put(delivery(1_501))
            assert status.spool.replayed == 0
            assert writer.status().spool.replayed == 1_500  # type: ignore[union-attr]

    asyncio.run(story())
    assert stored(database) == names(*range(1_502))
    assert list((tmp_path / "spool").iterdir()) == []


def test_new_deliveries_go_behind_those_that_wait_until_they_are_replayed(database: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path, lanes=1) as writer:
            await line.cut()
            await asyncio.gather(*(writer.put(delivery(number)) for number in range(2_000)))
            await line.mend()
            # They never stop coming, and yet there is a last one in the spool.
            number = 2_000
            while not is_through(writer):
                await writer.put(delivery(number))
                number += 1
            await writer.put(delivery(number))

    asyncio.run(story())
    found = stored(database)
    assert found == names(*range(len(found)))
    assert len(found) > 2_000


def test_a_database_that_never_answers_holds_the_door_no_longer_than_its_patience(
    database: Database, tmp_path: Path
) -> None:
    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path) as writer:
            await writer.put(delivery(0))
            line.fall_silent()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await asyncio.gather(*(writer.put(delivery(number)) for number in range(1, 100)))
            assert loop.time() - began < 10
            began = loop.time()
            await writer.put(delivery(100))
            assert loop.time() - began < QUICK.statement
            # What it swallowed it may have stored: each is there once, all the same.
            await line.mend()
            await until(lambda: is_through(writer))

    asyncio.run(story())
    assert sorted(stored(database)) == sorted(names(*range(101)))


def test_a_commit_whose_answer_is_lost_is_no_second_delivery(database: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path, lanes=1) as writer:
            await writer.put(delivery(0))
            with psycopg.connect(database.url, autocommit=True) as other:
                # The server works on it while the line breaks: what it does then is not known here.
                with other.transaction():
                    other.execute("lock table inbox in share mode")
                    asked = asyncio.create_task(writer.put(delivery(1)))
                    await until(lambda: _waits_for_lock(database))
                    await line.cut()
                    await asked
                assert waiting(writer) == 1
                await line.mend()
                await until(lambda: is_through(writer))

    asyncio.run(story())
    assert stored(database) == names(0, 1)


def _waits_for_lock(database: Database) -> bool:
    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "select count(*) from pg_stat_activity where application_name = 'pilar inbox' and wait_event_type = 'Lock'"
            " and datname = current_database()"
        ).fetchone()
    return found == (1,)


def test_a_statement_that_is_held_up_is_given_up_and_spooled(database: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with door(database.url, tmp_path) as writer:
            with psycopg.connect(database.url) as other:
                other.execute("lock table inbox in access exclusive mode")
                await writer.put(delivery(1))
                assert waiting(writer) == 1
                other.rollback()
            await until(lambda: is_through(writer))

    asyncio.run(story())
    assert stored(database) == names(1)


def test_a_server_that_is_too_slow_for_a_whole_batch_gets_smaller_ones(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.url) as owner:
        owner.execute(
            "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.005); return new; end $$"
        )
        owner.execute("create trigger slow before insert on inbox for each row execute function slow()")

    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path) as writer:
            await line.cut()
            await asyncio.gather(*(writer.put(delivery(number)) for number in range(500)))
            await line.mend()
            await until(lambda: is_through(writer), 60)

    asyncio.run(story())
    assert sorted(stored(database)) == sorted(names(*range(500)))


def test_a_server_that_may_only_be_read_counts_as_away(database: Database, tmp_path: Path) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]

    def only_read(on: str) -> None:
        with psycopg.connect(database.url, autocommit=True) as owner:
            owner.execute("set default_transaction_read_only = off")
            owner.execute(f'alter database "{name}" set default_transaction_read_only = {on}')  # type: ignore[arg-type]

    async def story() -> None:
        only_read("on")
        async with door(database.url, tmp_path) as writer:
            await writer.put(delivery(1))
            assert waiting(writer) == 1
            only_read("off")
            await until(lambda: is_through(writer))

    asyncio.run(story())
    assert stored(database) == names(1)


POISON = [
    replace(delivery(900), headers={"x": "nul \0"}),
    replace(delivery(901), headers={"x": "half \ud800"}),
    replace(delivery(902), external_id="nul \0"),
    replace(delivery(903), external_id="half \ud800"),
    replace(delivery(904), external_id="".join(random.Random(1).choices("abcdefghij0123456789", k=20_000))),
]


@pytest.mark.parametrize("way", ["direct", "replayed"])
def test_deliveries_that_the_database_refuses_are_put_aside_and_fail_no_neighbour(
    way: str, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        batch = [delivery(number) for number in range(100)]
        for place, poison in zip((0, 13, 14, 50, 104), POISON, strict=True):
            batch.insert(place, poison)
        async with Line(database.url) as line, door(line.url, tmp_path) as writer:
            if way == "replayed":
                await line.cut()
            await asyncio.gather(*(writer.put(one) for one in batch))
            await line.mend()
            await until(lambda: is_through(writer))
            status = writer.status().spool
            assert status
            assert (status.refused, status.newly_refused) == (5, 5)
            # They don't make what comes later wait.
            await writer.put(delivery(100))
            assert waiting(writer) == 0

    asyncio.run(story())
    assert stored(database) == names(*range(101))
    assert caplog.text.count("refuses it") == 5
    assert len(spool_files(tmp_path / "spool")) == 1


def test_who_can_be_kept_by_neither_is_told_when_to_come_again(database: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with Line(database.url) as line:
            await line.cut()
            async with door(line.url, tmp_path, Bounds(bytes=1 << 30, rows=100)) as writer:
                answers = await asyncio.gather(
                    *(writer.put(delivery(number)) for number in range(150)), return_exceptions=True
                )
                told = [one for one in answers if isinstance(one, Transient)]
                assert answers[:100] == [None] * 100
                assert len(told) == 50
                assert all(one.retry_after for one in told)
                await line.mend()
                await until(lambda: is_through(writer))
                await asyncio.gather(*(writer.put(delivery(number)) for number in range(100, 150)))

    asyncio.run(story())
    assert stored(database) == names(*range(150))


def test_without_a_disk_the_door_opens_again_with_the_database(database: Database, tmp_path: Path) -> None:
    (tmp_path / "spool").touch()  # where a directory is wanted

    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path) as writer:
            await writer.put(delivery(1))
            await line.cut()
            with pytest.raises(Transient):
                await writer.put(delivery(2))
            assert writer.status().spool.error  # type: ignore[union-attr]
            await line.mend()
            await writer.put(delivery(2))

    asyncio.run(story())
    assert stored(database) == names(1, 2)


def test_what_one_process_left_the_next_one_replays_before_its_own(database: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with Line(database.url) as line:
            await line.cut()
            async with door(line.url, tmp_path) as writer:
                await asyncio.gather(*(writer.put(delivery(number)) for number in range(50)))
            await line.mend()
            async with door(line.url, tmp_path, lanes=1) as writer:
                await writer.put(delivery(50))
                await until(lambda: is_through(writer))

    asyncio.run(story())
    assert stored(database) == names(*range(51))


def test_what_a_process_leaves_a_living_one_replays(database: Database, tmp_path: Path) -> None:
    async def story() -> None:
        async with Line(database.url) as line, Line(database.url) as other, door(other.url, tmp_path) as living:
            await line.cut()
            async with door(line.url, tmp_path) as writer:
                await writer.put(delivery(1))
            await until(lambda: stored(database))
            await until(lambda: is_through(living))

    asyncio.run(story())
    assert stored(database) == names(1)


@pytest.mark.parametrize("seed", range(12))
def test_the_end_comes_promptly_at_any_moment_and_nothing_that_was_answered_is_lost(
    seed: int, database: Database, tmp_path: Path
) -> None:
    """The line breaks, falls silent and is mended by chance while deliveries come, and the door is closed meanwhile."""
    chance = random.Random(seed)
    answered: list[int] = []

    async def sender(writer: InboxWriter, numbers: range) -> None:
        for number in numbers:
            try:
                await writer.put(delivery(number))
            except Transient:
                continue
            answered.append(number)

    async def breaker(line: Line) -> None:
        while True:
            await asyncio.sleep(chance.random() * 0.15)
            await chance.choice([line.cut, line.mend, line.mend, _silence(line)])()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        async with Line(database.url) as line:
            for life in range(3):
                writer = InboxWriter(line.url, spool=spool_in(tmp_path), patience=replace(QUICK, statement=0.2))
                writer.start()
                senders = [
                    asyncio.create_task(
                        sender(writer, range(10_000 * life + 1_000 * n, 10_000 * life + 1_000 * n + 300))
                    )
                    for n in range(5)
                ]
                breaking = asyncio.create_task(breaker(line))
                for _ in range(chance.randrange(400)):
                    await asyncio.sleep(0)
                await asyncio.sleep(chance.random() * 0.5)
                for task in chance.sample(senders, 2):
                    task.cancel()  # who sent it hung up
                began = loop.time()
                await writer.stop()
                assert loop.time() - began < 10
                breaking.cancel()
                await asyncio.gather(breaking, *senders, return_exceptions=True)
            await line.mend()
            async with door(line.url, tmp_path) as last:
                await until(lambda: is_through(last))

    asyncio.run(story())
    found = stored(database)
    assert len(found) == len(set(found))
    assert {f"evt_{number}" for number in answered} <= set(found)
    assert not spool_files(tmp_path / "spool")


def _silence(line: Line) -> Any:
    async def fall_silent() -> None:
        line.fall_silent()

    return fall_silent
