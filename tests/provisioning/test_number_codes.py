"""Codes that are sent to numbers we have bought: one that is lost is asked for again, as often as Meta sends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.backplane.effects import EffectLedger
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Scope
from pilar.errors import Invalid, Transient
from pilar.ids import new_id
from pilar.provisioning import store
from pilar.provisioning.number_codes import LOST_AFTER, BoughtNumberCodes
from pilar.provisioning.own_channel import MOST_CODES, WITHIN
from pilar.provisioning.steps import DatabaseStep, Job, Wait
from tests.fixtures.studios import add_studio
from tests.fixtures.work import Bench

NUMBER = "+31201234567"


class Meta:
    """Meta, which sends codes that may get lost, and takes one."""

    def __init__(self) -> None:
        self.sent, self.told = 0, list[str]()

    def request_code(self, token: str, number_id: str, language: str) -> None:
        self.sent += 1

    def verify_code(self, token: str, number_id: str, code: str) -> None:
        self.told.append(code)
        if code != "123456":
            raise Invalid("This is not the code.")


def _job(bench: Bench) -> Job:
    studio = add_studio(bench.database)
    with bench.database.transaction(Scope.fleet()) as connection:
        new = store.NewJob(new_id(), studio, f"sub_{studio}", "cus", new_id(), studio.bytes, b"sealed")
        store.create_job(connection, new, [DatabaseStep("one", "One", lambda *_: {})], bench.clocks.business.now())
        view = store.job_view(store.get_job(connection, new.id), [])
    return Job(**{**vars(view), "results": {"customer_validation": {}}})


def test_a_code_that_is_lost_is_asked_for_again_as_often_as_meta_sends_one(bench: Bench) -> None:
    meta, box, job = Meta(), SecretBox([new_key()]), _job(bench)
    graph: Any = meta
    ledger = EffectLedger(bench.database, bench.clocks, timeout=timedelta(seconds=1))
    codes = BoughtNumberCodes(bench.database, bench.clocks, graph, ledger, box)

    def prove() -> Wait | None:
        return codes.prove(job, "token", "106", NUMBER)

    def comes(code: str) -> None:
        with bench.database.transaction(Scope.fleet()) as connection:
            store.save_code(connection, job.workspace_id, f"SM{code}", box.seal(code), bench.clocks.real.now())

    begun = bench.clocks.business.now()
    for asked in range(1, MOST_CODES + 1):
        for _ in range(2):
            waits = prove()
            assert isinstance(waits, Wait)
            assert (waits.on, meta.sent) == ("meta", asked), "while one is on its way no other is asked for"
        bench.business.advance(LOST_AFTER)
    waits = prove()
    assert isinstance(waits, Wait)
    assert (meta.sent, "10 within 72 hours" in waits.reason) == (MOST_CODES, True)
    bench.business.advance(begun + WITHIN - bench.clocks.business.now())
    assert isinstance(prove(), Wait)
    assert meta.sent == MOST_CODES + 1
    # A wrong one is told once, and another is asked for at once.
    comes("654321")
    with pytest.raises(Transient, match="refused the code"):
        prove()
    bench.business.advance(LOST_AFTER)
    assert isinstance(prove(), Wait)
    comes("123456")
    assert prove() is None
    assert (meta.told, meta.sent) == (["654321", "123456"], MOST_CODES + 2)
