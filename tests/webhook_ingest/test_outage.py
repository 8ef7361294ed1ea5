"""The web service while the database is away or slow: doors stay open, everything else is answered soon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from pilar.app import App
from pilar.backplane import heartbeat
from pilar.database.engine import Database, Scope
from pilar.errors import Overloaded, Transient
from pilar.workspaces import credentials
from pilar.workspaces.store import upsert_integration
from tests.backplane.line import Line
from tests.webhook_ingest.conftest import ORIGIN, House
from tests.webhook_ingest.doors import SMS, STRIPE, stripe_headers, twilio_request
from tests.webhook_ingest.test_doors import SUBACCOUNT, event, kept
from webhook_ingest.app import create_app
from webhook_ingest.shell import Shell
from webhook_ingest.turnstile import Turnstile
from webhook_ingest.webhooks.twilio import AccountTokens

HEALTH = "/api/health/autopilot"


class Away:
    """A line to the database, in a loop and thread of its own."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._line = Line(url)
        self._do(self._line.__aenter__())
        self.url = self._line.url

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def cut(self) -> None:
        self._do(self._line.cut())

    def mend(self) -> None:
        self._do(self._line.mend())

    def fall_silent(self) -> None:
        self._loop.call_soon_threadsafe(self._line.fall_silent)

    def close(self) -> None:
        self._do(self._line.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def line(database: Database) -> Iterator[Away]:
    made = Away(database.url)
    yield made
    made.close()


@contextmanager
def opened(house: House, url: str) -> Iterator[tuple[TestClient, App]]:
    """The web service of the house, at the end of a line."""
    database = Database(url)
    app = replace(house.app, database=database)
    with TestClient(create_app(app), base_url=ORIGIN) as client:
        yield client, app
    database.close()


def post(client: TestClient, house: House, number: int) -> int:
    body = event(f"evt_{number}")
    return client.post(STRIPE, content=body, headers=stripe_headers(house, body)).status_code


def settled(client: TestClient) -> dict[str, Any]:
    """The health once nothing is spooled any more."""
    for _ in range(600):
        health: dict[str, Any] = client.get(HEALTH).json()
        if health["database"] == "reachable" and health["inbox"]["state"] == "direct":
            return health
        client.portal.call(asyncio.sleep, 0.05)  # type: ignore[union-attr]
    raise AssertionError(health)


def test_the_door_stays_open_while_the_database_is_away_and_health_says_degraded(house: House, line: Away) -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "w1", house.real.now())
    with opened(house, line.url) as (client, _):
        assert post(client, house, 1) == 200
        line.cut()
        house.real.advance(timedelta(seconds=30))
        for number in (2, 3, 2):
            assert post(client, house, number) == 200
        house.real.advance(timedelta(seconds=7))
        answer = client.get(HEALTH)
        assert answer.status_code == 200
        health = answer.json()
        assert (health["status"], health["database"]) == ("degraded", "unreachable")
        assert health["inbox"] == {
            "state": "spooling", "waiting": 2, "oldest_seconds": 7.0, "refused": 0, "spooled": 3, "replayed": 0,
            "turned_away": 0,
        }  # fmt: skip
        line.mend()
        health = settled(client)
        assert (health["inbox"]["replayed"], health["inbox"]["waiting"]) == (2, 0)
    assert [name for _, name, _, _ in kept(house)] == ["evt_1", "evt_2", "evt_3"]


def test_what_is_spooled_when_the_service_ends_is_there_when_it_begins_again(house: House, line: Away) -> None:
    line.cut()
    with opened(house, line.url) as (client, _):
        assert post(client, house, 1) == 200
    line.mend()
    with opened(house, line.url) as (client, _):
        settled(client)
    assert [name for _, name, _, _ in kept(house)] == ["evt_1"]


def test_a_database_that_never_answers_leaves_door_and_health_check_answering(house: House, line: Away) -> None:
    with opened(house, line.url) as (client, _):
        assert post(client, house, 1) == 200
        assert client.get(HEALTH).json()["database"] == "reachable"
        line.fall_silent()
        assert [post(client, house, number) for number in (2, 3)] == [200, 200]
        for _ in range(200):
            if (health := client.get(HEALTH)).json()["database"] == "unreachable":
                break
        assert (health.json()["status"], health.status_code) == ("degraded", 200)
        line.mend()
        settled(client)
    assert sorted(name for _, name, _, _ in kept(house)) == ["evt_1", "evt_2", "evt_3"]


def test_twilios_account_that_was_known_is_known_while_the_database_is_away(house: House, line: Away) -> None:
    studio = house.studio("North")
    with house.app.database.transaction(Scope.fleet()) as connection:
        sealed = credentials.seal(house.app.box, {"auth_token": "subaccount-token"})
        upsert_integration(
            connection, studio.workspace_id, "twilio", now=house.real.now(), external_id=SUBACCOUNT,
            sealed_credentials=sealed,
        )  # fmt: skip
    ticks = [0.0]
    database = Database(line.url)
    tokens = AccountTokens(replace(house.app, database=database), tick=lambda: ticks[0])

    async def story() -> None:
        assert await tokens.of(SUBACCOUNT) == ("subaccount-token",)
        line.cut()
        ticks[0] = 3_600.0
        assert await tokens.of(SUBACCOUNT) == ("subaccount-token",)
        with pytest.raises(Transient):  # whether there is such an account can't be said
            await tokens.of("AC" + "b2" * 16)
        ticks[0] = 100_000.0
        with pytest.raises(Transient):
            await tokens.of(SUBACCOUNT)
        line.mend()
        line.fall_silent()
        with pytest.raises(Transient):
            await tokens.of(SUBACCOUNT)
        line.mend()
        assert await tokens.of(SUBACCOUNT) == ("subaccount-token",)

    asyncio.run(story())
    database.close()


def test_an_unknown_twilio_account_has_to_come_again_while_the_database_is_away(house: House, line: Away) -> None:
    line.cut()
    with opened(house, line.url) as (client, _):
        answer = client.post(**twilio_request(SMS, {"AccountSid": SUBACCOUNT, "MessageSid": "SM1"}, "x"))
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) >= 1


# Load


def test_a_few_may_wait_and_all_others_are_turned_away_at_once() -> None:
    async def story() -> None:
        turnstile = Turnstile(at_once=2, waiting=3, patience=60)
        release = asyncio.Event()
        order: list[int] = []

        async def visit(number: int) -> None:
            async with turnstile.enter():
                order.append(number)
                await release.wait()

        visits = [asyncio.create_task(visit(number)) for number in range(8)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert order == [0, 1]
        assert [visit.done() for visit in visits] == [False] * 5 + [True] * 3
        with pytest.raises(Overloaded):
            turnstile.look()
        visits[2].cancel()  # its sender hung up: it makes room
        release.set()
        results = await asyncio.gather(*visits, return_exceptions=True)
        assert order == [0, 1, 3, 4]
        assert [type(result) for result in results[5:]] == [Overloaded] * 3
        assert turnstile.turned_away == 4
        turnstile.look()

    asyncio.run(story())


def test_nobody_waits_longer_than_it_may() -> None:
    async def story() -> None:
        turnstile = Turnstile(at_once=1, waiting=10, patience=0.01)
        async with turnstile.enter():
            with pytest.raises(Overloaded):
                async with turnstile.enter():
                    raise AssertionError
        async with turnstile.enter():
            pass

    asyncio.run(story())


@pytest.mark.parametrize("yields", range(8))
def test_a_turn_that_comes_while_it_is_given_up_goes_to_the_next(yields: int) -> None:
    async def story() -> None:
        turnstile = Turnstile(at_once=1, waiting=10, patience=60)
        leave = asyncio.Event()
        done: list[str] = []

        async def visit(name: str, until: asyncio.Event | None = None) -> None:
            async with turnstile.enter():
                if until:
                    await until.wait()
                done.append(name)

        first = asyncio.create_task(visit("first", leave))
        await asyncio.sleep(0)
        second, third = asyncio.create_task(visit("second")), asyncio.create_task(visit("third"))
        await asyncio.sleep(0)
        leave.set()
        for _ in range(yields):
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert done[0] == "first"
        assert done[-1] == "third"
        async with asyncio.timeout(1), turnstile.enter():
            pass

    asyncio.run(story())


def test_requests_that_queue_for_a_slow_database_are_turned_away_and_the_health_check_is_not(house: House) -> None:
    app = create_app(house.app)
    app.state.turnstile = Turnstile(at_once=2, waiting=2, patience=0.2)
    with (
        TestClient(app, base_url=ORIGIN) as client,
        psycopg.connect(house.app.database.url) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        other.execute("lock table limit_counter, api_token in access exclusive mode")
        headers = {"authorization": "Bearer pilar_nobody"}
        asked = [pool.submit(client.get, "/api/health/incidents", headers=headers) for _ in range(8)]
        early = [one.result(30) for one in asked if _ends_soon(one)]
        assert len(early) == 6
        assert {answer.status_code for answer in early} == {503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in early)
        assert {answer.json()["code"] for answer in early} == {"overloaded"}
        assert client.get("/static/app.css").status_code == 200
        assert client.get(HEALTH).status_code == 200
        other.rollback()
        assert {one.result(30).status_code for one in asked} == {401, 503}


def _ends_soon(one: Any) -> bool:
    try:
        one.result(3)
    except TimeoutError:
        return False
    return True


def test_more_open_requests_than_there_is_memory_for_are_turned_away() -> None:
    async def story() -> None:
        release = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        async def nothing() -> Any:
            return {"type": "http.request"}

        shell = Shell(slow, {}, https=False, open_at_most=2)
        statuses: list[int] = []

        async def ask() -> None:
            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])

            await shell({"type": "http", "path": "/", "method": "GET", "headers": []}, nothing, send)

        asked = [asyncio.create_task(ask()) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert statuses == [503]
        release.set()
        await asyncio.gather(*asked)
        await ask()
        assert statuses == [503, 200, 200, 200]

    asyncio.run(story())


def test_bodies_that_come_at_once_are_bounded_together(house: House) -> None:
    app = create_app(house.app)
    app.state.entrance._memory._free = 200_000
    with TestClient(app, base_url=ORIGIN) as client:
        answer = client.post(STRIPE, content=b"x" * 200_001)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert client.post(STRIPE, content=b"x" * 200_000).status_code == 403  # read, and not signed
        assert client.post(STRIPE, content=b"x" * 200_000).status_code == 403  # and given back
