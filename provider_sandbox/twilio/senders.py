"""WhatsApp senders at Twilio. What belongs here: their states, and how one gets from its making to being online.

A number of the account's own gets Meta's code by SMS, which Twilio reads itself; for any other number the code has to
be told. Twilio's states that need a person (DRAFT, TWILIO_REVIEW, STUBBED, OFFLINE) are played.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal

from pilar.tokens import same
from provider_sandbox.meta.accounts import WABA
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import Dropped, TaskQueue
from provider_sandbox.twilio import numbers
from provider_sandbox.twilio.accounts import new_sid
from provider_sandbox.twilio.errors import TwilioError

KIND = "twilio.sender"
QUEUE = "sender"
WIDTH = 8
PATH = "/v2/Channels/Senders"
HOST = "https://messaging.twilio.com"
ADDRESS = re.compile(r"whatsapp:(\+[1-9]\d{6,14})")
ONLINE, UPDATING, PENDING = "ONLINE", "ONLINE:UPDATING", "PENDING_VERIFICATION"
Status = Literal[
    "CREATING",
    "DRAFT",
    "PENDING_VERIFICATION",
    "VERIFYING",
    "TWILIO_REVIEW",
    "ONLINE",
    "ONLINE:UPDATING",
    "OFFLINE",
    "STUBBED",
]
PROFILE = ("name", "about", "address", "description", "logo_url", "vertical", "emails", "websites")
WEBHOOK = (
    *("callback_url", "callback_method", "fallback_url", "fallback_method", "status_callback_url"),
    "status_callback_method",
)


class Senders:
    """Makes senders and takes them from state to state."""

    def __init__(self, state: State, tasks: TaskQueue, delay: float) -> None:
        """`tasks` holds the states to come; `delay` is how many seconds each takes."""
        self._state = state
        self._tasks = tasks
        self._delay = delay

    def create(self, tx: Transaction, account: Body, document: Mapping[str, Any]) -> Body:
        """Make a sender, which verifies and comes online by itself where its number is the account's own.

        Raises:
            TwilioError: 63100, something is missing or wrong; 63110, the number is a sender already.
        """
        sender_id = document.get("sender_id")
        address = ADDRESS.fullmatch(sender_id) if isinstance(sender_id, str) else None
        configuration, profile = _part(document, "configuration"), _part(document, "profile")
        if address is None:
            raise _invalid("sender_id must be whatsapp: and a number in E.164.")
        if not profile.get("name"):
            raise _invalid("profile.name is required.")
        waba = configuration.get("waba_id") or self._known_waba(tx, account)
        if not isinstance(waba, str) or tx.get(WABA, waba) is None:
            raise _invalid("configuration.waba_id must be the account that the owner has granted by Embedded Signup.")
        if tx.find(KIND, key=address[1]):
            raise TwilioError(409, 63110, f"{address[1]} is registered already.")
        number = numbers.owner_of(tx, address[1])
        own = number is not None and number["account_sid"] == account["sid"]
        sid = new_sid("XE")
        body = {
            "sid": sid,
            "account_sid": account["sid"],
            "status": "CREATING",
            "sender_id": sender_id,
            "configuration": {"waba_id": waba, "verification_method": configuration.get("verification_method", "sms")},
            "webhook": {name: value for name, value in _part(document, "webhook").items() if name in WEBHOOK},
            "profile": {name: value for name, value in profile.items() if name in PROFILE},
            "properties": {"quality_rating": None, "messaging_limit": None},
            "offline_reasons": None,
            "code": f"{secrets.randbelow(10**6):06d}",
        }
        tx.put(KIND, sid, body, owner=account["sid"], key=address[1])
        tx.effect("twilio.sender_created", address[1])
        self._plan(tx, sid, ("VERIFYING", ONLINE) if own else (PENDING,))
        return shown(body)

    def update(self, tx: Transaction, sender: Body, document: Mapping[str, Any]) -> Body:
        """Tell the code of a sender that waits for it, or change an online one, which is being updated for a while."""
        code = _part(document, "configuration").get("verification_code")
        if code is not None:
            if sender["status"] != PENDING:
                raise _invalid(f"A sender that is {sender['status']} waits for no code.")
            if not same(str(code), sender["code"]):
                raise _invalid("configuration.verification_code is wrong.")
            self._plan(tx, sender["sid"], ("VERIFYING", ONLINE))
        for name, known in (("profile", PROFILE), ("webhook", WEBHOOK)):
            changes = {field: value for field, value in _part(document, name).items() if field in known}
            sender[name] = sender[name] | changes
        if sender["status"] == ONLINE and code is None:
            sender["status"] = UPDATING
            self._plan(tx, sender["sid"], (ONLINE,))
        return shown(tx.change(KIND, sender["sid"], sender))

    async def advance(self, task: sqlite3.Row) -> None:
        """Take a sender to its next state, unless another has been played meanwhile."""
        with self._state.transaction() as tx:
            sender = tx.get(KIND, task["name"])
            if sender is None or sender["status"] in ("OFFLINE", "STUBBED", "DRAFT", "TWILIO_REVIEW"):
                raise Dropped("the sender is gone or stands still")
            set_status(tx, sender, task["topic"])
            self._tasks.end(tx, task)

    def _plan(self, tx: Transaction, sid: str, statuses: tuple[str, ...]) -> None:
        for place, status in enumerate(statuses, start=1):
            self._tasks.add(tx, topic=status, name=sid, lane=f"sender {sid}", delay=self._delay * place)

    def _known_waba(self, tx: Transaction, account: Body) -> str | None:
        found = tx.find(KIND, owner=account["sid"])
        return str(found[0]["configuration"]["waba_id"]) if found else None


def set_status(tx: Transaction, sender: Body, status: str, reason: str | None = None) -> Body:
    """Give a sender another state; an OFFLINE one tells why."""
    sender |= {"status": status, "offline_reasons": None}
    if status == "OFFLINE":
        told = {"code": "63020", "message": reason or "Twilio encountered a business eligibility error at Meta."}
        sender["offline_reasons"] = [told | {"more_info": "https://www.twilio.com/docs/errors/63020"}]
    if status == ONLINE:
        sender["properties"] = {"quality_rating": "HIGH", "messaging_limit": "250 Customers/24hr"}
    return tx.change(KIND, sender["sid"], sender)


def existing(tx: Transaction, account: Body, sid: str) -> Body:
    """One of the account's senders; raise 20404 for anything else."""
    sender = tx.get(KIND, sid)
    if sender is None or sender["account_sid"] != account["sid"]:
        raise TwilioError(404, 20404, f"The requested resource {PATH}/{sid} was not found")
    return sender


def delete(tx: Transaction, sender: Body) -> None:
    """Take a sender off WhatsApp."""
    tx.effect("twilio.sender_deleted", sender["sender_id"])
    tx.remove(KIND, sender["sid"])


def listed(tx: Transaction, account: Body) -> list[Body]:
    """An account's senders, oldest first."""
    return [shown(sender) for sender in tx.find(KIND, owner=account["sid"])]


def shown(sender: Body) -> Body:
    """A sender as Twilio shows it."""
    names = ("sid", "status", "sender_id", "configuration", "webhook", "profile", "properties", "offline_reasons")
    return {name: sender[name] for name in names} | {"url": f"{HOST}{PATH}/{sender['sid']}"}


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise _invalid(f"{name} must be an object.")
    return part


def _invalid(what: str) -> TwilioError:
    return TwilioError(400, 63100, what)
