"""Accounts and subaccounts. What belongs here: who may act on which, creating one, and its status."""

from __future__ import annotations

import secrets
from datetime import datetime
from email.utils import format_datetime

from provider_sandbox.config import SandboxConfig
from provider_sandbox.state import Body, Transaction
from provider_sandbox.twilio import errors
from provider_sandbox.twilio.errors import TwilioError

KIND = "twilio.account"
VERSION = "2010-04-01"
SUBRESOURCES = {
    "available_phone_numbers": "AvailablePhoneNumbers",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "keys": "Keys",
    "messages": "Messages",
}


def new_sid(prefix: str) -> str:
    """A random SID: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def stamp(moment: datetime) -> str:
    """A date as Twilio writes it, after RFC 2822."""
    return format_datetime(moment)


def uri(sid: str, rest: str = "") -> str:
    """The path of an account or of something under it."""
    return f"/{VERSION}/Accounts/{sid}{rest}.json"


def seed(tx: Transaction, config: SandboxConfig) -> None:
    """Create the parent account where it is missing."""
    if tx.get(KIND, config.twilio_account_sid) is None:
        sid = config.twilio_account_sid
        _save(tx, _account(tx, sid, config.twilio_auth_token, sid, "Parent account"))


def create(tx: Transaction, parent: Body, friendly_name: str | None, cap: int) -> Body:
    """Create a subaccount; raise 21100 where the caller is one itself or the parent has `cap` that are not closed."""
    if parent["owner_account_sid"] != parent["sid"]:
        raise TwilioError(400, 21100, "A subaccount can't create accounts.")
    children = [child for child in tx.find(KIND, owner=parent["sid"]) if child["sid"] != parent["sid"]]
    if sum(child["status"] != "closed" for child in children) >= cap:
        raise TwilioError(400, 21100, f"The account has reached its limit of {cap} subaccounts.")
    name = friendly_name or f"SubAccount Created at {stamp(tx.now())}"
    created = _save(tx, _account(tx, new_sid("AC"), secrets.token_hex(16), parent["sid"], name))
    tx.effect("twilio.subaccount_created", name)
    return created


def update(tx: Transaction, account: Body, friendly_name: str | None, status: str | None) -> Body:
    """Rename an account, or suspend, reactivate or close a subaccount; closing is for ever."""
    if status is not None and status != account["status"]:
        if status not in ("active", "suspended", "closed"):
            raise TwilioError(400, 21100, f"'{status}' is not a status of an account.")
        if account["status"] == "closed" or account["owner_account_sid"] == account["sid"]:
            raise TwilioError(400, 21100, "This account's status can't be changed.")
        account["status"] = status
        tx.effect(f"twilio.subaccount_{status}", account["friendly_name"])
    account["friendly_name"] = friendly_name or account["friendly_name"]
    account["date_updated"] = stamp(tx.now())
    return _save(tx, account)


def add_parent(tx: Transaction, friendly_name: str) -> Body:
    """Open one more account of its own, under which subaccounts can be made."""
    sid = new_sid("AC")
    return _save(tx, _account(tx, sid, secrets.token_hex(16), sid, friendly_name))


def set_status(tx: Transaction, account: Body, status: str) -> Body:
    """Twilio itself suspends or reactivates an account, a parent too: with it all of its subaccounts stand still."""
    tx.effect(f"twilio.account_{status}", account["friendly_name"])
    return _save(tx, {**account, "status": status, "date_updated": stamp(tx.now())})


def reach(tx: Transaction, caller: Body, sid: str, *, active: bool) -> Body:
    """The account that a caller means: its own or a subaccount of it.

    Args:
        tx: the open transaction.
        caller: who authenticated.
        sid: the account in the path.
        active: whether the account must be active for what is asked (20005 otherwise).
    """
    account = tx.get(KIND, sid)
    if account is None or caller["sid"] not in (sid, account["owner_account_sid"]):
        raise errors.not_found(uri(sid))
    if active and account["status"] != "active":
        raise errors.not_active()
    return account


def listed(tx: Transaction, caller: Body, friendly_name: str | None, status: str | None) -> list[Body]:
    """The caller and its subaccounts, newest first, narrowed by exact name and status."""
    found = tx.find(KIND, owner=caller["sid"], key=friendly_name)
    if caller["owner_account_sid"] != caller["sid"] and friendly_name in (None, caller["friendly_name"]):
        found.append(caller)
    return [account for account in reversed(found) if status in (None, account["status"])]


def _account(tx: Transaction, sid: str, token: str, owner: str, name: str) -> Body:
    now = stamp(tx.now())
    return {
        "sid": sid,
        "auth_token": token,
        "date_created": now,
        "date_updated": now,
        "friendly_name": name,
        "owner_account_sid": owner,
        "status": "active",
        "subresource_uris": {name: uri(sid, f"/{path}") for name, path in SUBRESOURCES.items()},
        "type": "Full",
        "uri": uri(sid),
    }


def _save(tx: Transaction, account: Body) -> Body:
    return tx.put(KIND, account["sid"], account, owner=account["owner_account_sid"], key=account["friendly_name"])
