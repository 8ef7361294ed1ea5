"""Stripe's webhooks. What belongs here: where they go and how they are signed."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import time

from provider_sandbox.config import SandboxConfig
from provider_sandbox.delivery import Outgoing, Signer
from provider_sandbox.state import State
from provider_sandbox.tasks import NotDone

TARGET = "stripe_webhook_url"


def signature(body: bytes, secret: str, timestamp: int) -> str:
    """The `Stripe-Signature` header of a body sent at `timestamp` (Unix seconds)."""
    digest = hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def signer(config: SandboxConfig, state: State) -> Signer:
    """Addresses and signs queued events; the time is the attempt's, as receivers refuse old signatures."""

    def sign(task: sqlite3.Row) -> Outgoing:
        with state.transaction() as tx:
            url = tx.setting(TARGET)
        if not url:
            raise NotDone("no address for Stripe's webhooks is set")
        body = task["body"].encode()
        return Outgoing(
            url,
            body,
            {
                "Content-Type": "application/json; charset=utf-8",
                "Stripe-Signature": signature(body, config.stripe_webhook_secret, int(time.time())),
                "User-Agent": "Stripe/1.0 (sandbox)",
            },
        )

    return sign
