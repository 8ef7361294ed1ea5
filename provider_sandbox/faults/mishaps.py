"""Faults on the way to the product. What belongs here: what kind of event a webhook tells, and what befalls it.

What a webhook is judged by is committed together with what follows from it, so that a killed sandbox neither forgets
a fault nor plays it twice. A lost webhook is lost for good, as far as the courier is concerned: the product can still
ask the provider for what it would have told.
"""

from __future__ import annotations

import json
import sqlite3

from provider_sandbox.faults import store
from provider_sandbox.faults.plan import Strike
from provider_sandbox.faults.store import Faults
from provider_sandbox.state import State, Transaction
from provider_sandbox.tasks import Dropped, Postponed, TaskQueue

COPY = "copy"
"""What is noted of a second copy, so that nothing befalls it in turn."""


class Mishaps:
    """What the plan has in store for webhooks."""

    def __init__(self, state: State, faults: Faults, deliveries: TaskQueue) -> None:
        self._state = state
        self._faults = faults
        self._deliveries = deliveries

    def befall(self, task: sqlite3.Row) -> None:
        """Judge a webhook that is about to be sent; return where it is to go now.

        Raises:
            Postponed: it is held back.
            Dropped: it is lost.
        """
        if not self._faults.is_on:
            return
        with self._state.transaction() as tx:
            strike = self._faults.strike_webhook(tx, task["id"], task["topic"], event_of(task["topic"], task["body"]))
            outcome = self._carry_out(tx, task, strike) if strike else None
        if outcome:
            raise outcome

    def arrived(self, task: sqlite3.Row) -> None:
        """Let those go that were to arrive after this one."""
        if self._faults.is_on:
            with self._state.transaction() as tx:
                store.let_go(tx, provider=task["topic"], before=task["id"])

    def _carry_out(self, tx: Transaction, task: sqlite3.Row, strike: Strike) -> Postponed | Dropped | None:
        kind, seconds = strike.rule.kind, strike.rule.lasts
        told = f"fault of rule {strike.index + 1}: {kind}"
        if kind == "drop":
            return Dropped(told)
        if kind == "duplicate":
            again = {name: task[name] for name in ("topic", "name", "lane", "address", "body")}
            copy = self._deliveries.add(tx, **again, delay=seconds)
            store.judged(tx, copy, COPY)
            return None
        until = tx.now().timestamp() + seconds
        store.hold_back(tx, task["id"], until)
        return Postponed(told, until)


def event_of(provider: str, body: str) -> str:
    """The kind of event that a queued webhook tells, as patterns of rules are compared with.

    Stripe's types; Meta's fields, with statuses apart from messages and named by the status where it is one alone
    (`messages`, `statuses.read`, `account_update`); `sms` and `sms.status` of Twilio.
    """
    document = json.loads(body)
    if provider == "stripe":
        return str(document["type"])
    if provider == "twilio":
        return "sms" if document.get("SmsStatus") == "received" else "sms.status"
    changes = [change for entry in document["entry"] for change in entry["changes"]]
    return "+".join(dict.fromkeys(_field(change["field"], change["value"]) for change in changes))


def _field(field: str, value: dict[str, object]) -> str:
    statuses = value.get("statuses")
    if field != "messages" or not isinstance(statuses, list) or not statuses:
        return field
    told = dict.fromkeys(str(status["status"]) for status in statuses)
    return f"statuses.{next(iter(told))}" if len(told) == 1 else "statuses"
