"""Who a business talks with. What belongs here: names, blocks and the 24-hour window; what is said is not.

A contact is a pair: one of a business's numbers and somebody's WhatsApp id, which is their number in digits.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta

import phonenumbers

from provider_sandbox.state import Body, Transaction

KIND = "meta.contact"
WINDOW = timedelta(hours=24)
UNITED_STATES = "US"


def digits(number: str) -> str:
    """A number without what people put between its digits."""
    return re.sub(r"\D", "", number)


def find(tx: Transaction, phone: Body, wa_id: str) -> Body:
    """A contact as it is known; a stranger where nothing is."""
    known = tx.get(KIND, _identity(phone, wa_id))
    return known or {"wa_id": wa_id, "waba": phone["waba"], "name": None, "wrote_at": None, "blocked": False}


def wrote(tx: Transaction, phone: Body, wa_id: str, name: str | None) -> Body:
    """Somebody wrote: their window is open from now on, in business time."""
    contact = find(tx, phone, wa_id)
    contact |= {"name": name or contact["name"], "wrote_at": tx.business_now().isoformat()}
    return save(tx, phone, contact)


def block(tx: Transaction, phone: Body, wa_id: str, *, blocked: bool) -> Body:
    """Somebody blocks the business, or no longer does."""
    return save(tx, phone, find(tx, phone, wa_id) | {"blocked": blocked})


def stop_marketing(tx: Transaction, phone: Body, wa_id: str, *, stopped: bool) -> Body:
    """Somebody wants no more marketing of the business, or wants it again."""
    return save(tx, phone, find(tx, phone, wa_id) | {"stopped_marketing": stopped})


def save(tx: Transaction, phone: Body, contact: Body) -> Body:
    """Keep a contact."""
    return tx.put(KIND, _identity(phone, contact["wa_id"]), contact, owner=phone["id"], key=contact["wa_id"])


def window_is_open(tx: Transaction, contact: Body) -> bool:
    """Whether free text may be sent: for 24 hours after the contact's last message."""
    wrote_at = contact["wrote_at"]
    return wrote_at is not None and tx.business_now() - datetime.fromisoformat(wrote_at) < WINDOW


def shown(contact: Body, *, hidden: bool = False) -> Body:
    """A contact as webhooks show it; a stranger has no name, and who hides their number has an id alone."""
    known = {"user_id": scoped_id(contact)} if hidden else {"wa_id": contact["wa_id"], "user_id": scoped_id(contact)}
    return {"profile": {"name": contact["name"]}, **known} if contact["name"] else known


def region(wa_id: str) -> str:
    """The country of a number; of one that nobody has been given, its calling code's main country."""
    try:
        number = phonenumbers.parse(f"+{wa_id}")
    except phonenumbers.NumberParseException:
        return "ZZ"
    return phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )


def scoped_id(contact: Body) -> str:
    """Meta's identifier of a person towards one business."""
    digest = hashlib.sha256(f"{contact['waba']}:{contact['wa_id']}".encode()).hexdigest()
    return f"{region(contact['wa_id'])}.{int(digest[:15], 16)}"


def _identity(phone: Body, wa_id: str) -> str:
    return f"{phone['id']}:{wa_id}"
