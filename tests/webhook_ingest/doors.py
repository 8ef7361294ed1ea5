"""What the providers send, signed as they sign it. What belongs here: making requests; no assertions."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from pilar.database.engine import Scope
from pilar.workspaces import credentials
from pilar.workspaces.store import upsert_integration
from tests.webhook_ingest.conftest import ORIGIN, House, Studio

STRIPE, STRIPE_ALIAS = "/api/webhooks/stripe", "/api/provisioning/workspace"
SMS, STATUS = "/api/webhooks/twilio/sms", "/api/webhooks/twilio/status"
WHATSAPP, VERIFY = "/api/webhooks/whatsapp", "/api/provisioning/whatsapp/webhook/verify"
DOORS = [STRIPE, STRIPE_ALIAS, SMS, STATUS, WHATSAPP, VERIFY]
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def stripe_headers(house: House, body: bytes, secret: str = "whsec_new", age: int = 0) -> dict[str, str]:
    timestamp = int(house.real.now().timestamp()) - age
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={timestamp},v1={digest}"}


def meta_headers(body: bytes, secret: str = "meta-secret") -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def twilio_request(
    path: str, form: Mapping[str, str], token: str, query: str = "", origin: str = ORIGIN
) -> dict[str, Any]:
    url = origin + path + query
    headers = {"x-twilio-signature": RequestValidator(token).compute_signature(url, dict(form)), "content-type": FORM}
    return {"url": path + query, "content": urlencode(form), "headers": headers}


def twilio_json(path: str, document: Mapping[str, Any], token: str) -> dict[str, Any]:
    body = json.dumps(document).encode()
    query = "?bodySHA256=" + hashlib.sha256(body).hexdigest()
    signature = RequestValidator(token).compute_signature(ORIGIN + path + query, {})
    headers = {"x-twilio-signature": signature, "content-type": JSON}
    return {"url": path + query, "content": body, "headers": headers}


def connect(house: House, studio: Studio, provider: str, account: str, number: str | None = None, **kept: str) -> None:
    """Have a studio connected at a provider, as provisioning does it."""
    with house.app.database.transaction(Scope.fleet()) as connection:
        upsert_integration(
            connection, studio.workspace_id, provider, now=house.real.now(), external_id=account, state="connected",
            phone_number_id=number, sealed_credentials=credentials.seal(house.app.box, {"access_token": "t", **kept}),
        )  # fmt: skip


def written(number: str, identity: str, *, sender: str = "31612345678", **message: Any) -> dict[str, Any]:
    """A message to a number, as a change of a WhatsApp delivery."""
    told = {"id": identity, "from": sender, "timestamp": "1767225600", "type": "text", "text": {"body": "Hallo"}}
    value = {"metadata": {"display_phone_number": "31200001111", "phone_number_id": number}}
    return {"field": "messages", "value": {**value, "messages": [{**told, **message}]}}


def delivery(*entries: tuple[str, list[Any]]) -> bytes:
    """A WhatsApp delivery of entries: the account and its changes."""
    told = [{"id": account, "changes": changes} for account, changes in entries]
    return json.dumps({"object": "whatsapp_business_account", "entry": told}).encode()
