"""The deliveries that came in: found by time, by what they name and by what became of them; worked on again, once."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pilar.backplane import received, working_again
from pilar.backplane.facts import Job, Kind, Lane, enqueue
from pilar.backplane.handlers import Transactional, Work
from pilar.backplane.inbox import InboxWriter, NewDelivery
from pilar.backplane.notices import IncidentRequested
from pilar.backplane.received import DeliveryFilter, ReceivedDelivery, count_deliveries, find_delivery, list_deliveries
from pilar.backplane.retention import Keep, clean_up
from pilar.backplane.work import Status
from pilar.backplane.working_again import GivenBack, replay
from pilar.database.engine import Scope
from pilar.errors import NotFound, Permanent
from pilar.ids import new_id
from pilar.settings import Settings
from tests.fixtures.work import Bench, Chore

ALL = DeliveryFilter()
KEYS = timedelta(days=90)


def come(bench: Bench, *deliveries: tuple[str, str, Any], lane: Lane = Lane.INBOX) -> None:
    """Deliveries as (provider, id, body), a minute apart."""

    async def story() -> None:
        writer = InboxWriter(bench.database.url, lanes=1)
        writer.start()
        for provider, name, body in deliveries:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            bench.real.advance(timedelta(minutes=1))
            await writer.put(NewDelivery(provider, name, text, {"about": "x"}, received_at=bench.real.now(), lane=lane))
        await writer.stop()

    asyncio.run(story())


def drain(bench: Bench) -> None:
    made = bench.drain()
    made.run_until_idle(bench.real.now() + timedelta(hours=1))
    made.close()


def found(bench: Bench, filter: DeliveryFilter = ALL, **options: Any) -> list[ReceivedDelivery]:  # noqa: A002 - its word
    with bench.database.transaction(Scope.fleet()) as connection:
        return list_deliveries(connection, filter, **options).items


def names(bench: Bench, **wanted: Any) -> list[str]:
    return [one.external_id for one in found(bench, DeliveryFilter(**wanted))]


def again(bench: Bench, *ids: UUID, known_for: timedelta = KEYS) -> GivenBack:
    with bench.database.transaction(Scope.fleet()) as connection:
        return replay(connection, bench.clocks, actor="admin:anna", known_for=known_for, ids=ids, reason="a drill")


def id_of(bench: Bench, name: str) -> UUID:
    return next(one.id for one in found(bench, limit=200) if one.external_id == name)


def record(bench: Bench) -> Any:
    """A handler that asks for one job per delivery, as those of the product do."""

    def run(connection: Connection, work: Work[Any]) -> dict[str, Any]:
        document = json.loads(work.content.body)
        if document.get("refuse"):
            raise Permanent("This one can't be read.")
        job = Job(payload=Chore(name=work.content.external_id), key=f"of:{work.content.external_id}")
        return {"asked": enqueue(connection, bench.clocks, [job], work.cause)}

    return run


@pytest.fixture
def doors(bench: Bench) -> Bench:
    """A bench whose deliveries are worked on: Stripe's by two handlers, WhatsApp's by one."""
    bench.registry.know_event(IncidentRequested)
    bench.on_chore(lambda connection, work: None)
    bench.registry.on_delivery("whatsapp", "messages", Transactional(record(bench)))
    bench.registry.on_delivery("stripe", "one", Transactional(record(bench)))
    bench.registry.on_delivery("stripe", "two", Transactional(lambda connection, work: {"skipped": "not mine"}))
    return bench


def test_what_became_of_each_is_told(doors: Bench) -> None:
    come(doors, ("whatsapp", "w1", {}), ("whatsapp", "w2", {"refuse": True}), ("stripe", "evt_1", {}))
    assert [(one.external_id, one.status) for one in found(doors)] == [
        ("evt_1", Status.PENDING), ("w2", Status.PENDING), ("w1", Status.PENDING),
    ]  # fmt: skip
    drain(doors)
    stripe, dead, done = found(doors)
    assert (stripe.status, dead.status, done.status) == (Status.COMPLETED, Status.FAILED, Status.COMPLETED)
    assert {one.handler: one.result for one in stripe.handlers} == {"one": {"asked": 1}, "two": {"skipped": "not mine"}}
    assert (dead.error_code, dead.error, dead.finished_at) == ("permanent", "This one can't be read.", None)
    assert (done.attempts, done.bytes, done.finished_at) == (1, 2, doors.real.now())
    with doors.database.transaction(Scope.fleet()) as connection:
        assert find_delivery(connection, dead.id) == dead
        with pytest.raises(NotFound, match="no delivery"):
            find_delivery(connection, new_id())


def test_they_are_found_by_what_they_name_also_when_they_failed(doors: Bench) -> None:
    come(
        doors,
        ("whatsapp", "a", {"from": "31612345678", "id": "wamid.HBgLabc"}),
        ("whatsapp", "b", {"from": "31612345678", "refuse": True}),
        ("stripe", "evt_1", {"id": "evt_1", "customer": "cus_N1ffr", "note": "déjà vu"}),
        ("twilio", "SM1", b"Body=d%C3%A9j%C3%A0+vu&From=%2B31687654321"),
    )
    assert names(doors, search="evt_1") == ["evt_1"], "by its own id at once"
    drain(doors)
    assert names(doors, search="+31 6 1234 5678") == ["b", "a"]
    assert names(doors, search="wamid.HBgLabc") == ["a"]
    assert names(doors, search="cus_N1ffr") == ["evt_1"]
    assert names(doors, named=["cus_N1ffr", "31687654321"]) == ["SM1", "evt_1"][1:], "nobody here knows Twilio's"
    assert names(doors, search="31612345678", status=Status.FAILED) == ["b"]
    assert names(doors, search="31612345678", status=Status.COMPLETED) == ["a"]
    assert names(doors, search="nobody") == []
    assert names(doors, says="déjà vu") == ["SM1", "evt_1"]
    assert names(doors, says="déjà vu", provider="stripe") == ["evt_1"]
    assert names(doors, provider="whatsapp") == ["b", "a"]
    assert names(doors, status=Status.FAILED) == ["SM1", "b"]
    first = found(doors)[-1]
    assert names(doors, until=first.received_at) == []
    assert names(doors, until=first.received_at + timedelta(seconds=1)) == ["a"]
    assert names(doors, since=first.received_at + timedelta(seconds=1), provider="whatsapp") == ["b"]
    assert names(doors, ids=[first.id], provider="stripe") == []


@pytest.mark.parametrize(
    "wanted", [ALL, DeliveryFilter(provider="whatsapp"), DeliveryFilter(status=Status.COMPLETED),
               DeliveryFilter(status=Status.FAILED), DeliveryFilter(search="31612345678"), DeliveryFilter(says="316")],
)  # fmt: skip
def test_pages_go_on_where_the_one_before_ended(
    doors: Bench, wanted: DeliveryFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    come(doors, *(("whatsapp" if n % 3 else "stripe", f"d{n}", {"from": "31612345678", "refuse": n % 4 == 1})
                  for n in range(15)))  # fmt: skip
    drain(doors)
    whole = found(doors, wanted, limit=200)
    assert whole
    monkeypatch.setattr(received, "LOOKED_AT", 3)
    monkeypatch.setattr(received, "LOOKED_AT_FOR_STATUS", 2)
    paged: list[ReceivedDelivery] = []
    below = None
    with doors.database.transaction(Scope.fleet()) as connection:
        while True:
            page = list_deliveries(connection, wanted, below=below, limit=2)
            assert len(page.items) <= 2
            paged += page.items
            if page.below is None:
                break
            below = page.below
        assert paged == whole
        assert count_deliveries(connection, wanted, most=100) == (len(whole), None)
        monkeypatch.setattr(received, "_COUNTED_AT_ONCE", 1)
        assert count_deliveries(connection, wanted, most=2) == (2, whole[1].place)
        counted, below = 0, None
        while counted == 0 or below is not None:
            more, below = count_deliveries(connection, wanted, most=100, questions=1, below=below)
            counted += more
        assert counted == len(whole)


def test_what_was_worked_on_is_worked_on_again_and_done_once(doors: Bench) -> None:
    come(doors, ("stripe", "evt_1", {}), ("whatsapp", "w1", {}))
    drain(doors)
    ids = [one.id for one in found(doors)]
    assert again(doors, *ids, new_id()) == GivenBack(replayed=2, unknown=1)
    assert {one.status for one in found(doors)} == {Status.PENDING}
    assert again(doors, *ids) == GivenBack(waiting=2)
    drain(doors)
    assert {one.status for one in found(doors)} == {Status.COMPLETED}
    assert found(doors, DeliveryFilter(search="evt_1"))[0].handlers[0].result == {"asked": 0}
    assert doors.one("select count(*) from autopilot_job") == 2
    assert doors.one(f"select count(*) from queue_log where kind = {Kind.DELIVERY.value} and outcome = 'done'") == 6
    [entry] = doors.rows("select actor, details from audit_log where action = 'inbox.replayed'")
    assert (entry[0], entry[1]["count"], entry[1]["reason"]) == ("admin:anna", 2, "a drill")
    position = found(doors)[0].position
    with doors.database.transaction(Scope.fleet()) as connection:
        assert [one.replayed_by for one in received.replays_of(connection, position)] == ["admin:anna"]


def test_a_dead_one_goes_back_to_the_handler_that_could_not(doors: Bench) -> None:
    come(doors, ("stripe", "evt_1", {"refuse": True}))
    drain(doors)
    assert again(doors, id_of(doors, "evt_1")) == GivenBack(replayed=1)
    assert doors.rows("select handler from queue") == [("one",)]
    doors.registry.handlers[Kind.DELIVERY, "stripe"]["one"] = Transactional(lambda connection, work: {"read": 1})
    drain(doors)
    [told] = found(doors)
    assert (told.status, {one.handler: one.result for one in told.handlers}) == (
        Status.COMPLETED, {"one": {"read": 1}, "two": {"skipped": "not mine"}},
    )  # fmt: skip
    assert doors.one("select count(*) from dead_letter") == 0


def test_of_many_who_click_at_once_one_has_it_worked_on(doors: Bench) -> None:
    come(doors, ("whatsapp", "w1", {}))
    drain(doors)
    [one] = found(doors)
    results: list[GivenBack] = []
    clicks = [threading.Thread(target=lambda: results.append(again(doors, one.id))) for _ in range(4)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert sum(result.replayed for result in results) == 1
    assert doors.one("select count(*) from queue") == 1
    assert doors.one("select count(*) from audit_log where action = 'inbox.replayed'") == 1


def test_one_whose_keys_are_forgotten_is_left_alone(doors: Bench) -> None:
    come(doors, ("whatsapp", "w1", {}), ("whatsapp", "w2", {"refuse": True}))
    drain(doors)
    doors.real.advance(timedelta(days=31))
    ids = [one.id for one in found(doors)]
    assert again(doors, *ids, known_for=timedelta(days=30)) == GivenBack(replayed=1, too_old=1)
    assert doors.one("select count(*) from queue") == 1, "the one that nobody could read has caused nothing"


def test_what_a_delivery_names_is_forgotten_with_it_and_what_is_given_back_stays(doors: Bench) -> None:
    come(doors, *(("whatsapp", f"w{n}", {"from": "31612345678", "refuse": n == 1}) for n in range(3)))
    drain(doors)
    assert again(doors, id_of(doors, "w0")) == GivenBack(replayed=1)
    drain(doors)
    again(doors, id_of(doors, "w2"))
    doors.real.advance(timedelta(days=91))
    keep = Keep.of(Settings())
    assert clean_up(doors.database, doors.clocks, keep).deliveries == 1
    assert names(doors) == ["w2", "w1"], "one is given back to work, one is a dead letter"
    assert doors.one("select count(*) from inbox_subject") == 2
    assert (
        doors.rows("select p.position from inbox_replay p left join inbox i using (position) where i.id is null") == []
    )
    assert names(doors, search="31612345678") == ["w2", "w1"]


def test_forgetting_waits_for_whoever_gives_a_delivery_back(doors: Bench) -> None:
    come(doors, ("whatsapp", "w1", {}))
    drain(doors)
    doors.real.advance(timedelta(days=91))
    [one] = found(doors)
    gone: list[int] = []
    keep = Keep.of(Settings(keys_kept_days=400))
    forgetting = threading.Thread(target=lambda: gone.append(clean_up(doors.database, doors.clocks, keep).deliveries))
    with doors.database.transaction(Scope.fleet()) as connection:
        given = replay(connection, doors.clocks, actor="a", known_for=keep.keys, ids=[one.id])
        forgetting.start()
        while not connection.exec_driver_sql(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            f" and ((classid::bigint << 32) | objid::bigint) = {working_again.FORGETTING}"
        ).scalar():
            forgetting.join(0.01)
    forgetting.join()
    assert (given.replayed, gone) == (1, [0])
