"""Meta's webhooks. What belongs here: where they go, how they are signed, and the verification handshake."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from typing import Any

import httpx

from pilar.ids import new_id
from provider_sandbox.config import SandboxConfig
from provider_sandbox.delivery import Outgoing, Signer
from provider_sandbox.state import State, Transaction
from provider_sandbox.tasks import NotDone, TaskQueue

TARGET = "meta_webhook_url"


def signature(body: bytes, app_secret: str) -> str:
    """The `X-Hub-Signature-256` header of a body."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def signer(config: SandboxConfig, state: State) -> Signer:
    """Addresses and signs queued changes."""

    def sign(task: sqlite3.Row) -> Outgoing:
        with state.transaction() as tx:
            url = tx.setting(TARGET)
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


def announce(tx: Transaction, deliveries: TaskQueue, waba: str, field: str, value: dict[str, Any]) -> str:
    """Queue the webhook of one change of a business; return the delivery's name."""
    name = str(new_id())
    change = {"field": field, "value": value}
    entry = {"id": waba, "time": int(tx.now().timestamp()), "changes": [change]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, ensure_ascii=False)
    deliveries.add(tx, topic="meta", name=name, lane=f"meta {waba}", body=body)
    return name


async def verify(client: httpx.AsyncClient, url: str, verify_token: str) -> bool:
    """Ask the product to prove that the webhook is its own; whether the challenge came back as plain text."""
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
    answer = await client.get(url, params=query)
    return answer.is_success and answer.text == challenge
