"""Who is calling Twilio. What belongs here: account tokens and API keys, and what a key may not do."""

from __future__ import annotations

import base64
import binascii
import secrets

from pilar.tokens import same
from provider_sandbox.state import Body, Transaction
from provider_sandbox.twilio import accounts, errors
from provider_sandbox.twilio.accounts import new_sid, stamp, uri

KIND = "twilio.key"
PREFIX = "SK"


def authenticate(tx: Transaction, header: str) -> Body:
    """The account that a Basic header speaks for, by its SID and token or by a key and its secret.

    Raises:
        TwilioError: 20003, they are wrong, or the account or its parent is not active.
    """
    scheme, name, secret = _basic(header)
    key = tx.get(KIND, name) if name.startswith(PREFIX) else None
    account = tx.get(accounts.KIND, key["account_sid"] if key else name)
    if account is None or scheme != "basic" or not same(secret, key["secret"] if key else account["auth_token"]):
        raise errors.unauthenticated()
    parent = tx.get(accounts.KIND, account["owner_account_sid"])
    if account["status"] != "active" or parent is None or parent["status"] != "active":
        raise errors.unauthenticated()
    return account


def refuse_keys(header: str) -> None:
    """Raise 20003 for a key: a standard one manages neither accounts nor keys."""
    if _basic(header)[1].startswith(PREFIX):
        raise errors.unauthenticated()


def create(tx: Transaction, account: Body, friendly_name: str | None) -> Body:
    """Make a key; its secret is told this once."""
    sid, now = new_sid(PREFIX), stamp(tx.now())
    key = {
        "sid": sid,
        "account_sid": account["sid"],
        "friendly_name": friendly_name or "",
        "date_created": now,
        "date_updated": now,
        "secret": secrets.token_urlsafe(24),
    }
    tx.put(KIND, sid, key, owner=account["sid"])
    tx.effect("twilio.key_created", account["friendly_name"])
    return shown(key) | {"secret": key["secret"]}


def existing(tx: Transaction, account: Body, sid: str) -> Body:
    """One of the account's keys; raise 20404 for anything else."""
    key = tx.get(KIND, sid)
    if key is None or key["account_sid"] != account["sid"]:
        raise errors.not_found(uri(account["sid"], f"/Keys/{sid}"))
    return key


def rename(tx: Transaction, key: Body, friendly_name: str | None) -> Body:
    """Give a key another name."""
    changed = {**key, "friendly_name": friendly_name or key["friendly_name"], "date_updated": stamp(tx.now())}
    return tx.change(KIND, key["sid"], changed)


def delete(tx: Transaction, key: Body) -> None:
    """Revoke a key."""
    tx.effect("twilio.key_deleted", key["account_sid"])
    tx.remove(KIND, key["sid"])


def shown(key: Body) -> Body:
    """A key as everybody may see it."""
    return {name: key[name] for name in ("sid", "friendly_name", "date_created", "date_updated")}


def _basic(header: str) -> tuple[str, str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return scheme.lower(), "", ""
    return scheme.lower(), name, secret
