"""Phone numbers on WhatsApp. What belongs here: adding, verifying and registering one, by Meta's rules."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import timedelta

import phonenumbers

from pilar.tokens import same
from provider_sandbox.meta import errors
from provider_sandbox.meta.accounts import PHONE, new_node_id
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.state import Body, Transaction
from provider_sandbox.tasks import TaskQueue
from provider_sandbox.twilio import messages

CODE_LIFE = 600
METHODS = ("SMS", "VOICE")
MOST_CODES, CODES_WITHIN = 10, timedelta(hours=72)
ELSEWHERE = "meta.elsewhere"
"""Numbers that somebody uses in the WhatsApp app, or another company: they can't be added."""
SENDER = "WhatsApp"
FIELDS = (
    *("id", "display_phone_number", "verified_name", "code_verification_status", "status", "quality_rating"),
    *("platform_type", "name_status", "account_mode", "messaging_limit_tier", "throughput"),
    "whatsapp_business_manager_messaging_limit",
)


WEEK = timedelta(days=7)


def add(tx: Transaction, waba: Body, fields: Mapping[str, str]) -> Body:
    """Add a number to a business; a number can be on WhatsApp once only."""
    dial = re.sub(r"\D", "", fields.get("cc", ""))
    national = re.sub(r"\D", "", fields.get("phone_number", ""))
    name = fields.get("verified_name", "").strip()
    # The parameter is the number without its country code; full numbers are taken too, as Meta's own examples give.
    if dial and national.startswith(dial) and len(national) >= 11:
        national = national.removeprefix(dial)
    number = f"+{dial}{national}"
    if not dial or not 8 <= len(number) <= 16:
        raise errors.invalid("Param phone_number must be a valid phone number, with its country code in cc.")
    if not name:
        raise errors.invalid("The parameter verified_name is required.")
    if tx.find(PHONE, key=number) or tx.get(ELSEWHERE, number):
        raise GraphError(200000, "(#200000) Cannot add phone number to WhatsApp Business Account: it is already there.")
    identity = new_node_id()
    body = {
        "id": identity,
        "waba": waba["id"],
        "number": number,
        "account_mode": "LIVE",
        "code_verification_status": "NOT_VERIFIED",
        "display_phone_number": f"+{dial} {national}",
        "name_status": "PENDING_REVIEW",
        "platform_type": "NOT_APPLICABLE",
        "quality_rating": "UNKNOWN",
        "status": "PENDING",
        "throughput": {"level": "NOT_APPLICABLE"},
        "verified_name": name,
        "pin": None,
        "code": None,
        "code_at": 0.0,
    }
    tx.effect("meta.number_added", number)
    return tx.put(PHONE, identity, body, owner=waba["id"], key=number)


def add_before(tx: Transaction, waba: Body, number: str, name: str, pin: str | None) -> Body:
    """A business has a verified number of old; with a PIN it is registered, and that PIN is asked for ever after."""
    parsed = phonenumbers.parse(number)
    fields = {"cc": str(parsed.country_code), "phone_number": str(parsed.national_number), "verified_name": name}
    phone = add(tx, waba, fields)
    old = {**phone, "code_verification_status": "VERIFIED", "name_status": "APPROVED", "pin": pin}
    return tx.change(PHONE, phone["id"], old)


def request_code(tx: Transaction, deliveries: TaskQueue, phone: Body, fields: Mapping[str, str]) -> None:
    """Send a fresh six-digit code to the number by SMS, or have it read out; an earlier code is void from then on.

    A number that nobody has bought is somebody's own telephone: what it gets is kept to be seen there.
    """
    method = fields.get("code_method")
    if method not in METHODS:
        raise errors.invalid("Param code_method must be one of {SMS, VOICE}.")
    if not fields.get("language"):
        raise errors.invalid("The parameter language is required.")
    if phone["code_verification_status"] == "VERIFIED":
        raise GraphError(136024, "(#136024) Request code error: the number is verified already.")
    now = tx.business_now()
    recent = [moment for moment in phone.get("codes", []) if moment > (now - CODES_WITHIN).isoformat()]
    if len(recent) >= MOST_CODES:
        raise GraphError(136024, f"(#136024) Request code error: {MOST_CODES} codes were sent within 72 hours.")
    code = f"{secrets.randbelow(10**6):06d}"
    sent = {"code": code, "code_at": tx.now().timestamp(), "codes": [*recent, now.isoformat()]}
    tx.change(PHONE, phone["id"], {**phone, **sent})
    tx.effect("meta.code_requested", phone["number"])
    text = f"Your WhatsApp Business code is {code[:3]}-{code[3:]}. Keep it to yourself."
    if messages.receive(tx, deliveries, to=phone["number"], sender=SENDER, text=text) is None:
        spoken = f"A call from WhatsApp: {text}" if method == "VOICE" else text
        messages.keep(tx, to=phone["number"], sender=SENDER, text=spoken)


def use_elsewhere(tx: Transaction, number: str, *, used: bool) -> None:
    """Somebody uses a number in the WhatsApp app, or deletes their account there."""
    if used:
        tx.put(ELSEWHERE, number, {"number": number}, key=number)
    else:
        tx.remove(ELSEWHERE, number)


def verify_code(tx: Transaction, phone: Body, fields: Mapping[str, str]) -> None:
    """Check the code, digits only, within ten minutes of its sending."""
    if phone["code_verification_status"] == "VERIFIED":
        return
    expired = tx.now().timestamp() - phone["code_at"] > CODE_LIFE
    if not phone["code"] or expired or not same(fields.get("code", ""), phone["code"]):
        raise GraphError(136025, "(#136025) Verify code error", details="The code is wrong or has expired.")
    tx.change(PHONE, phone["id"], {**phone, "code_verification_status": "VERIFIED", "code": None})
    tx.effect("meta.number_verified", phone["number"])


def attempt_registration(tx: Transaction, phone: Body, fields: Mapping[str, str], most: int) -> GraphError | None:
    """Make a verified number able to send; doing it again with the same pin changes nothing.

    Args:
        tx: the open transaction.
        phone: the number.
        fields: of the request.
        most: how many attempts are allowed in a moving week of business time.

    Returns:
        Why not, None where it is registered. It is returned so that the attempt is kept, as it counts at Meta too.
    """
    now = tx.business_now()
    begin = (now - WEEK).isoformat()
    recent = [moment for moment in phone.get("registrations", []) if moment > begin]
    if len(recent) >= most:
        return errors.refused(133016, f"The number was registered or deregistered {most} times within a week.")
    phone = {**phone, "registrations": [*recent, now.isoformat()]}
    tx.change(PHONE, phone["id"], phone)
    try:
        _register(tx, phone, fields)
    except GraphError as refusal:
        return refusal
    return None


def deregister(tx: Transaction, phone: Body) -> None:
    """Take a number off the Cloud API; its pin stays."""
    if phone["status"] != "CONNECTED":
        raise errors.refused(133010, "The number is not registered.")
    set_status(tx, phone, "DISCONNECTED")
    tx.effect("meta.number_deregistered", phone["number"])


def forget_pin(tx: Transaction, phone: Body) -> None:
    """A number's owner turns two-step verification off: the next one who registers it chooses the PIN."""
    tx.change(PHONE, phone["id"], {**phone, "pin": None})


def set_status(tx: Transaction, phone: Body, status: str) -> None:
    """Give a number another status: only a CONNECTED one sends and receives."""
    platform = "CLOUD_API" if status == "CONNECTED" else "NOT_APPLICABLE"
    tx.change(PHONE, phone["id"], {**phone, "status": status, "platform_type": platform})


def _register(tx: Transaction, phone: Body, fields: Mapping[str, str]) -> None:
    pin = fields.get("pin", "")
    if fields.get("messaging_product") != "whatsapp":
        raise errors.invalid("The parameter messaging_product is required.")
    if not re.fullmatch(r"\d{6}", pin):
        raise errors.invalid("Param pin must be 6 digits.")
    if phone["code_verification_status"] != "VERIFIED":
        raise errors.refused(133006)
    if phone["pin"] is not None and not same(pin, phone["pin"]):
        raise errors.refused(133005)
    if phone["status"] == "CONNECTED":
        return
    registered = {
        "name_status": "APPROVED" if phone["name_status"] == "PENDING_REVIEW" else phone["name_status"],
        "pin": pin,
        "platform_type": "CLOUD_API",
        "quality_rating": "GREEN",
        "status": "CONNECTED",
        "throughput": {"level": "STANDARD"},
    }
    tx.change(PHONE, phone["id"], {**phone, **registered})
    tx.effect("meta.number_registered", phone["number"])


def shown(phone: Body, tier: str, wanted: str | None) -> Body:
    """What Meta tells of a number.

    Args:
        phone: the number.
        tier: how many people its business may write to in a day.
        wanted: the fields that were asked for (comma-separated; None: all that can be); the id comes always.
    """
    names = set(FIELDS if wanted is None else wanted.split(",")) | {"id"}
    unknown = sorted(names - set(FIELDS))
    if unknown:
        raise errors.invalid(f"Tried accessing nonexisting field ({unknown[0]})")
    known = {**phone, "messaging_limit_tier": tier, "whatsapp_business_manager_messaging_limit": tier}
    return {name: known[name] for name in FIELDS if name in names}
