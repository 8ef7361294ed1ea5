"""A delivery of WhatsApp's holds many changes; kinds that nobody works on are counted and stop no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilar.backplane.handlers import Delivery
from pilar.clocks import system_clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid
from pilar.messaging.inbox import WhatsAppInbox


class _Work:
    def __init__(self, body: bytes) -> None:
        self.content = Delivery("whatsapp", "x", {}, body)


def _read(database: Database, body: Any) -> dict[str, Any]:
    work = _Work(body if isinstance(body, bytes) else json.dumps(body).encode())
    with database.transaction(Scope.fleet()) as connection:
        return WhatsAppInbox(system_clocks()).on_delivery(connection, work)  # type: ignore[arg-type]


def test_kinds_are_counted_over_all_entries(database: Database) -> None:
    fields = [["flows", "calls"], ["flows"], []]
    entries = [{"id": "1", "changes": [{"field": name, "value": {}} for name in names]} for names in fields]
    assert _read(database, {"entry": entries}) == {"passed_over:flows": 2, "passed_over:calls": 1}


def test_messages_to_a_number_that_is_nobodys_are_counted(database: Database) -> None:
    value = {
        "metadata": {"display_phone_number": "31200001111", "phone_number_id": "77"},
        "messages": [{"id": "wamid.1", "from": "31612345678", "timestamp": "1767225600", "type": "text",
                      "text": {"body": "Hi"}}],
    }  # fmt: skip
    body = {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}
    assert _read(database, body) == {"nobodys": 1}


def test_what_is_no_json_is_refused_for_good(database: Database) -> None:
    with pytest.raises(Invalid, match="JSON"):
        _read(database, b"not json")
