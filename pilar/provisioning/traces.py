"""What the effects of provisioning leave at the providers. What belongs here: their kinds, and how each is found again.

The steps look for an effect before they would repeat it; `doubts.py` looks for it where its step does not come back.
Both have to see the same, so it is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pilar.providers.twilio.client import TwilioGateway, TwilioNumber
from pilar.providers.twilio.credentials import TwilioCredentials
from pilar.providers.whatsapp.client import GraphClient

SUBACCOUNT = "twilio.create_subaccount"
ACCOUNT_KEY = "twilio.create_key"
NUMBER = "twilio.buy_number"
ADDED_NUMBER = "whatsapp.add_number"
REGISTERED_NUMBER = "whatsapp.register_number"
SUBSCRIBED_APP = "whatsapp.subscribe_app"
REQUESTED_CODE = "whatsapp.request_code"
VERIFIED_CODE = "whatsapp.verify_code"
SETUP_MAIL = "mail.setup_link"
REMINDER_MAIL = "mail.setup_reminder"
REMINDER_SMS = "twilio.remind_owner"
OWNER_NOTICE = "mail.owner_notice"
ENDED_SUBSCRIPTION = "stripe.end_subscription"
SET_WEBHOOKS = "twilio.set_webhooks"
RELEASED_NUMBER = "twilio.release_number"
CLOSED_SUBACCOUNT = "twilio.close_subaccount"
DEREGISTERED_NUMBER = "whatsapp.deregister_number"

KINDS = frozenset(
    {
        SUBACCOUNT,
        ACCOUNT_KEY,
        NUMBER,
        ADDED_NUMBER,
        REGISTERED_NUMBER,
        SUBSCRIBED_APP,
        REQUESTED_CODE,
        VERIFIED_CODE,
        SETUP_MAIL,
        REMINDER_MAIL,
        REMINDER_SMS,
        RELEASED_NUMBER,
        CLOSED_SUBACCOUNT,
        DEREGISTERED_NUMBER,
    }
)


def friendly_name(workspace_id: UUID) -> str:
    """The name that a studio's account and number carry at Twilio."""
    return f"pilar {workspace_id}"


def subaccount(twilio: TwilioGateway, workspace_id: UUID) -> Mapping[str, Any] | None:
    """The studio's account at Twilio."""
    found = twilio.find_subaccount(friendly_name(workspace_id))
    return {"sid": found.sid} if found else None


def account_key_key(workspace_id: UUID, made: int) -> str:
    """The key of the effect that makes the next API key of a studio's account, after so many were made."""
    return f"{workspace_id}:{made + 1}" if made else str(workspace_id)


def account_key_name(key: str) -> str:
    """The name that an API key carries in its studio's account, by the key of the effect that makes it."""
    return f"pilar {key}"


def delete_keys(twilio: TwilioGateway, owner: TwilioCredentials, is_one: Callable[[str], bool]) -> None:
    """Delete an account's keys by those names.

    Args:
        twilio: where.
        owner: the account by its token.
        is_one: whether a name is one of them.
    """
    for key_sid, name in twilio.keys_of(owner).items():
        if is_one(name):
            twilio.delete_key(owner, key_sid)


def number_key(workspace_id: UUID, intent: str) -> str:
    """The key of the effect that buys a number for a replacement; others are the studio's id, and a count from two."""
    return f"{workspace_id}:{intent}"


def number_name(workspace_id: UUID, key: str) -> str:
    """The name that a number carries in its studio's account, by the key of its purchase.

    It is the studio's, or that of the replacement that it was bought for.
    """
    purchase = key.partition(":")[2]
    return f"pilar replacement {purchase}" if purchase and not purchase.isdigit() else friendly_name(workspace_id)


def number(twilio: TwilioGateway, account: TwilioCredentials, workspace_id: UUID, key: str) -> Mapping[str, Any] | None:
    """The number that a purchase has brought."""
    found = twilio.find_number(account, number_name(workspace_id, key))
    return as_result(found) if found else None


def is_released(twilio: TwilioGateway, account: TwilioCredentials, number_sid: str) -> bool:
    """Whether an account has a number no more; what belonged to one that is closed is gone, and it can't be asked."""
    return twilio.is_closed(account.sid) or not twilio.owns_number(account, number_sid)


def as_result(bought: TwilioNumber) -> Mapping[str, Any]:
    """What later steps need of a number."""
    return {"number_sid": bought.sid, "phone_number": bought.phone_number}


def added_number(graph: GraphClient, token: str, account: str, phone_number: str) -> Mapping[str, Any] | None:
    """A number among those of a WhatsApp account."""
    known = graph.phone_numbers(token, account)
    return next(({"id": entry.id} for entry in known if entry.phone_number == phone_number), None)


def is_registered(graph: GraphClient, token: str, number_id: str) -> bool:
    """Whether a number is switched on for the Cloud API."""
    return graph.phone_number(token, number_id).status == "CONNECTED"


def is_verified(graph: GraphClient, token: str, number_id: str) -> bool:
    """Whether a number has proven with a code whose it is."""
    return graph.phone_number(token, number_id).code_verified
