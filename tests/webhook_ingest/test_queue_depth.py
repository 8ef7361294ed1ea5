"""What is in the lanes: counted for each who asks where little waits, and for all of them where much does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from pilar.backplane.facts import Lane
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.test_queue_pages import words
from tests.webhook_ingest.test_work import ask
from webhook_ingest.api import depth
from webhook_ingest.api.depth import QueueDepth


def test_where_much_waits_one_count_serves_all_and_says_of_when_it_is(
    house: House, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    ask(house, None, "1", lane=Lane.BULK)
    assert "Waiting 1" in words(browser.get("/queue").text)
    ask(house, None, "2", lane=Lane.BULK)
    assert "Waiting 2" in words(browser.get("/queue").text), "where little waits it is counted each time"
    monkeypatch.setattr(depth, "FEW", 1)
    monkeypatch.setattr(depth, "_RESTS", 1e9)
    ask(house, None, "3", lane=Lane.BULK)
    house.real.advance(timedelta(seconds=12))
    told = words(browser.get("/queue").text)
    assert "Waiting 2" in told
    assert "what is in the lanes was counted 12 seconds ago" in told


def test_who_asks_after_a_long_rest_waits_for_a_new_count(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "FEW", -1)
    counting = QueueDepth(house.app)
    assert counting.look().total == 0
    ask(house, None, "1", lane=Lane.BULK)
    monkeypatch.setattr(depth, "_TOO_OLD_SECONDS", -1.0)
    assert counting.look().total == 1
