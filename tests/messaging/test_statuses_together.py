"""Statuses that are folded in bulk end as they do one by one, in whatever order they come."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from pilar.backplane.facts import Cause
from pilar.backplane.handlers import ALONE, Delivery
from pilar.clocks import system_clocks
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.messaging.inbox import SIGNED_FOR, WhatsAppInbox
from pilar.messaging.rooms import People
from pilar.messaging.statuses_together import PLAIN
from tests.messaging.test_inbox import _studio
from tests.properties import examples

NOW = datetime(2026, 3, 1, tzinfo=UTC)
INBOX = WhatsAppInbox(system_clocks(), People(SecretBox([new_key()]), ()))
KINDS = ("taken", "taken", "in_doubt", "erased", "unknown")
"""What the messages of an example are, by their number."""


_STATEMENTS = (
    """
    insert into lead (workspace_id, id, provider_user_id, language, tags, properties, lifecycle, source, created_at)
    values (:w, :l, cast(:who as text), 'nl', '[]', '{}', :life, 'import', :now)
    """,
    """
    insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin, cause, text,
                         provider_message_id, occurred_at, attempted_at, accepted_at)
    values (:w, :m, :l, 'out', 'text', :state, 'marketing', 'coach:test', cast(:m as text), :number, cast(:p as text),
            :now, :now, case when cast(:p as text) is not null then cast(:now as timestamptz) end)
    """,
    "insert into lead_reach (workspace_id, lead_id, undelivered, marketing_waits) values (:w, :l, 1, 1)",
)


class _Work:
    position = 0

    def __init__(self, body: bytes, signed_for: UUID | None = None) -> None:
        self.id = new_id()
        headers = {SIGNED_FOR: str(signed_for)} if signed_for else {}
        self.content = Delivery("whatsapp", "x", headers, body)
        self.correlation_id = self.id
        self.recorded_at = NOW
        self.cause = Cause(correlation_id=self.id, causation_id=self.id)


@dataclass
class _Side:
    """A studio with a lead and a message of each kind."""

    id: UUID
    number: str
    messages: list[UUID] = field(default_factory=list)

    def settle(self, connection: Connection) -> None:
        self.messages = [new_id() for _ in KINDS]
        for number, (message, kind) in enumerate(zip(self.messages, KINDS, strict=True)):
            if kind == "unknown":
                continue
            lead = new_id()
            values = {"w": self.id, "l": lead, "m": message, "p": f"wamid.{message}", "now": NOW, "number": str(number), "who": f"{number}:{lead}",
                      "life": "erased" if kind == "erased" else "lead", "state": "accepted"}  # fmt: skip
            if kind == "in_doubt":
                values |= {"p": None, "state": "unknown"}
            for statement in _STATEMENTS:
                connection.execute(text(statement), values)

    def delivery(self, told: list[tuple[int, str, int]], *, by_callback: bool) -> _Work:
        statuses = []
        for number, status, second in told:
            one: dict[str, Any] = {
                "id": f"wamid.{self.messages[number]}", "status": status, "recipient_id": "31612345678",
                "timestamp": str(int((NOW + timedelta(seconds=second)).timestamp())),
            }  # fmt: skip
            if by_callback or KINDS[number] == "in_doubt":
                one["biz_opaque_callback_data"] = str(self.messages[number])
            if status == "failed":
                one["errors"] = [{"code": 131000, "title": "Something went wrong"}]
            statuses.append(one)
        value = {"metadata": {"phone_number_id": self.number}, "statuses": statuses}
        return _Work(json.dumps({"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}).encode())

    def world(self, connection: Connection) -> list[Any]:
        statement = """
            select m.text, m.state, m.error_code, m.accepted_at is null, m.provider_message_id is null, r.undelivered,
                   r.marketing_waits, array(select (s.status, s.at, s.error_code)::text from message_status s
                                            where s.workspace_id = m.workspace_id and s.message_id = m.id order by 1)
            from message m join lead_reach r on r.workspace_id = m.workspace_id and r.lead_id = m.lead_id
            where m.workspace_id = :w and m.id = any(:ids) order by 1
        """
        return [tuple(row) for row in connection.execute(text(statement), {"w": self.id, "ids": self.messages})]


STATUSES = st.sampled_from(["sent", "delivered", "read", "sent", "delivered", "read", "failed", "of_next_year"])
TOLD = st.tuples(st.sampled_from([0, 1, 2, 4]), STATUSES, st.integers(0, 2))
DELIVERIES = st.lists(st.tuples(st.lists(TOLD, min_size=1, max_size=3), st.booleans()), min_size=1, max_size=12)


def test_together_they_end_as_one_by_one(database: Database) -> None:
    together, alone = (_Side(_studio(database, number), number) for number in ("77", "78"))

    @settings(max_examples=examples(45), suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(DELIVERIES, st.randoms(use_true_random=False))
    def same(deliveries: list[tuple[list[tuple[int, str, int]], bool]], chance: Any) -> None:
        with database.transaction(Scope.fleet()) as connection:
            together.settle(connection)
            alone.settle(connection)
            works = [together.delivery(told, by_callback=by) for told, by in deliveries]
            said = INBOX.on_deliveries(connection, works)  # type: ignore[arg-type]
            left = [place for place, one in enumerate(said) if one is ALONE]
            done = [place for place, one in enumerate(said) if one is not ALONE]
            for place, (told, _) in enumerate(deliveries):
                is_plain = all(KINDS[number] == "taken" and status in PLAIN for number, status, _ in told)
                assert is_plain == (place in done)
            for place in left:
                INBOX.on_delivery(connection, works[place])  # type: ignore[arg-type]
            chance.shuffle(done)
            for place in [*done, *left]:
                told, by = deliveries[place]
                INBOX.on_delivery(connection, alone.delivery(told, by_callback=by))  # type: ignore[arg-type]
            assert together.world(connection) == alone.world(connection)

    same()


def test_what_is_anothers_or_held_is_left_alone_and_waited_for_by_nobody(database: Database) -> None:
    side = _Side(_studio(database, "77"), "77")
    with database.transaction(Scope.fleet()) as connection:
        side.settle(connection)
        told = [side.delivery([(0, "read", 0)], by_callback=False), side.delivery([(1, "read", 0)], by_callback=False)]
        nobodys = _Side(side.id, "79", side.messages).delivery([(0, "read", 0)], by_callback=True)
        forged = _Work(told[0].content.body, signed_for=new_id())
        erased = side.delivery([(1, "read", 0), (3, "read", 0)], by_callback=True)
        twice = side.delivery([(1, "read", 0), (1, "read", 0)], by_callback=True)
    with database.transaction(Scope.fleet()) as other, database.transaction(Scope.fleet()) as connection:
        other.execute(text("select from lead where starts_with(provider_user_id, '0') for update"))
        works = [*told, nobodys, forged, _Work(b'"statuses"'), erased, twice]
        said = INBOX.on_deliveries(connection, works)  # type: ignore[arg-type]
        assert said == [ALONE, {"status": 1}, *[ALONE] * 4, {"status_again": 2}]
        assert INBOX.on_deliveries(connection, [told[1]]) == [{"status_again": 1}]  # type: ignore[list-item]
