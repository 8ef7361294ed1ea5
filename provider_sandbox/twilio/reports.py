"""What becomes of an SMS. What belongs here: its statuses in their order, and the callbacks that tell them."""

from __future__ import annotations

import json
import sqlite3

from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import Dropped, TaskQueue
from provider_sandbox.twilio import accounts

QUEUE = "sms"
WIDTH = 16
MESSAGE = "twilio.message"
SENT, DELIVERED, UNDELIVERED, FAILED = "sent", "delivered", "undelivered", "failed"
REASONS = {
    30003: "Unreachable destination handset",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    63016: "Failed to send freeform message because you are outside the allowed window",
    63018: "Rate limit exceeded for channel",
}
REFUSED_AT_ONCE = 63000
"""From here on codes are a channel's, which refuses before anything is sent."""


class Reports:
    """Tells what becomes of the messages that accounts send."""

    def __init__(self, state: State, tasks: TaskQueue, deliveries: TaskQueue, delay: float) -> None:
        """`tasks` holds the statuses to come; `delay` is how many seconds each comes after the one before."""
        self._state = state
        self._tasks = tasks
        self._deliveries = deliveries
        self._delay = delay

    def follow(self, tx: Transaction, message: Body, callback: str | None, error: int | None) -> None:
        """Plan the statuses of a message.

        Args:
            tx: the open transaction.
            message: as it was accepted.
            callback: where its statuses are posted, None for nowhere.
            error: why it won't arrive, None where it will.
        """
        course: list[tuple[str, int | None]]
        if error is None:
            course = [(SENT, None), (DELIVERED, None)]
        elif error >= REFUSED_AT_ONCE:
            course = [(FAILED, error)]
        else:
            course = [(SENT, None), (UNDELIVERED, error)]
        for place, (status, code) in enumerate(course, start=1):
            body = json.dumps({"code": code, "callback": callback})
            name, delay = message["sid"], self._delay * place
            self._tasks.add(tx, topic=status, name=name, lane=f"sms {name}", body=body, delay=delay)

    async def tell(self, task: sqlite3.Row) -> None:
        """Change a message's status, and post it where that is wanted."""
        with self._state.transaction() as tx:
            message = tx.get(MESSAGE, task["name"])
            if message is None:
                raise Dropped("the message is gone")
            told = json.loads(task["body"])
            now = accounts.stamp(tx.now())
            message |= {"status": task["topic"], "date_updated": now, "date_sent": message["date_sent"] or now}
            if told["code"]:
                message |= {"error_code": told["code"], "error_message": REASONS.get(told["code"], "Delivery failed")}
                tx.effect("twilio.sms_undelivered", message["to"])
            tx.change(MESSAGE, message["sid"], message)
            if told["callback"]:
                self._post(tx, message, told["callback"])
            self._tasks.end(tx, task)

    def _post(self, tx: Transaction, message: Body, url: str) -> None:
        parameters = {
            "AccountSid": message["account_sid"],
            "ApiVersion": accounts.VERSION,
            "From": message["from"],
            "MessageSid": message["sid"],
            "MessageStatus": message["status"],
            "SmsSid": message["sid"],
            "SmsStatus": message["status"],
            "To": message["to"],
        }
        if message["error_code"]:
            parameters["ErrorCode"] = str(message["error_code"])
        name = f"{message['sid']} {message['status']}"
        body = json.dumps({"url": url, "parameters": parameters})
        account = message["account_sid"]
        self._deliveries.add(tx, topic="twilio", name=name, lane=f"sms {name}", address=account, body=body)
