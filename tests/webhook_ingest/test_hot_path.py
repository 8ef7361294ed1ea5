"""What the door does without, to be quick: and that nothing is lost or hidden by it."""

from __future__ import annotations

import gc
import json
import logging

import pytest
from starlette.testclient import TestClient

from pilar.crypto import new_key
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.test_doors import STRIPE, WHATSAPP, event, kept, meta_headers, stripe_headers
from webhook_ingest import main


@pytest.mark.parametrize(
    "body",
    [
        b'{"entry":[],"name":"half \\ud83d of a pair"}',
        b'\xef\xbb\xbf{"entry":[]}',
        json.dumps({"entry": ["Olá"]}, ensure_ascii=False).encode("utf-16"),
    ],
    ids=["surrogate", "mark", "utf-16"],
)
def test_what_the_quick_parser_refuses_is_taken_all_the_same(body: bytes, client: TestClient, house: House) -> None:
    assert client.post(WHATSAPP, content=body, headers=meta_headers(body)).status_code == 200
    assert [one for _, _, one, _ in kept(house)] == [body]


def test_positions_tell_the_order_of_arrival(client: TestClient, house: House) -> None:
    for number in range(20):
        body = event(f"evt_{number}")
        assert client.post(STRIPE, content=body, headers=stripe_headers(house, body)).status_code == 200
    assert [name for _, name, _, _ in kept(house)] == [f"evt_{number}" for number in range(20)]


def test_a_delivery_that_is_taken_leaves_a_row_and_no_line_and_one_that_is_not_leaves_a_line(
    client: TestClient, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="webhook_ingest"):
        body = event()
        assert client.post(STRIPE, content=body, headers=stripe_headers(house, body)).status_code == 200
        assert STRIPE not in caplog.text
        assert len(kept(house)) == 1
        assert client.post(STRIPE, content=body).status_code == 403
        assert f"POST {STRIPE} 403" in caplog.text
        client.get("/api/health/autopilot")
        assert "GET /api/health/autopilot 200" in caplog.text


def test_what_a_process_has_loaded_is_left_out_of_the_search_for_garbage(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    monkeypatch.setenv("PILAR_SECRET_KEYS", new_key())
    thresholds = gc.get_threshold()
    gc.set_threshold(700)  # another test's worker may have raised it
    try:
        made = main.app()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] > 700
        made.state.pilar.close()
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
