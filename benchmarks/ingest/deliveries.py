"""Signed deliveries as bytes on the wire. What belongs here: their content, their signatures, and HTTP around them.

Three of four are WhatsApp's, as a fleet's are: one message of a lead or one status of ours. The fourth is a Stripe
event of an invoice. All are made before anything is measured, and no two have the same id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

STRIPE_SECRET = "whsec_benchmark"
META_SECRET = "benchmark"
STRIPE_PATH = "/api/webhooks/stripe"
WHATSAPP_PATH = "/api/webhooks/whatsapp"


def requests(count: int) -> Iterator[bytes]:
    """So many requests, complete with their headers; no other call ever gives the same ones.

    A Stripe signature is good for five minutes from now.
    """
    run = uuid4().hex
    for number in range(count):
        name = f"{run}{number:08d}"
        if number % 4 == 3:
            yield _stripe(_json(_invoice(name, number)))
        else:
            yield _whatsapp(_json(_status(name, number) if number % 4 == 2 else _message(name, number)))


def _stripe(body: bytes) -> bytes:
    now = int(time.time())
    digest = hmac.new(STRIPE_SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return _request(STRIPE_PATH, "Stripe-Signature", f"t={now},v1={digest}", body)


def _whatsapp(body: bytes) -> bytes:
    digest = hmac.new(META_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return _request(WHATSAPP_PATH, "X-Hub-Signature-256", f"sha256={digest}", body)


def _request(path: str, header: str, signature: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: benchmark\r\nUser-Agent: benchmark/1\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\n{header}: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _change(number: int, value: dict[str, Any]) -> dict[str, Any]:
    place = {"display_phone_number": "15550000000", "phone_number_id": f"{100_000_000_000_000 + number % 10_000}"}
    value = {"messaging_product": "whatsapp", "metadata": place, **value}
    entry = {"id": f"{200_000_000_000_000 + number % 10_000}", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _message(name: str, number: int) -> dict[str, Any]:
    sender = f"1555{number % 10_000_000:07d}"
    message = {
        "from": sender,
        "id": f"wamid.{name}",
        "timestamp": "1767225600",
        "type": "text",
        "text": {"body": "Hi! Is there still a place in tomorrow’s class at seven? I would bring a friend along."},
    }
    contact = {"profile": {"name": "A Lead"}, "wa_id": sender}
    return _change(number, {"contacts": [contact], "messages": [message]})


def _status(name: str, number: int) -> dict[str, Any]:
    status = {
        "id": f"wamid.{name}",
        "status": "delivered",
        "timestamp": "1767225600",
        "recipient_id": f"1555{number % 10_000_000:07d}",
        "biz_opaque_callback_data": name,
        "conversation": {"id": name[:32], "origin": {"type": "service"}},
        "pricing": {"billable": False, "pricing_model": "PMP", "category": "service", "type": "free_customer_service"},
    }
    return _change(number, {"statuses": [status]})


def _invoice(name: str, number: int) -> dict[str, Any]:
    customer, subscription = f"cus_{name[:14]}", f"sub_{name[:24]}"
    line = {
        "id": f"il_{name}",
        "object": "line_item",
        "amount": 9_900,
        "currency": "eur",
        "description": "1 × PILAR Pro (at 99.00 / month)",
        "period": {"start": 1_767_225_600, "end": 1_769_904_000},
        "quantity": 1,
        "pricing": {"type": "price_details", "price_details": {"price": "price_pro", "product": "prod_pilar"}},
        "parent": {"type": "subscription_item_details", "subscription_item_details": {"subscription": subscription}},
        "metadata": {},
    }
    invoice = {
        "id": f"in_{name}",
        "object": "invoice",
        "account_country": "NL",
        "amount_due": 9_900,
        "amount_paid": 9_900,
        "amount_remaining": 0,
        "attempt_count": 1,
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "created": 1_767_225_600,
        "currency": "eur",
        "customer": customer,
        "customer_email": "owner@studio.example",
        "lines": {"object": "list", "data": [line], "has_more": False},
        "number": f"PILAR-{number:08d}",
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription}},
        "status": "paid",
        "subtotal": 9_900,
        "total": 9_900,
    }
    return {
        "id": f"evt_{name}",
        "object": "event",
        "api_version": "2026-01-28",
        "created": 1_767_225_600,
        "data": {"object": invoice},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "invoice.paid",
    }
