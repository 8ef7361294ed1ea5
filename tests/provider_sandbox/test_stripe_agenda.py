"""What Stripe does by itself is done at its moment, once, whenever the sandbox gets to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pilar.clocks import ManualClock
from provider_sandbox.app import create_app
from provider_sandbox.config import Retry
from provider_sandbox.state import State
from provider_sandbox.stripe import agenda, store
from provider_sandbox.stripe.objects import Visitor
from provider_sandbox.stripe.signup import sign_up
from provider_sandbox.tasks import Bell, TaskQueue
from provider_sandbox.testing import sandbox_config

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
MONTHS_LATER = START + timedelta(days=100)


@contextmanager
def opened(place: Path, now: datetime) -> Iterator[tuple[State, TaskQueue, agenda.Agenda]]:
    clock, bell = ManualClock(now), Bell()
    state = State(place, clock, bell.ring)
    queue = TaskQueue("delivery", state, bell, clock, Retry(), 1)
    yield state, queue, agenda.Agenda(state, queue, bell)
    state.close()


def begun(place: Path) -> Path:
    with opened(place, START) as (state, queue, _agenda), state.transaction() as tx:
        store.seed(tx)
        for number in range(3):
            trial = 14 if number else None
            person = Visitor(f"S{number}", "Bo", f"bo{number}@studio.example", "", "NL", "PRO", trial_days=trial)
            sign_up(tx, queue, person, seed=1)
    return place


def happened(state: State) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    with state.transaction() as tx:
        told = [(event["type"], event["created"]) for event in tx.find("stripe.event")]
        balances = [(row["status"], row["net"]) for row in tx.run("select * from balance order by status")]
    return told, balances


def test_a_sandbox_that_dies_while_it_catches_up_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(begun(tmp_path / "whole"), MONTHS_LATER) as (state, _queue, kept):
        asyncio.run(kept.catch_up())
        expected = happened(state)
    assert len([kind for kind, _at in expected[0] if kind == "invoice.paid"]) == 3 + 3 + 2 * 3

    monkeypatch.setattr(agenda, "AT_ONCE", 2)
    place = begun(tmp_path / "killed")

    class Killed(BaseException):
        pass

    def killed(*_arguments: object) -> None:
        raise Killed

    for kind in agenda.HANDLERS:
        # It dies at the first appointment of each kind, in the middle of a transaction.
        with opened(place, MONTHS_LATER) as (state, _queue, kept), monkeypatch.context() as patch:
            patch.setattr(agenda, "HANDLERS", {**agenda.HANDLERS, kind: killed})
            try:
                asyncio.run(kept.catch_up())
            except Killed:
                continue
    with opened(place, MONTHS_LATER) as (state, _queue, kept):
        asyncio.run(kept.catch_up())
        assert happened(state) == expected


def test_time_that_passes_by_itself_brings_what_is_due(tmp_path: Path):
    clock = ManualClock(START)
    visitor = {"studio": "S", "owner_name": "Bo", "phone": "", "country": "NL", "plan": "PRO"}
    with TestClient(create_app(sandbox_config(tmp_path), clock)) as client:
        first = client.post("/control/signups", json=visitor | {"email": "a@studio.example"}).json()
        clock.advance(timedelta(days=29))
        # Nobody asks Stripe for anything: a write somewhere else is what wakes it.
        client.post("/control/signups", json=visitor | {"email": "b@studio.example"})
        for _ in range(100):
            [bought] = [
                one
                for one in client.get("/control/objects/stripe.subscription").json()
                if one["id"] == first["subscription"]
            ]
            if bought["latest_invoice"] != first["invoice"]:
                break
    assert bought["latest_invoice"] != first["invoice"]
