"""A studio with a Meta app of its own: its signature opens the door for that studio, and for no other."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.errors import Invalid, NotFound
from pilar.security.principals import Kind
from pilar.workspaces import credentials
from tests.webhook_ingest.conftest import House, Studio
from tests.webhook_ingest.doors import (
    STRIPE,
    WHATSAPP,
    connect,
    delivery,
    meta_headers,
    stripe_headers,
    written,
)
from tests.webhook_ingest.test_doors import event, kept

NORTH, SOUTH = "9001", "9002"


@pytest.fixture
def north(house: House) -> Studio:
    studio = house.studio("North")
    connect(house, studio, "whatsapp", "waba-n", NORTH)
    give(house, studio, "north-new, north-old")
    return studio


@pytest.fixture
def south(house: House) -> Studio:
    studio = house.studio("South")
    connect(house, studio, "whatsapp", "waba-s", SOUTH)
    return studio


def give(house: House, studio: Studio, secret: str | None, provider: str = "whatsapp") -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        credentials.give(
            connection, house.app.box, studio.workspace_id, provider, secret, actor="admin:test", now=house.real.now()
        )


def post(client: TestClient, body: bytes, secret: str) -> int:
    return client.post(WHATSAPP, content=body, headers=meta_headers(body, secret)).status_code


def drained(house: House) -> list[dict[str, Any]]:
    """What became of the parts of each delivery."""
    house.app.drain("test").run_until_idle(house.real.now() + timedelta(hours=1))
    return [row[0] for row in rows(house, "select result from queue_log where kind = 1 order by position")]


def rows(house: House, statement: str) -> list[Any]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return list(connection.exec_driver_sql(statement).all())


def writers(house: House) -> list[tuple[Any, str]]:
    return [tuple(row) for row in rows(house, "select workspace_id, provider_message_id from message"
                                              " where direction = 'in' order by provider_message_id")]  # fmt: skip


def test_either_secret_of_a_studios_app_is_right_during_rotation_and_so_is_the_platforms(
    client: TestClient, house: House, north: Studio
) -> None:
    secrets = ["meta-secret", "north-new", "north-old"]
    for secret in secrets:
        assert post(client, delivery(("waba-n", [written(NORTH, f"wamid.{secret}")])), secret) == 200
    assert drained(house) == [{"message": 1}] * 3
    assert writers(house) == [(north.workspace_id, f"wamid.{secret}") for secret in secrets]
    # Found by its account too, where no number is named.
    assert post(client, delivery(("waba-n", [{"field": "account_update", "value": {}}])), "north-new") == 200


def test_a_secret_of_a_studios_opens_nothing_of_anothers(
    client: TestClient, house: House, north: Studio, south: Studio
) -> None:
    assert post(client, delivery(("waba-s", [written(SOUTH, "wamid.1")])), "north-new") == 403
    give(house, south, "south-secret")
    assert post(client, delivery(("waba-n", [written(NORTH, "wamid.2")])), "south-secret") == 403
    assert kept(house) == []


def test_a_delivery_speaks_only_for_the_studios_whose_secret_signed_it(
    client: TestClient, house: House, north: Studio, south: Studio
) -> None:
    forged = {"event": "APPROVED", "message_template_id": 1, "message_template_name": "x",
              "message_template_language": "nl"}  # fmt: skip
    stop = {"metadata": {"phone_number_id": SOUTH},
            "user_preferences": [{"wa_id": "31612345678", "category": "marketing_messages", "value": "stop",
                                  "timestamp": 1767225600}]}  # fmt: skip
    body = delivery(
        ("waba-n", [written(NORTH, "wamid.n"), written(SOUTH, "wamid.under-norths-account")]),
        ("waba-s", [written(SOUTH, "wamid.s"), {"field": "message_template_status_update", "value": forged}]),
        ("waba-n", [{"field": "user_preferences", "value": stop}]),
    )
    assert post(client, body, "north-new") == 200
    assert drained(house) == [{"message": 1, "signed_for_another": 4}]
    assert writers(house) == [(north.workspace_id, "wamid.n")]
    assert rows(house, "select 1 from consent") == []
    # Nor is the genuine delivery, of the very same bytes, taken for one that was there already.
    assert post(client, body, "meta-secret") == 200
    assert drained(house)[1]["message_again"] == 1
    assert {identity for _, identity in writers(house)} == {"wamid.n", "wamid.s", "wamid.under-norths-account"}


def test_what_deliveries_were_made_of_can_be_asked(client: TestClient, house: House, north: Studio) -> None:
    for number, fields in enumerate((["calls", "calls"], ["calls", "flows"])):
        changes = [written(NORTH, f"wamid.{number}"), *({"field": field, "value": {}} for field in fields)]
        assert post(client, delivery(("waba-n", changes)), "north-new") == 200
    body = event()
    assert client.post(STRIPE, content=body, headers=stripe_headers(house, body)).status_code == 200
    drained(house)
    told = client.get("/api/autopilot/deliveries/items", headers=house.bearer(Kind.SYSTEM)).json()
    found = {(one["provider"], one["handler"], one["fate"]): one["count"] for one in told["items"]}
    assert found == {
        ("whatsapp", "whatsapp", "message"): 2,
        ("whatsapp", "whatsapp", "passed_over:calls"): 3,
        ("whatsapp", "whatsapp", "passed_over:flows"): 1,
        ("stripe", "provisioning.signup", "passed_over:invoice.paid"): 1,
        ("stripe", "affiliates.money", "passed_over:invoice.paid"): 1,
    }
    assert [one["count"] for one in told["items"] if one["is_passed_over"] and one["provider"] == "whatsapp"] == [3, 1]
    only = client.get(
        "/api/autopilot/deliveries/items?only_passed_over=true&hours=1", headers=house.bearer(Kind.SYSTEM)
    )
    assert {one["is_passed_over"] for one in only.json()["items"]} == {True}
    house.real.advance(timedelta(hours=2))
    assert (
        client.get("/api/autopilot/deliveries/items?hours=1", headers=house.bearer(Kind.SYSTEM)).json()["items"] == []
    )


def test_several_studios_of_one_app_are_all_spoken_for(
    client: TestClient, house: House, north: Studio, south: Studio
) -> None:
    give(house, south, "north-new")
    body = delivery(("waba-n", [written(NORTH, "wamid.n")]), ("waba-s", [written(SOUTH, "wamid.s")]))
    assert post(client, body, "north-new") == 200
    assert drained(house) == [{"message": 2}]


def test_a_forgotten_secret_opens_nothing(client: TestClient, house: House, north: Studio) -> None:
    give(house, north, None)
    assert post(client, delivery(("waba-n", [written(NORTH, "wamid.1")])), "north-new") == 403
    (row,) = rows(house, "select sealed_credentials from integration")
    assert "access_token" in house.app.box.open(bytes(row[0]))


def test_an_unsigned_delivery_asks_the_database_nothing_about_whom_it_names(
    client: TestClient, house: House, north: Studio
) -> None:
    many = delivery(*((f"waba-{number}", [written(f"{number}", "w")]) for number in range(3_000)))
    assert post(client, many, "north-new") == 403  # its own studio is not among the first that are looked up
    assert client.post(WHATSAPP, content=many).status_code == 403
    hostile = delivery(("waba\x00", [written("\ud800", "w")]), (7, [None]), ("x" * 99, [written([1], "w")]))  # type: ignore[arg-type,list-item]
    assert post(client, hostile, "north-new") == 403


def test_what_cant_be_a_secret_is_refused_in_words(house: House, north: Studio, south: Studio) -> None:
    with pytest.raises(Invalid, match="empty"):
        give(house, north, "  ")
    with pytest.raises(Invalid, match="'stripe' is neither"):
        give(house, north, "x", "stripe")
    with pytest.raises(NotFound, match="connected first"):
        give(house, south, "x", "twilio")
    audited = rows(house, "select actor, action, details::text from audit_log where action like 'credentials%%'")
    assert [tuple(row) for row in audited] == [("admin:test", "credentials.given", '{"which": "app_secret"}')]


def test_a_signed_event_with_a_text_that_no_database_can_hold_stops_no_neighbour(
    client: TestClient, house: House
) -> None:
    told = [{"id": "evt_0", "type": "a\x00b"}, {"id": "evt_1", "type": "a\ud800"}, {"id": "evt_2", "type": "a.b"}]
    about = {"object": {"id": "sub_\x00", "object": "subscription"}}
    told.append({"id": "evt_3", "type": "customer.subscription.updated", "data": about})  # type: ignore[dict-item]
    for one in told:
        body = json.dumps(one).encode()
        assert client.post(STRIPE, content=body, headers=stripe_headers(house, body)).status_code == 200
    drained(house)
    assert rows(house, "select 1 from queue") == []
    done = rows(house, "select result->>'type' from queue_log where kind = 1 and outcome = 'done'")
    assert [row[0] for row in done].count("a.b") == 2
