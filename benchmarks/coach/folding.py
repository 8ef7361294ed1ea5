"""How fast statuses are folded where nothing else is to be done. What belongs here: the statuses, the run, the figure.

Each comes in a delivery of its own, as Meta sends most of them, and a message's three come in any order. They are there
when it begins, so that no sandbox and no door sets the pace.
"""

from __future__ import annotations

import json
import random
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg

from benchmarks.coach.burst import PER_SECOND
from benchmarks.coach.plan import Plan
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import Bar, Figure, progress
from pilar.backplane.drain import Drain
from pilar.backplane.handlers import Registry, Transactional
from pilar.clocks import system_clocks
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Database
from pilar.messaging.inbox import WhatsAppInbox
from pilar.messaging.rooms import People

STATUSES = ("sent", "delivered", "read")
STATUSES_PER_SECOND = len(STATUSES) * PER_SECOND
"""So many come in while messages go out at the burst's rate."""

_STUDIOS = """
insert into workspace (workspace_id, name, state, plan, country, time_zone, created_at)
select gen_random_uuid(), 'Studio ' || n, 'active', 'PRO', 'NL', 'Europe/Amsterdam', %(now)s
from generate_series(1, %(studios)s) n
"""
_INTEGRATIONS = """
insert into integration (workspace_id, provider, state, phone_number_id, details, updated_at)
select workspace_id, 'whatsapp', 'connected', (400000 + row_number() over ())::text, '{}', %(now)s from workspace
"""
_LEADS = """
insert into lead (workspace_id, id, provider_user_id, language, tags, properties, lifecycle, source, created_at)
select workspace_id, gen_random_uuid(), n::text, 'nl', '[]', '{}', 'lead', 'import', %(now)s
from workspace cross join generate_series(1, %(leads)s) n
"""
_MESSAGES = """
insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin, cause, provider_message_id,
                     occurred_at, attempted_at, accepted_at)
select workspace_id, gen_random_uuid(), id, 'out', 'template', 'accepted', 'marketing', 'coach:morning_nudge',
       'nudge:' || id, 'wamid.' || id, %(now)s, %(now)s, %(now)s
from lead
"""
_TOLD = """
select m.id::text, m.provider_message_id, i.phone_number_id
from message m join integration i using (workspace_id) order by m.id
"""
_DELIVERIES = """
with told as (
  insert into inbox (position, id, provider, external_id, headers, body, received_at)
  select nextval('fact_position'), gen_random_uuid(), 'whatsapp', md5(body), '{}', convert_to(body, 'UTF8'), %(now)s
  from unnest(%(bodies)s::text[]) body returning position
)
insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)
select position, '', 1, '00000000-0000-0000-0000-000000000000', 'whatsapp', 'default', 50, 0, 12, %(now)s from told
"""


def folding(server: Server, counts: Plan) -> list[Figure]:
    """Fold the statuses of a burst's messages, by one process."""
    rates = []
    for number in range(1, counts.rounds + 1):
        url = server.ours("coach_folding")
        statuses = _settle(url, counts)
        settle_down(url)
        registry, clocks = Registry(), system_clocks()
        inbox = WhatsAppInbox(clocks, People(SecretBox([new_key()]), ()))
        registry.on_delivery("whatsapp", "messaging.inbox", Transactional(inbox.on_delivery, inbox.on_deliveries))
        with closing(Database(url)) as database, closing(Drain(database, registry, clocks, "folding")) as drain:
            began = time.perf_counter()
            drain.run_until_idle(clocks.real.now() + timedelta(minutes=10))
            rates.append(statuses / (time.perf_counter() - began))
        with psycopg.connect(url) as connection:
            left = connection.execute("select count(*) from message where state <> 'read'").fetchone()
        if left != (0,):
            raise RuntimeError(f"messages that are not read: {left}")
        progress(f"folding, round {number}: {rates[-1]:,.0f} statuses/s")
        server.drop("coach_folding")
    return [
        Figure(
            f"{statuses:,} statuses in disorder, each in a delivery of its own, folded by one process",
            "/s",
            tuple(rates),
            Bar(STATUSES_PER_SECOND, is_goal=True),
        )
    ]


def _settle(url: str, counts: Plan) -> int:
    now = datetime.now(UTC) - timedelta(minutes=1)
    values = {"now": now, "studios": counts.burst_studios, "leads": counts.burst_leads}
    with psycopg.connect(url) as connection:
        # What refers to what is right by how it is made.
        connection.execute("set local session_replication_role = replica")
        for statement in (_STUDIOS, _INTEGRATIONS, _LEADS, _MESSAGES):
            connection.execute(statement, values)
        bodies = [
            _body(*row, status, int(now.timestamp()))
            for row in connection.execute(_TOLD).fetchall()
            for status in STATUSES
        ]
        random.Random(1).shuffle(bodies)
        connection.execute(_DELIVERIES, {"now": now, "bodies": bodies})
    return len(bodies)


def _body(message: str, provider_id: str, number: str, status: str, at: int) -> str:
    told = {
        "id": provider_id, "status": status, "timestamp": str(at), "recipient_id": "31612345678",
        "biz_opaque_callback_data": message, "pricing": {"billable": True, "category": "marketing"},
    }  # fmt: skip
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, "statuses": [told]}
    return json.dumps({
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    })  # fmt: skip
