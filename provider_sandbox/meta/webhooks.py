"""Meta's webhooks. What belongs here: where they go, how they are signed, and the verification handshake."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from pilar.ids import new_id
from provider_sandbox.config import SandboxConfig
from provider_sandbox.delivery import Outgoing, Signer
from provider_sandbox.meta.accounts import WABA
from provider_sandbox.state import State, Transaction
from provider_sandbox.tasks import NotDone, TaskQueue

TARGET = "meta_webhook_url"
MESSAGES = "messages"
"""The field of messages and statuses, whose entries carry no time of their own."""


@dataclass(frozen=True)
class Change:
    """One change of a business, as a webhook tells it."""

    waba: str
    field: str
    value: dict[str, Any]


def signature(body: bytes, app_secret: str) -> str:
    """The `X-Hub-Signature-256` header of a body."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def signer(config: SandboxConfig, state: State) -> Signer:
    """Addresses and signs queued changes."""

    def sign(task: sqlite3.Row) -> Outgoing:
        with state.transaction() as tx:
            url = _override(tx, task["body"]) or tx.setting(TARGET)
        if not url:
            raise NotDone("no address for Meta's webhooks is set")
        body = task["body"].encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua (sandbox)",
            "X-Hub-Signature-256": signature(body, config.meta_app_secret),
        }
        return Outgoing(url, body, headers)

    return sign


def _override(tx: Transaction, body: str) -> str | None:
    """Where an account has its webhooks sent in place of the app's address."""
    accounts = {entry["id"] for entry in json.loads(body)["entry"]}
    return (tx.get(WABA, accounts.pop()) or {}).get("override") if len(accounts) == 1 else None


def announce(tx: Transaction, deliveries: TaskQueue, change: Change) -> str:
    """Queue the webhook of one change, whoever listens; return the delivery's name."""
    return _queue(tx, deliveries, [change])


def tell(tx: Transaction, deliveries: TaskQueue, changes: Sequence[Change], *, repeat: int = 1) -> str | None:
    """Queue one delivery of changes of any number of businesses, leaving out those that our app is not subscribed to.

    Args:
        tx: the open transaction.
        deliveries: the queue of webhooks.
        changes: each business gets one entry, in the order of its first change.
        repeat: how often the same delivery is sent, byte for byte.

    Returns:
        The delivery's name; None where nobody is to be told.
    """
    heard = [change for change in changes if (tx.get(WABA, change.waba) or {}).get("subscribed")]
    return _queue(tx, deliveries, heard, repeat) if heard else None


def _queue(tx: Transaction, deliveries: TaskQueue, changes: Sequence[Change], repeat: int = 1) -> str:
    name = str(new_id())
    entries: dict[str, dict[str, Any]] = {}
    for change in changes:
        entry = entries.setdefault(change.waba, {"id": change.waba})
        if change.field != MESSAGES:
            entry["time"] = int(tx.business_now().timestamp())
        entry.setdefault("changes", []).append({"field": change.field, "value": change.value})
    body = json.dumps({"object": "whatsapp_business_account", "entry": list(entries.values())}, ensure_ascii=False)
    # What concerns several businesses must not wait behind one of them.
    lane = f"meta {next(iter(entries))}" if len(entries) == 1 else f"meta {name}"
    for _ in range(repeat):
        deliveries.add(tx, topic="meta", name=name, lane=lane, body=body)
    return name


async def verify(client: httpx.AsyncClient, url: str, verify_token: str) -> bool:
    """Ask the product to prove that the webhook is its own; whether the challenge came back as plain text."""
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
    answer = await client.get(url, params=query)
    return answer.is_success and answer.text == challenge
