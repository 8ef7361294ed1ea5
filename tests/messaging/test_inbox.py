"""A delivery of WhatsApp's holds many changes; kinds that nobody works on are counted and stop no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Delivery
from pilar.clocks import system_clocks
from pilar.coach.defaults import training_logic
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid, NotFound
from pilar.ids import new_id
from pilar.messaging.inbox import WhatsAppInbox
from pilar.messaging.rooms import People
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PEOPLE = People(SecretBox([new_key()]), ())


class _Work:
    def __init__(self, body: bytes) -> None:
        self.id = new_id()
        self.content = Delivery("whatsapp", "x", {}, body)
        self.correlation_id = self.id
        self.recorded_at = NOW
        self.cause = Cause(correlation_id=self.id, causation_id=self.id)


def _read(database: Database, body: Any) -> dict[str, Any]:
    work = _Work(body if isinstance(body, bytes) else json.dumps(body).encode())
    with database.transaction(Scope.fleet()) as connection:
        return WhatsAppInbox(system_clocks(), PEOPLE).on_delivery(connection, work)  # type: ignore[arg-type]


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


def _message(kind: str = "text", **more: Any) -> dict[str, Any]:
    told = {"id": "wamid.1", "from": "31612345678", "timestamp": "1767225600", "type": kind}
    return told | {kind: {"body": "Hallo"}} | more


def _body(*messages: dict[str, Any], number: str = "77", **more: Any) -> dict[str, Any]:
    value = {"metadata": {"phone_number_id": number}, "messages": list(messages), **more}
    return {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}


@pytest.fixture
def studio(database: Database) -> UUID:
    """A studio with a number, and nothing else."""
    return _studio(database, "77")


def _studio(database: Database, number: str, *, configured: bool = True) -> UUID:
    now, identity = NOW, new_id()
    values = {"workspace_id": identity, "name": number, "state": "active", "plan": "PRO", "country": "NL",
              "time_zone": "Europe/Amsterdam", "created_at": now}  # fmt: skip
    profile = StudioProfile(name=number, country="NL", time_zone="Europe/Amsterdam", language="nl")
    with database.transaction(Scope.fleet()) as connection:
        workspaces.upsert_workspace(connection, values)
        workspaces.upsert_integration(connection, identity, "whatsapp", now=now, phone_number_id=number)
        if configured:
            document = StudioConfiguration(plan=Plan.PRO, studio=profile, coaching=training_logic())
            workspaces.save_configuration(connection, identity, document, changed_by="system", note="", now=now)
    return identity


def test_kinds_that_nobody_works_on_are_counted_and_stop_no_neighbour(database: Database, studio: UUID) -> None:
    error = {"code": 131051, "title": "Unsupported message type"}
    messages = [
        _message("reaction", id="wamid.r", reaction={"message_id": "wamid.0", "emoji": "👍"}),
        _message("system", id="wamid.s", system={"type": "user_changed_number", "wa_id": "31600000000"}),
        _message("unsupported", id="wamid.u", errors=[error]),
        _message("edit", id="wamid.e", edit={"original_message_id": "wamid.0", "message": {"type": "text"}}),
        _message("revoke", id="wamid.d", revoke={"original_message_id": "wamid.0"}),
        _message(id="wamid.g", group_id="group-1"),
        _message("of next/year", id="wamid.n"),
        _message(id="wamid." + "x" * 3_000),
        _message(id="wamid.t"),
        _message(id="wamid.t"),
    ]
    body = _body(*messages, errors=[error], statuses=[{"id": "wamid.0", "status": "of_next_year", "timestamp": "1"}])
    for field in ("calls", "message_echoes", "of_next_year"):
        body["entry"][0]["changes"].insert(0, {"field": field, "value": {"event": "connect"}})
    body["entry"].insert(0, {"id": "1", "changes": [{"field": "flows" + "/" * 99, "value": [1]}, None]})
    assert _read(database, body) == {
        "message": 1,
        "message_again": 1,
        "message_without_words:reaction": 1,
        "message_without_words:unsupported": 1,
        "message_without_words:of next/year": 1,
        "status_of_unknown_message": 1,
        "passed_over:messages.system": 1,
        "revision_unread:edit": 1,
        "revision_of_unknown": 1,
        "passed_over:messages.group": 1,
        "passed_over:messages.errors": 1,
        "passed_over:messages.malformed": 1,
        "passed_over:calls.connect": 1,
        "passed_over:message_echoes.connect": 1,
        "passed_over:of_next_year.connect": 1,
        "passed_over:malformed": 1,
        f"passed_over:flows{'_' * 35}.malformed": 1,
    }
    assert _column(database, "select provider_message_id from message order by 1") == [
        "wamid.n",
        "wamid.r",
        "wamid.t",
        "wamid.u",
    ]


def test_who_changed_their_number_has_opened_no_window(database: Database, studio: UUID) -> None:
    assert _read(database, _body(_message("system"))) == {"passed_over:messages.system": 1}
    assert _column(database, "select lead_id from conversation") == []


def test_what_lies_too_deep_spoils_its_own_item_only(database: Database, studio: UUID) -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"x": [deep]}
    spoilt = _message(id="wamid.2", context=deep) | {"text": deep}
    assert _read(database, _body(_message(), spoilt)) == {"message": 1, "message_without_words": 1}
    assert _read(database, _body(_message(id="wamid.3") | {"from": deep})) == {"passed_over:messages.malformed": 1}
    with pytest.raises(Invalid, match="JSON"):
        _read(database, b'{"entry":' + b"[" * 100_000)


def test_an_item_that_its_studio_cant_take_is_told_and_fails_no_other(database: Database, studio: UUID) -> None:
    _studio(database, "88", configured=False)
    body = _body(_message(id="wamid.1"))
    body["entry"] += _body(_message(id="wamid.2"), number="88")["entry"] + _body(_message(id="wamid.3"))["entry"]
    assert _read(database, body) == {"message": 2, "failed:not_found": 1}
    assert _column(database, "select provider_message_id from message order by 1") == ["wamid.1", "wamid.3"]
    (told,) = _column(database, "select payload->>'description' from autopilot_event where type = 'incident.requested'")
    assert "failed:not_found" in told
    with pytest.raises(NotFound):  # alone, it is a dead letter
        _read(database, _body(_message(id="wamid.2"), number="88"))


def test_words_of_the_senders_making_are_counted_together_where_there_are_many(database: Database) -> None:
    changes = [{"field": f"field_{number}", "value": {}} for number in range(80)]
    counts = _read(database, {"entry": [{"id": "1", "changes": changes}]})
    assert (len(counts), counts["others"]) == (51, 30)


def _column(database: Database, statement: str) -> list[Any]:
    with database.transaction(Scope.fleet()) as connection:
        return [row[0] for row in connection.exec_driver_sql(statement)]
