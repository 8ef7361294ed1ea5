"""A delivery of WhatsApp's holds many changes; kinds that nobody works on are counted and stop no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilar.backplane.handlers import Delivery
from pilar.errors import Invalid
from pilar.messaging.inbox import WhatsAppInbox


class _Work:
    def __init__(self, body: bytes) -> None:
        self.content = Delivery("whatsapp", "x", {}, body)


def _read(body: Any) -> dict[str, Any]:
    return WhatsAppInbox().on_delivery(None, _Work(body if isinstance(body, bytes) else json.dumps(body).encode()))  # type: ignore[arg-type]


def test_kinds_are_counted_over_all_entries() -> None:
    fields = [["messages", "calls"], ["messages"], []]
    entries = [{"changes": [{"field": name} for name in names]} for names in fields]
    assert _read({"entry": entries}) == {"passed_over": {"messages": 2, "calls": 1}}


def test_what_is_no_json_is_refused_for_good() -> None:
    with pytest.raises(Invalid, match="JSON"):
        _read(b"not json")
