"""Businesses on WhatsApp. What belongs here: accounts, codes and tokens in the state; their HTTP does not.

A business (WABA) comes into being when a studio's owner accepts the terms; the code that the product gets for it
buys a token that reaches this one business.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from pilar.tokens import new_token
from provider_sandbox.meta import errors
from provider_sandbox.meta.limits import FIRST_TIER
from provider_sandbox.state import Body, Transaction

WABA = "meta.waba"
CODE = "meta.code"
TOKEN = "meta.token"  # noqa: S105 - the name of a kind
PHONE = "meta.phone"
CODE_LIFE = 600
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")


def new_node_id() -> str:
    """A random numeric identifier, as every Graph object has."""
    return str(10**14 + secrets.randbelow(9 * 10**14))


def accept(tx: Transaction, state: str, redirect_uri: str, tier: str, chosen: str = "") -> str:
    """The owner accepts: share a business of theirs, or make the one of this `state` unless it is there; and a code.

    Args:
        tx: the open transaction.
        state: what the product calls the studio.
        redirect_uri: where the owner goes back to.
        tier: how many people a new business may write to in a day.
        chosen: the id of a business that is there and nobody else's; empty: a new one.

    Returns:
        The authorisation code to put into the redirect.
    """
    known = tx.find(WABA, key=state)
    offered = {one["id"]: one for one in on_offer(tx)}
    if chosen in offered:
        waba = tx.put(WABA, chosen, {**offered[chosen], "on_offer": False}, key=state)
        tx.effect("meta.waba_connected", state)
    else:
        waba = known[0] if known else _connect(tx, state, tier)
    code = new_token("AQ")
    issued = tx.now().timestamp()
    tx.put(CODE, code, {"waba": waba["id"], "redirect_uri": redirect_uri, "at": issued, "used": False})
    return code


def on_offer(tx: Transaction) -> list[Body]:
    """Businesses that owners had before, and may share."""
    return [one for one in tx.find(WABA) if one.get("on_offer")]


def set_up_before(tx: Transaction, name: str, tier: str) -> Body:
    """Somebody has had a business on WhatsApp before they hear of the product."""
    waba = _new(tx, tier)
    return tx.put(WABA, waba["id"], {**waba, "name": name, "on_offer": True})


def exchange(tx: Transaction, code: str, redirect_uri: str) -> str:
    """Turn a code into an access token, once, within ten minutes and for the same redirect address."""
    issued = tx.get(CODE, code)
    if issued is None:
        raise errors.bad_code(36009, "It is not a code of ours.")
    if issued["used"]:
        raise errors.bad_code(36009, "This authorization code has been used.")
    if tx.now().timestamp() - issued["at"] > CODE_LIFE:
        raise errors.bad_code(36007, "This authorization code has expired.")
    if issued["redirect_uri"] != redirect_uri:
        raise errors.bad_code(36008, "redirect_uri is not the one of the dialog.")
    tx.change(CODE, code, {**issued, "used": True})
    token = "EAA" + secrets.token_urlsafe(96)
    tx.put(TOKEN, token, {"waba": issued["waba"], "at": tx.now().timestamp()}, owner=issued["waba"])
    return token


def reached_by(tx: Transaction, token: str) -> str:
    """The id of the business that a token reaches; raise 190 for a token that is not ours."""
    known = tx.get(TOKEN, token)
    if known is None:
        raise errors.bad_token()
    return str(known["waba"])


def waba(tx: Transaction, token: str, identity: str, method: str) -> Body:
    """A business by its id, where the token reaches it."""
    found = tx.get(WABA, identity)
    if reached_by(tx, token) != identity or found is None:
        raise errors.out_of_reach(identity, method)
    return found


def phone(tx: Transaction, token: str, identity: str, method: str) -> Body:
    """A phone number by its id, where the token reaches its business."""
    mine = reached_by(tx, token)
    found = tx.get(PHONE, identity)
    if found is None or found["waba"] != mine:
        raise errors.out_of_reach(identity, method)
    return found


def tier_of(waba: Body) -> str:
    """How many people a business may write to in a day: a tier's name."""
    return str(waba.get("tier", FIRST_TIER))


def portfolio_of(waba: Body) -> str:
    """The portfolio that owns a business: each studio has one of its own, and its limit is the portfolio's."""
    return str(int(waba["id"]) + 1)


def _connect(tx: Transaction, state: str, tier: str) -> Body:
    body = _new(tx, tier)
    tx.effect("meta.waba_connected", state)
    return tx.put(WABA, body["id"], body, key=state)


def _new(tx: Transaction, tier: str) -> Body:
    identity = new_node_id()
    created: datetime = tx.business_now()
    return {
        "id": identity,
        "name": f"Studio {identity[-6:]}",
        "account_review_status": "APPROVED",
        "business_verification_status": "not_verified",
        "created": created.isoformat(),
        "currency": "EUR",
        "message_template_namespace": secrets.token_hex(16),
        "subscribed": [],
        "tier": tier,
        "timezone_id": "1",
        "can_pay": True,
    }
