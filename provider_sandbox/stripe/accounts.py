"""Connected accounts. What belongs here: making one, what it still has to tell, and the links to tell it by."""

from __future__ import annotations

from urllib.parse import urlsplit

from provider_sandbox.state import Body
from provider_sandbox.stripe import checkout, errors, ledger, objects
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params

KINDS = ("express", "standard", "custom")
INTERVALS = ("daily", "manual")
LINK_LIVES = 300
"""Seconds of real time: a link is for a person who is waiting for it."""
REQUIRED = (
    *("external_account", "individual.address.city", "individual.address.line1", "individual.dob.day"),
    *("individual.first_name", "individual.last_name", "tos_acceptance.date", "tos_acceptance.ip"),
)


def new_account(
    email: str | None, country: str, kind: str, capabilities: list[str], metadata: dict[str, str], created: int
) -> Body:
    """An account that has told nothing yet."""
    identity = f"acct_{objects.new_id('x').removeprefix('x_')[:16]}"
    return {
        "id": identity,
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": None,
            "product_description": None,
            "support_email": None,
            "url": None,
        },
        "business_type": None,
        "capabilities": dict.fromkeys(capabilities, "inactive"),
        "charges_enabled": False,
        "controller": {"type": "application"},
        "country": country,
        "created": created,
        "default_currency": objects.CURRENCY,
        "details_submitted": False,
        "email": email,
        "external_accounts": objects.listing(f"/v1/accounts/{identity}/external_accounts", []),
        "future_requirements": requirements([]),
        "metadata": metadata,
        "payouts_enabled": False,
        "requirements": requirements(list(REQUIRED), "requirements.past_due"),
        "settings": {
            "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
            "payouts": {
                "debit_negative_balances": False,
                "schedule": {"delay_days": 2, "interval": "daily"},
                "statement_descriptor": None,
            },
        },
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": kind,
    }


def requirements(due: list[str], reason: str | None = None) -> Body:
    """What an account still has to tell, and why it is held back."""
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": reason,
        "errors": [],
        "eventually_due": due,
        "past_due": due if reason else [],
        "pending_verification": [],
    }


def submit(desk: Desk, account: Body, *, name: str, iban: str) -> Body:
    """The account's holder has told everything: it may receive money, and be paid out."""
    before = dict(account)
    bank = {
        "id": objects.new_id("ba"),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": name,
        "account_holder_type": "individual",
        "bank_name": "Sandbox Bank",
        "country": account["country"],
        "currency": account["default_currency"],
        "default_for_currency": True,
        "last4": iban[-4:],
        "metadata": {},
        "status": "new",
    }
    account |= {
        "business_type": "individual",
        "capabilities": dict.fromkeys(account["capabilities"], "active"),
        "charges_enabled": True,
        "details_submitted": True,
        "payouts_enabled": True,
        "requirements": requirements([]),
        "external_accounts": {**account["external_accounts"], "data": [bank]},
        "tos_acceptance": {"date": desk.at, "ip": "127.0.0.1", "user_agent": None},
    }
    desk.plan(ledger.PAY_OUT, account["id"], ledger.next_day(desk.at))
    return _changed(desk, account, before)


def restrict(desk: Desk, account: Body, due: list[str]) -> Body:
    """Stripe asks for more, and holds payouts and transfers back until it is told."""
    before = dict(account)
    account |= {
        "capabilities": dict.fromkeys(account["capabilities"], "inactive"),
        "charges_enabled": False,
        "payouts_enabled": False,
        "requirements": requirements(due, "requirements.past_due"),
    }
    return _changed(desk, account, before)


def link_target(desk: Desk, token: str) -> tuple[Body, Body] | None:
    """The link and its account, as long as the link is good."""
    link = desk.tx.get("stripe.account_link", token)
    if link is None or link["used"] or link["expires_at"] <= desk.tx.now().timestamp():
        return None
    return link, desk.existing("account", link["account"])


def _changed(desk: Desk, account: Body, before: Body) -> Body:
    desk.change(account)
    desk.tell("account.updated", account, before=before)
    return account


def _create(desk: Desk, params: Params, _ids: Ids) -> Body:
    email, country = params.text("email"), (params.text("country") or "NL").upper()
    kind, metadata = params.choice("type", KINDS, "express"), params.metadata()
    asked = params.part("capabilities")
    names = [name for name in ("transfers", "card_payments") if asked.part(name).flag("requested")]
    interval = _interval(params)
    for name in ("business_type", "business_profile", "controller"):
        params.anything(name)
    params.done()
    if len(country) != 2 or not country.isalpha():
        raise errors.wrong("country", "a two-letter ISO code")
    account = new_account(email, country, kind, names or ["transfers"], metadata, desk.at)
    if interval:
        account["settings"]["payouts"]["schedule"]["interval"] = interval
    desk.tx.effect("stripe.account_created", metadata.get("pilar_affiliate") or email or account["id"])
    return desk.save(account)


def _update(desk: Desk, params: Params, ids: Ids) -> Body:
    account = desk.existing("account", ids["id"])
    before = dict(account)
    metadata, interval = params.metadata(account["metadata"]), _interval(params)
    email = params.text("email")
    params.done()
    account["metadata"] = metadata
    if email:
        account["email"] = email
    if interval:
        payouts = account["settings"]["payouts"]
        schedule = {**payouts["schedule"], "interval": interval}
        account["settings"] = {**account["settings"], "payouts": {**payouts, "schedule": schedule}}
        desk.plan(ledger.PAY_OUT, account["id"], ledger.next_day(desk.at))
    return account if account == before else _changed(desk, account, before)


def _interval(params: Params) -> str | None:
    schedule = params.part("settings").part("payouts").part("schedule")
    return schedule.choice("interval", INTERVALS, "daily") if "interval" in schedule else None


def _link(desk: Desk, params: Params, _ids: Ids) -> Body:
    account = params.required("account")
    back, again = params.required("return_url"), params.required("refresh_url")
    kind = params.choice("type", ("account_onboarding", "account_update"), "")
    for name in ("collect", "collection_options"):
        params.anything(name)
    params.done()
    desk.existing("account", account, "account")
    for name, url in (("return_url", back), ("refresh_url", again)):
        if urlsplit(url).scheme not in ("http", "https"):
            raise errors.refused(f"Not a valid URL: {url}", code="url_invalid", param=name)
    token = objects.new_id("link")
    now = int(desk.tx.now().timestamp())
    told = {
        "object": "account_link",
        "created": now,
        "expires_at": now + LINK_LIVES,
        "url": f"{desk.tx.setting(checkout.PUBLIC_BASE)}/connect/{token}",
    }
    kept = {**told, "id": token, "account": account, "return_url": back, "refresh_url": again, "used": False}
    desk.save(kept | {"type": kind}, owner=account)
    return told


OPERATIONS = (
    Operation("POST", "/v1/accounts", _create),
    Operation("POST", "/v1/accounts/{id}", _update),
    Operation("POST", "/v1/account_links", _link),
)
