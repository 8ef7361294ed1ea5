"""What becomes of a message. What belongs here: sent, delivered, read or failed, in what disorder, and who is told.

The disorder is drawn from the message's own content, so that the same message to the same person fares the same way.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from provider_sandbox.meta import contacts
from provider_sandbox.meta.accounts import PHONE
from provider_sandbox.meta.webhooks import MESSAGES, Change, tell
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import TaskQueue

QUEUE = "status"
WIDTH = 16
MESSAGE = "meta.message"
FAILED = "failed"
USUAL = ("sent", "delivered", "read")
UNUSUAL = (
    ("sent", "read", "delivered"),
    ("sent", "delivered", "delivered", "read"),
    ("sent", "sent", "delivered", "read"),
    ("sent", "read"),
)
"""What happens to two messages in five, each as often as the others."""


def course_of(digest: bytes) -> tuple[str, ...]:
    """The statuses of a message that arrives, in the order in which they are told."""
    chance = digest[0] % 10
    return UNUSUAL[chance] if chance < len(UNUSUAL) else USUAL


def digest_of(message: Body) -> bytes:
    """What a message's course is drawn from."""
    return hashlib.sha256(f"{message['to']}\n{message['text']}".encode()).digest()


class Statuses:
    """Tells the product what becomes of its messages."""

    def __init__(self, state: State, tasks: TaskQueue, deliveries: TaskQueue, delay: float) -> None:
        """`tasks` holds what is to be told; `delay` is how many seconds each status comes after the one before."""
        self._state = state
        self._tasks = tasks
        self._deliveries = deliveries
        self._delay = delay

    def follow(self, tx: Transaction, message: Body) -> None:
        """Plan the statuses of a message that was accepted."""
        course = _course(message)
        lane = f"meta {message['waba']}"
        for place, status in enumerate(course, start=1):
            self._tasks.add(tx, topic=status, name=message["id"], lane=lane, delay=self._delay * place)

    def hurry(self, tx: Transaction, phone: Body, wa_id: str) -> int:
        """Somebody opens their chat with a number: what is still to be told of its messages is told now.

        Returns:
            How many statuses that are.
        """
        now = tx.now().timestamp()
        hurried = tx.run(
            "update task set next_at = ? where queue = ? and state = 'pending' and name in"
            " (select id from object where kind = ? and owner = ? and key = ?) returning id",
            *(now, self._tasks.name, MESSAGE, phone["id"], wa_id),
        )
        return len(hurried)

    async def tell(self, task: sqlite3.Row) -> None:
        """Tell what is due for one business in one delivery, but never two statuses of one message at once."""
        with self._state.transaction() as tx:
            told: dict[str, sqlite3.Row] = {}
            for row in self._tasks.due(tx, task["lane"]):
                told.setdefault(row["name"], row)
            by_phone: dict[str, list[tuple[Body, Body]]] = {}
            for row in told.values():
                message = tx.get(MESSAGE, row["name"])
                if message:
                    status = _status(message, row["topic"])
                    message["statuses"].append(status["status"])
                    tx.change(MESSAGE, message["id"], message)
                    by_phone.setdefault(message["phone_id"], []).append((message, status))
                self._tasks.end(tx, row)
            changes = [_change(tx, phone_id, pairs) for phone_id, pairs in by_phone.items()]
            tell(tx, self._deliveries, changes)


def _course(message: Body) -> tuple[str, ...]:
    if message["error"]:
        return (FAILED, "delivered") if message["delivered_after_failure"] else (FAILED,)
    # Of a reaction Meta tells only that it was sent.
    return ("sent",) if message["type"] == "reaction" else course_of(digest_of(message))


def metadata(phone: Body) -> Body:
    """How a webhook names the number that it is about."""
    return {"display_phone_number": contacts.digits(phone["number"]), "phone_number_id": phone["id"]}


def _change(tx: Transaction, phone_id: str, pairs: Sequence[tuple[Body, Body]]) -> Change:
    phone = tx.get(PHONE, phone_id) or {}
    people = {message["to"]: contacts.shown(contacts.find(tx, phone, message["to"])) for message, _ in pairs}
    value = {
        "messaging_product": "whatsapp",
        "metadata": metadata(phone),
        "contacts": list(people.values()),
        "statuses": [status for _, status in pairs],
    }
    return Change(phone["waba"], MESSAGES, value)


def _status(message: Body, name: str) -> Body:
    # A second after the other, whatever the order in which they are told; told twice, it is the same moment.
    seconds = USUAL.index(name) if name in USUAL else 0
    moment = datetime.fromisoformat(message["at"]) + timedelta(seconds=seconds)
    status: Body = {
        "id": message["id"],
        "status": name,
        "timestamp": str(int(moment.timestamp())),
        "recipient_id": message["to"],
    }
    if message["callback"] is not None:
        status["biz_opaque_callback_data"] = message["callback"]
    if name == FAILED:
        return status | {"errors": [message["error"]]}
    conversation: Body = {"id": message["conversation"], "origin": {"type": message["category"]}}
    if name == "sent":
        conversation["expiration_timestamp"] = str(int((moment + contacts.WINDOW).timestamp()))
    pricing = {"billable": message["category"] != "service", "pricing_model": "PMP", "category": message["category"]}
    return status | {"conversation": conversation, "pricing": pricing}
