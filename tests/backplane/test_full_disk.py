"""A disk that is full refuses what comes, and holds up nothing that can go to the database: neither new nor old."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pilar.backplane.spool_file import Bounds, SpoolFile
from pilar.backplane.spool_places import spool_files
from pilar.backplane.spool_report import look, release_refused
from pilar.backplane.spool_rows import Arrival
from pilar.database.engine import Database
from pilar.errors import Transient
from tests.backplane.line import Line
from tests.backplane.test_outage import delivery, door, is_through, names, stored, until, waiting

PLENTY = Bounds(bytes=1 << 30, rows=1_000_000)


class Disk:
    """Takes nothing more while it is full; what is on it can be read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        begin, commit = SpoolFile.begin, SpoolFile.commit
        before: dict[SpoolFile, int] = {}

        def begun(file: SpoolFile) -> None:
            begin(file)
            before[file] = file._connection.total_changes

        def committed(file: SpoolFile) -> None:
            if self.is_full and file._connection.total_changes != before[file]:
                raise sqlite3.OperationalError("database or disk is full")
            commit(file)

        monkeypatch.setattr(SpoolFile, "begin", begun)
        monkeypatch.setattr(SpoolFile, "commit", committed)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_the_database_that_is_back_gets_all_although_the_disk_stays_full(
    database: Database, tmp_path: Path, disk: Disk
) -> None:
    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path, lanes=1) as writer:
            await line.cut()
            await asyncio.gather(*(writer.put(delivery(number)) for number in range(1_200)))
            disk.is_full = True
            with pytest.raises(Transient):
                await writer.put(delivery(9_999))
            assert waiting(writer) == 1_200
            await line.mend()
            await until(lambda: is_through(writer))
            await writer.put(delivery(1_200))
            status = writer.status().spool
            assert status
            assert (status.replayed, status.oldest) == (1_200, None)
            # Away once more: what is refused now is told so, and what is stored is not replayed again.
            await line.cut()
            with pytest.raises(Transient):
                await writer.put(delivery(1_201))
            disk.is_full = False
            await writer.put(delivery(1_201))
            assert waiting(writer) == 1
            await line.mend()
            await until(lambda: is_through(writer))
            assert writer.status().spool.replayed == 1_201  # type: ignore[union-attr]

    asyncio.run(story())
    assert stored(database) == names(*range(1_202))
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_could_not_be_removed_is_no_second_delivery_to_the_next_process(
    database: Database, tmp_path: Path, disk: Disk
) -> None:
    async def story() -> None:
        async with Line(database.url) as line:
            async with door(line.url, tmp_path) as writer:
                await line.cut()
                await asyncio.gather(*(writer.put(delivery(number)) for number in range(20)))
                disk.is_full = True
                await line.mend()
                await until(lambda: is_through(writer))
            assert [one.waiting for one in look(tmp_path / "spool")] == [20]
            disk.is_full = False
            async with door(line.url, tmp_path) as writer:
                await until(lambda: is_through(writer))

    asyncio.run(story())
    assert stored(database) == names(*range(20))
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_the_database_refuses_is_put_aside_when_there_is_room(
    database: Database, tmp_path: Path, disk: Disk
) -> None:
    poison = replace(delivery(900), headers={"x": "nul \0"})

    async def story() -> None:
        async with Line(database.url) as line, door(line.url, tmp_path) as writer:
            await line.cut()
            await asyncio.gather(writer.put(delivery(0)), writer.put(poison), writer.put(delivery(1)))
            disk.is_full = True
            await line.mend()
            await until(lambda: is_through(writer))
            assert writer.status().spool.refused == 1  # type: ignore[union-attr]
            disk.is_full = False
            await until(lambda: look(tmp_path / "spool")[0].refused == 1)
            assert look(tmp_path / "spool")[0].waiting == 0

    asyncio.run(story())
    assert stored(database) == names(0, 1)


def test_what_is_released_meanwhile_is_replayed(tmp_path: Path) -> None:
    file = SpoolFile.create(tmp_path, "test")
    arrivals = [Arrival(number, delivery(number)) for number in range(6)]
    file.begin()
    file.append([Arrival(0, delivery(0), "it is bad"), *arrivals[1:]], PLENTY)
    file.commit()
    first = file.first(3, 1 << 20)
    file.remember([one.seq for one in first], [])
    assert [one.delivery and one.delivery.external_id for one in file.first(10, 1 << 20)] == names(4, 5)
    file.remember([one.seq for one in file.first(10, 1 << 20)], [])
    assert (file.held.waiting, file.held.refused) == (0, 1)
    assert release_refused(tmp_path) == 1
    file.recount()
    assert file.held.waiting == 1
    assert [one.delivery and one.delivery.external_id for one in file.first(10, 1 << 20)] == names(0)
    file.begin()
    file.catch_up()
    file.commit()
    assert (file.held.waiting, file.held.refused, file.is_behind) == (1, 0, False)
    [path] = spool_files(tmp_path)
    assert look(tmp_path)[0].waiting == 1
    file.close()
    assert path.exists()
