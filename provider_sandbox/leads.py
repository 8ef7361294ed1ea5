"""Simulated leads. What belongs here: getting to know a studio, reading what it sends, and writing back.

What they say is decided by `personas.py`. A lead reads a message a while after it was accepted, and exactly once,
whenever this process dies. Who has asked a studio to stop keeps count of what it sends all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from provider_sandbox import personas
from provider_sandbox.meta import contacts, inbound, statuses
from provider_sandbox.meta.inbound import Post
from provider_sandbox.meta.inbound_kinds import Said
from provider_sandbox.personas import Mind, Topic
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import Dropped, TaskQueue

QUEUE = "lead"
WIDTH = 16
KIND = "lead"
CONFIRMATIONS = 1
"""How many messages may follow a stop."""


class Known(ValueError):
    """The lead knows this studio already."""


class Stranger(LookupError):
    """Nobody of this number has written to this studio."""


@dataclass(frozen=True)
class NewLead:
    """Somebody who is about to write to a studio for the first time."""

    to: str
    sender: str
    name: str
    mind: Mind


class Leads:
    """Plays every lead."""

    def __init__(self, state: State, tasks: TaskQueue, deliveries: TaskQueue, delay: float) -> None:
        """`tasks` holds what is to be read; `delay` is how many seconds after its acceptance a message is read."""
        self._state = state
        self._tasks = tasks
        self._deliveries = deliveries
        self._delay = delay

    def arrive(self, tx: Transaction, leads: Sequence[NewLead]) -> list[Body]:
        """Let leads write their first messages, all in one delivery; return what `shown` tells of each.

        Raises:
            Known: one of them knows the studio already.
            Unreachable: there is no such studio.
        """
        bodies: list[Body] = []
        for lead in leads:
            phone = inbound.phone_of(tx, lead.to)
            identity = _identity(phone, contacts.digits(lead.sender))
            if tx.get(KIND, identity):
                raise Known(f"{lead.sender} has written to {lead.to} before.")
            body = {
                "id": identity,
                "to": phone["number"],
                "from": f"+{contacts.digits(lead.sender)}",
                "name": lead.name,
                "mind": asdict(lead.mind),
                "sent": 1,
                "received": 0,
                "after_stop": 0,
                "stop_delivery": None,
            }
            bodies.append(tx.put(KIND, identity, body, owner=phone["id"]))
        by_studio: dict[str, list[Said]] = {}
        for lead in leads:
            said = Said(lead.sender, personas.opening(lead.mind), lead.name)
            by_studio.setdefault(lead.to, []).append(said)
        inbound.receive(tx, self._deliveries, [Post(to, messages) for to, messages in by_studio.items()])
        return [shown(body) for body in bodies]

    def speak(self, tx: Transaction, to: str, sender: str, topic: Topic) -> Body:
        """Let a lead write without being asked; return what `shown` tells of them.

        Raises:
            Stranger: they have never written to this studio.
            Unreachable: there is no such studio.
        """
        phone = inbound.phone_of(tx, to)
        lead = tx.get(KIND, _identity(phone, contacts.digits(sender)))
        if lead is None:
            raise Stranger(f"{sender} has never written to {to}.")
        mind, text = personas.speak(Mind(**lead["mind"]), topic)
        lead["mind"] = asdict(mind)
        lead["sent"] += 1
        receipt = inbound.receive(tx, self._deliveries, [Post(lead["to"], [Said(lead["from"], text, lead["name"])])])
        if topic != "again":
            lead["stop_delivery"] = receipt.delivery if mind.stopped else None
            # A wish to be left alone that comes anew may be confirmed anew.
            lead["after_stop"] = 0
        tx.change(KIND, lead["id"], lead)
        return shown(lead)

    def hear(self, tx: Transaction, phone: Body, message: Body) -> None:
        """A message is on its way: a lead will read it; anybody else is no concern of ours."""
        lead = tx.get(KIND, _identity(phone, message["to"]))
        if lead is None:
            return
        lead["received"] += 1
        # A studio can't keep quiet about a wish that it has not been told of yet.
        if lead["stop_delivery"] and self._deliveries.done(tx, lead["stop_delivery"]):
            lead["after_stop"] += 1
            if lead["after_stop"] > CONFIRMATIONS:
                tx.effect("meta.message_after_stop", f"{phone['number']}:{lead['from']}")
        tx.change(KIND, lead["id"], lead)
        self._tasks.add(tx, topic=lead["id"], name=message["id"], lane=lead["id"], delay=self._delay)

    async def read(self, task: sqlite3.Row) -> None:
        """Read a message and perhaps reply to it."""
        with self._state.transaction() as tx:
            lead, message = tx.get(KIND, task["topic"]), tx.get(statuses.MESSAGE, task["name"])
            if lead is None or message is None:
                raise Dropped("the lead or the message is gone")
            mind, reply = personas.react(Mind(**lead["mind"]), message["text"])
            lead["mind"] = asdict(mind)
            if reply is not None:
                lead["sent"] += 1
                post = Post(lead["to"], [Said(lead["from"], reply, lead["name"])])
                receipt = inbound.receive(tx, self._deliveries, [post])
                if mind.stopped:
                    lead["stop_delivery"] = receipt.delivery
            tx.change(KIND, lead["id"], lead)
            self._tasks.end(tx, task)


def shown(lead: Body) -> dict[str, Any]:
    """A lead with what they sent and received."""
    mind = lead["mind"]
    return {
        **{name: lead[name] for name in ("to", "from", "name")},
        **{name: mind[name] for name in ("persona", "language", "seed", "stopped")},
        **{name: lead[name] for name in ("sent", "received", "after_stop")},
    }


def listed(tx: Transaction) -> list[dict[str, Any]]:
    """All leads, in the order in which they came."""
    return [shown(lead) for lead in tx.find(KIND)]


def counted(tx: Transaction) -> dict[str, dict[str, int]]:
    """How many leads each studio has by its number, and what they sent and received."""
    rows = tx.run(
        "select json_extract(body, '$.to') as number, count(*) as leads, sum(json_extract(body, '$.sent')) as sent,"
        " sum(json_extract(body, '$.received')) as received, sum(json_extract(body, '$.mind.stopped')) as stopped"
        " from object where kind = ? group by 1 order by 1",
        KIND,
    )
    names = ("leads", "sent", "received", "stopped")
    return {row["number"]: {name: row[name] for name in names} for row in rows}


def _identity(phone: Body, wa_id: str) -> str:
    return f"{phone['id']}:{wa_id}"
