"""What Meta decides about businesses and numbers. What belongs here: the decision and the webhook that tells it.

Templates have their own (`templates.py`, `pauses.py`); what a decision does to a message is `messages.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from provider_sandbox.meta import accounts, contacts
from provider_sandbox.meta.accounts import PHONE, TOKEN, WABA
from provider_sandbox.meta.limits import UNLIMITED, MetaLimits
from provider_sandbox.meta.webhooks import Change, tell
from provider_sandbox.state import Body, Transaction
from provider_sandbox.tasks import TaskQueue

BUSINESS_INITIATED = "RESTRICTED_BIZ_INITIATED_MESSAGING"
CUSTOMER_INITIATED = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"
ADDING_NUMBERS = "RESTRICTED_ADD_PHONE_NUMBER_ACTION"
Restriction = Literal[
    "RESTRICTED_BIZ_INITIATED_MESSAGING",
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING",
    "RESTRICTED_ADD_PHONE_NUMBER_ACTION",
]
Ban = Literal["SCHEDULE_FOR_DISABLE", "DISABLE", "REINSTATE"]
ACCOUNT = "account_update"
NO_PAYMENT, BANNED, RESTRICTED = 141006, 141014, 368
FEW_NUMBERS, MANY_NUMBERS = 2, 25


def set_tier(tx: Transaction, deliveries: TaskQueue, waba: Body, tier: str, limits: MetaLimits) -> None:
    """Raise or lower how many people the portfolio may write to in a day."""
    before = accounts.tier_of(waba)
    if tier == before:
        return
    tx.change(WABA, waba["id"], {**waba, "tier": tier})
    names = limits.names()
    capability: Body = {
        "max_daily_conversation_per_phone": limits.size(tier) or -1,
        "max_daily_conversations_per_business": tier,
    }
    if tier == names[0]:
        capability["max_phone_numbers_per_business"] = FEW_NUMBERS
    else:
        capability["max_phone_numbers_per_waba"] = MANY_NUMBERS
    event = "UPGRADE" if names.index(tier) > names.index(before) else "DOWNGRADE"
    changes = [Change(waba["id"], "business_capability_update", capability)]
    for phone in tx.find(PHONE, owner=waba["id"]):
        value = _of_number(phone, event, tier) | {"old_limit": before}
        changes.append(Change(waba["id"], "phone_number_quality_update", value))
    tell(tx, deliveries, changes)


def set_quality(tx: Transaction, deliveries: TaskQueue, phone: Body, rating: str) -> None:
    """Judge a number by how people take its messages: GREEN, YELLOW or RED; a flag is told when it comes and goes."""
    before = phone["quality_rating"]
    tx.change(PHONE, phone["id"], {**phone, "quality_rating": rating})
    if (before == "RED") != (rating == "RED"):
        waba = tx.get(WABA, phone["waba"]) or {}
        value = _of_number(phone, "FLAGGED" if rating == "RED" else "UNFLAGGED", accounts.tier_of(waba))
        tell(tx, deliveries, [Change(phone["waba"], "phone_number_quality_update", value)])


def raise_throughput(tx: Transaction, deliveries: TaskQueue, phone: Body) -> None:
    """Let a number send a thousand messages a second."""
    tx.change(PHONE, phone["id"], {**phone, "throughput": {"level": "HIGH"}})
    value = _of_number(phone, "THROUGHPUT_UPGRADE", UNLIMITED)
    tell(tx, deliveries, [Change(phone["waba"], "phone_number_quality_update", value)])


def decide_name(tx: Transaction, deliveries: TaskQueue, phone: Body, decision: str) -> None:
    """Approve, decline or defer the name that a number shows."""
    known = {"APPROVED": "APPROVED", "REJECTED": "DECLINED", "DEFERRED": "PENDING_REVIEW"}
    tx.change(PHONE, phone["id"], {**phone, "name_status": known[decision]})
    value = {
        "display_phone_number": contacts.digits(phone["number"]),
        "decision": decision,
        "requested_verified_name": phone["verified_name"],
        "rejection_reason": "NAME_NOT_ALLOWED" if decision == "REJECTED" else None,
    }
    tell(tx, deliveries, [Change(phone["waba"], "phone_number_name_update", value)])


def review(tx: Transaction, deliveries: TaskQueue, waba: Body, decision: str) -> None:
    """Approve or reject a business's account, or look at it once more."""
    tx.change(WABA, waba["id"], {**waba, "account_review_status": decision})
    tell(tx, deliveries, [Change(waba["id"], "account_review_update", {"decision": decision})])


def verify(tx: Transaction, deliveries: TaskQueue, waba: Body, status: str) -> None:
    """Decide whether a business is who it says: APPROVED, PENDING, FAILED and so on."""
    known = {"APPROVED": "verified", "FAILED": "failed", "REVOKED": "not_verified"}
    tx.change(WABA, waba["id"], {**waba, "business_verification_status": known.get(status, "pending")})
    certification = {
        "client_business_id": accounts.portfolio_of(waba),
        "status": status,
        "rejection_reasons": ["LEGAL_NAME_NOT_MATCHING" if status == "FAILED" else "NONE"],
    }
    value = {"event": "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE", "partner_client_certification_info": certification}
    tell(tx, deliveries, [Change(waba["id"], ACCOUNT, value)])


def ban(tx: Transaction, deliveries: TaskQueue, waba: Body, state: Ban) -> None:
    """Switch a business off, announce that, or let it back in."""
    tx.change(WABA, waba["id"], {**waba, "ban": state})
    date = tx.business_now().strftime("%B %d, %Y")
    value = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state, "waba_ban_date": date}}
    tell(tx, deliveries, [Change(waba["id"], ACCOUNT, value)])


def restrict(tx: Transaction, deliveries: TaskQueue, waba: Body, kinds: Sequence[Restriction], hours: float) -> None:
    """Forbid a business some things for so many hours of business time; none lifts all."""
    expiration = int((tx.business_now() + timedelta(hours=hours)).timestamp())
    restrictions = [{"restriction_type": kind, "expiration": expiration} for kind in kinds]
    tx.change(WABA, waba["id"], {**waba, "restrictions": restrictions})
    value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": restrictions}
    tell(tx, deliveries, [Change(waba["id"], ACCOUNT, value)])


def warn(tx: Transaction, deliveries: TaskQueue, waba: Body, violation: str) -> None:
    """Tell a business that it has broken a rule (SPAM, SCAM, ADULT, …)."""
    value = {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": violation}}
    tell(tx, deliveries, [Change(waba["id"], ACCOUNT, value)])


def disconnect(tx: Transaction, deliveries: TaskQueue, waba: Body) -> None:
    """The studio's owner takes our access away: its tokens are void, and the last webhook says so."""
    info = {"waba_id": waba["id"], "owner_business_id": accounts.portfolio_of(waba)}
    tell(tx, deliveries, [Change(waba["id"], ACCOUNT, {"event": "PARTNER_REMOVED", "waba_info": info})])
    for row in tx.run("select id from object where kind = ? and owner = ?", TOKEN, waba["id"]):
        tx.remove(TOKEN, row["id"])
    tx.change(WABA, waba["id"], {**waba, "subscribed": []})


def set_payment(tx: Transaction, waba: Body, *, works: bool) -> None:
    """The studio's owner adds a payment method, or it fails; Meta tells so when it is asked."""
    tx.change(WABA, waba["id"], {**waba, "can_pay": works})


def banned(waba: Body) -> bool:
    """Whether a business is switched off."""
    return bool(waba.get("ban") == "DISABLE")


def restricted(tx: Transaction, waba: Body, kind: str) -> bool:
    """Whether a restriction holds at this moment of business time."""
    now = tx.business_now().timestamp()
    found = waba.get("restrictions", [])
    return any(one["restriction_type"] == kind and one["expiration"] > now for one in found)


def health(tx: Transaction, waba: Body) -> Body:
    """Whether a business may send at this moment: AVAILABLE, LIMITED or BLOCKED, and what Meta holds against it."""
    found = []
    if not waba.get("can_pay", True):
        found.append((NO_PAYMENT, "There is an error with the payment method.", "Add a payment method to the account."))
    if banned(waba):
        found.append((BANNED, "The account is banned.", "Appeal in the Business Support Home."))
    may = "BLOCKED" if found else "AVAILABLE"
    if not found and any(restricted(tx, waba, kind) for kind in (BUSINESS_INITIATED, CUSTOMER_INITIATED)):
        may = "LIMITED"
        found.append((RESTRICTED, "The account is restricted for a while.", "Appeal in the Business Support Home."))
    errors = [{"error_code": code, "error_description": says, "possible_solution": mend} for code, says, mend in found]
    entity: Body = {"entity_type": "WABA", "id": waba["id"], "can_send_message": may}
    return {"can_send_message": may, "entities": [entity | {"errors": errors} if errors else entity]}


def _of_number(phone: Body, event: str, limit: str) -> Body:
    return {
        "display_phone_number": contacts.digits(phone["number"]),
        "event": event,
        "current_limit": limit,
        "max_daily_conversations_per_business": limit,
    }
