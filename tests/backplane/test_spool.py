"""What the spool promises: what it took is on the disk, once, in order of arrival, and bounded."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.facts import Lane
from pilar.backplane.spool import Spool, SpoolUnusable
from pilar.backplane.spool_file import Bounds, SpoolFile, Unreadable
from pilar.backplane.spool_places import spool_files
from pilar.backplane.spool_rows import Arrival
from pilar.ids import new_id

PLENTY = Bounds(bytes=1 << 30, rows=1_000_000)
DATABASE = "pilar"
DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.spool import Spool
from pilar.backplane.spool_file import Bounds
from pilar.backplane.spool_rows import Arrival

async def story():
    spool = Spool(Path(sys.argv[1]), "pilar", Bounds(1 << 30, 1_000_000))
    spool.start()
    first, count = int(sys.argv[2]), int(sys.argv[3])
    await spool.append([Arrival(n, NewDelivery("stripe", f"evt_{n}", b"x")) for n in range(first, first + count)])
    await spool.append([Arrival(first, NewDelivery("stripe", f"bad_{first}", b"x"), "it is bad")])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(story())
"""
"""A process that dies with deliveries in its spool."""


def delivery(number: int, body: bytes = b"{}") -> NewDelivery:
    return NewDelivery(
        "stripe", f"evt_{number}", body, {"a": "b"}, new_id(), datetime(2027, 1, 1, tzinfo=UTC), Lane.BULK
    )


def arrivals(*numbers: int) -> list[Arrival]:
    return [Arrival(number, delivery(number)) for number in numbers]


def die(directory: Path, first: int, count: int) -> None:
    died = subprocess.run([sys.executable, "-c", DIES, str(directory), str(first), str(count)], check=False)
    assert died.returncode == -signal.SIGKILL


async def names(spool: Spool) -> list[str]:
    return [one.delivery.external_id for one in await spool.first(1_000_000, 1 << 30) if one.delivery]


def test_a_delivery_comes_back_as_it_was_and_a_repeat_is_no_second_row(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path / "spool", DATABASE, PLENTY)
        spool.start()
        one = delivery(1, b"\x00\xff")
        strange = NewDelivery("stripe", "nul\0 \ud800", b"", {"x": "\ud800"})
        assert await spool.append([Arrival(1, one), Arrival(2, strange)]) == [True, True]
        assert await spool.append([Arrival(3, one)]) == [True]
        assert [found.delivery for found in await spool.first(10, 1 << 20)] == [one, strange]
        assert (spool.status().waiting, spool.status().oldest) == (2, one.received_at)
        await spool.stop()
        with pytest.raises(SpoolUnusable):
            await spool.append([Arrival(4, one)])

    asyncio.run(story())


def test_order_is_that_of_arrival_whoever_comes_first_to_the_disk(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path / "spool", DATABASE, PLENTY)
        spool.start()
        await asyncio.gather(spool.append(arrivals(3, 4)), spool.append(arrivals(1, 2)))
        assert await names(spool) == ["evt_1", "evt_2", "evt_3", "evt_4"]
        found = await spool.first(3, 1 << 20)
        await spool.settle([found[0].seq, found[2].seq], [(found[1].seq, "no")])
        assert await names(spool) == ["evt_4"]
        status = spool.status()
        assert (status.waiting, status.refused, status.replayed, status.newly_refused) == (1, 1, 2, 1)
        await spool.stop()

    asyncio.run(story())


def test_a_portion_is_bounded_in_bytes_and_never_empty(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path / "spool", DATABASE, PLENTY)
        spool.start()
        await spool.append([Arrival(n, delivery(n, b"x" * 1000)) for n in range(5)])
        assert len(await spool.first(10, 2_500)) == 2
        assert len(await spool.first(10, 10)) == 1
        await spool.stop()

    asyncio.run(story())


@pytest.mark.parametrize("bounds", [Bounds(bytes=1 << 30, rows=100), Bounds(bytes=1 << 20, rows=1_000_000)])
def test_it_is_bounded_in_rows_and_in_bytes_and_takes_again_when_there_is_room(bounds: Bounds, tmp_path: Path) -> None:
    async def story() -> None:
        place = tmp_path / "spool"
        spool = Spool(place, DATABASE, bounds)
        spool.start()
        kept: list[bool] = []
        for start in range(0, 400, 50):
            kept += await spool.append([Arrival(n, delivery(n, b"x" * 10_000)) for n in range(start, start + 50)])
        took = kept.count(True)
        assert 50 < took <= 100
        assert spool.status().turned_away == 400 - took
        assert spool.status().bytes <= bounds.bytes
        # What is on the disk is durable, however full it is.
        more = delivery(1_000, b"x" * 10_000)
        assert await spool.append([Arrival(500, delivery(0)), Arrival(501, more)]) == [True, False]
        await spool.settle([one.seq for one in await spool.first(1_000, 1 << 30)], [])
        assert await spool.append([Arrival(502, more)]) == [True]
        assert sum(path.stat().st_size for path in place.iterdir()) < 1 << 20
        await spool.stop()

    asyncio.run(story())


def test_a_process_takes_over_what_dead_ones_left_each_in_its_order(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    die(place, 100, 3)
    die(place, 200, 2)

    async def story() -> None:
        spool = Spool(place, DATABASE, PLENTY)
        spool.start()
        await spool.append(arrivals(1, 2))
        while await spool.take_over():
            pass
        found = await names(spool)
        assert sorted(found) == ["evt_1", "evt_100", "evt_101", "evt_102", "evt_2", "evt_200", "evt_201"]
        # Whoever died first is first; each one's deliveries are in their order; ours are behind those it found.
        assert found[:3] == ["evt_100", "evt_101", "evt_102"]
        assert found.index("evt_1") < found.index("evt_2")
        assert (spool.waiting, spool.status().refused) == (7, 2)
        assert len(spool_files(place)) == 1
        await spool.stop()
        assert len(list(place.glob("*.spool"))) == 1

    asyncio.run(story())


def test_two_processes_never_hold_one_file(tmp_path: Path) -> None:
    async def story() -> None:
        place = tmp_path / "spool"
        one, two = Spool(place, DATABASE, PLENTY), Spool(place, DATABASE, PLENTY)
        one.start()
        two.start()
        await one.append(arrivals(1))
        assert await two.take_over() == 0
        assert two.waiting == 0
        await one.stop()
        assert await two.take_over() == 1
        assert await names(two) == ["evt_1"]
        await two.stop()

    asyncio.run(story())


def test_the_bound_is_the_machines_not_the_processs(tmp_path: Path) -> None:
    async def story() -> None:
        bounds = Bounds(bytes=1 << 20, rows=1_000_000)
        one, two = (Spool(tmp_path / "spool", DATABASE, bounds) for _ in range(2))
        one.start()
        two.start()
        assert all(await one.append([Arrival(n, delivery(n, b"x" * 10_000)) for n in range(50)]))
        kept = await two.append([Arrival(n, delivery(n, b"x" * 10_000)) for n in range(100, 150)])
        assert kept.count(True) < 30
        await one.stop()
        await two.stop()

    asyncio.run(story())


def test_another_databases_deliveries_are_left_alone(tmp_path: Path) -> None:
    die(tmp_path / "spool", 1, 1)

    async def story() -> None:
        other = Spool(tmp_path / "spool", "pilar_two", PLENTY)
        other.start()
        assert await other.take_over() == 0
        await other.stop()

    asyncio.run(story())
    assert len(spool_files(tmp_path / "spool", DATABASE)) == 1


@pytest.mark.parametrize("damage", ["bytes", "version"])
def test_what_cant_be_read_is_left_where_it_is_and_does_not_stop_the_rest(damage: str, tmp_path: Path) -> None:
    place = tmp_path / "spool"
    die(place, 1, 2)
    (path,) = spool_files(place)
    if damage == "bytes":
        path.write_bytes(b"no database" * 1_000)
        path.with_name(path.name + "-wal").unlink()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("pragma user_version = 99")
        connection.close()

    async def story() -> None:
        spool = Spool(place, DATABASE, PLENTY)
        spool.start()
        assert await spool.take_over() == 0
        assert await spool.append(arrivals(7)) == [True]
        assert await names(spool) == ["evt_7"]
        await spool.stop()

    asyncio.run(story())
    assert path.exists()
    with pytest.raises(Unreadable):
        SpoolFile.claim(path)


def test_a_file_that_was_taken_away_is_noticed_before_anybody_is_answered(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path / "spool", DATABASE, PLENTY)
        spool.start()
        await spool.append(arrivals(1))
        shutil.rmtree(tmp_path / "spool")
        with pytest.raises(SpoolUnusable):
            await spool.append(arrivals(2))
        assert spool.status().error
        assert spool.waiting == 0
        assert await spool.append(arrivals(2)) == [True]
        assert spool.status().error is None
        assert await names(spool) == ["evt_2"]
        await spool.stop()

    asyncio.run(story())


def test_nothing_is_left_behind_of_a_spool_that_is_empty(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path / "spool", DATABASE, PLENTY)
        spool.start()
        await spool.append(arrivals(1))
        (path,) = spool_files(tmp_path / "spool")
        assert path.stat().st_mode & 0o077 == 0
        await spool.settle([one.seq for one in await spool.first(1, 1)], [])
        await spool.stop()

    asyncio.run(story())
    assert list((tmp_path / "spool").iterdir()) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.integers(0, 30), min_size=1, max_size=5)),
        st.tuples(st.just("settle"), st.integers(1, 4)),
        st.tuples(st.just("refuse"), st.just(0)),
        st.tuples(st.just("undo"), st.lists(st.integers(0, 30), min_size=1, max_size=5)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS)
def test_any_sequence_of_steps_keeps_what_was_committed(steps: Sequence[tuple[str, list[int] | int]]) -> None:
    """Beside a model: names that wait, in order, and names that were refused."""
    waiting: list[str] = []
    refused: set[str] = set()
    numbers = iter(range(1, 10_000))
    with tempfile.TemporaryDirectory() as place:
        file = SpoolFile.create(Path(place), DATABASE)
        for step, value in steps:
            if isinstance(value, list):
                file.begin()
                file.append([Arrival(next(numbers), delivery(one)) for one in value], PLENTY)
                if step == "undo":
                    file.reopen()
                else:
                    file.commit()
                    for name in (f"evt_{one}" for one in value):
                        if name not in waiting and name not in refused:
                            waiting.append(name)
            elif step == "reopen":
                file.abandon()
                again = SpoolFile.claim(file.path)
                assert again is not None
                file = again
            else:
                file.begin()
                found = file.first(max(value, 1), 1 << 20)
                if step == "settle":
                    file.forget([one.seq for one in found])
                    del waiting[: len(found)]
                elif found:
                    file.refuse(found[0].seq, "no")
                    refused.add(waiting.pop(0))
                file.commit()
            held = file.held
            assert (held.waiting, held.refused) == (len(waiting), len(refused))
            assert [one.delivery.external_id for one in file.first(100, 1 << 20) if one.delivery] == waiting
            file.recount()
            assert (file.held.waiting, file.held.refused) == (held.waiting, held.refused)
        file.close()
