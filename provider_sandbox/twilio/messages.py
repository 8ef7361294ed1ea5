"""SMS. What belongs here: sending, receiving, and the signed webhook that tells a number's owner."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping

from provider_sandbox.delivery import Outgoing, Signer
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import Dropped, TaskQueue
from provider_sandbox.twilio import accounts, answers, errors, lines, numbers, pool
from provider_sandbox.twilio.accounts import new_sid, stamp, uri
from provider_sandbox.twilio.errors import TwilioError
from provider_sandbox.twilio.reports import MESSAGE, Reports
from provider_sandbox.twilio.signatures import signed

KIND = MESSAGE
LONGEST = 1600


def send(tx: Transaction, deliveries: TaskQueue, reports: Reports, account: Body, form: Mapping[str, str]) -> Body:
    """Send an SMS from one of the account's numbers; a recipient of the sandbox's own receives it.

    Raises:
        TwilioError: 21211 or 21614 about the recipient's number, 21610 for somebody who said STOP, 21602 without a
            text, 21606 for a number that is not the account's.
    """
    to, sender, text = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
        raise TwilioError(400, 21211, f"Invalid 'To' phone number: {to}")
    if not text:
        raise errors.missing("Body", 21602)
    if len(text) > LONGEST:
        raise TwilioError(400, 21617, f"The message body exceeds the {LONGEST} character limit")
    number = numbers.owner_of(tx, sender)
    if number is None or number["account_sid"] != account["sid"]:
        raise TwilioError(400, 21606, f"{sender} is not a number of this account that can send SMS.")
    lines.check(tx, sender, to)
    message = _message(tx, account["sid"], sender, to, text, direction="outbound-api", status="queued")
    tx.effect("twilio.sms_sent", to)
    error = answers.take(tx, message["uri"], to, later=True) or lines.failure(tx, to)
    reports.follow(tx, message, form.get("StatusCallback"), error)
    if error is None:
        receive(tx, deliveries, to=to, sender=sender, text=text)
    return message


def receive(tx: Transaction, deliveries: TaskQueue, *, to: str, sender: str, text: str) -> Body | None:
    """An SMS arrives at a number: it is kept, and its owner is told where an `SmsUrl` is set.

    Returns:
        The message, or None where nobody has the number.
    """
    number = numbers.owner_of(tx, to)
    if number is None:
        return None
    message = _message(tx, number["account_sid"], sender, to, text, direction="inbound", status="received")
    if number["sms_url"]:
        parameters = {
            "AccountSid": number["account_sid"],
            "ApiVersion": accounts.VERSION,
            "Body": text,
            "From": sender,
            "MessageSid": message["sid"],
            "NumMedia": "0",
            "NumSegments": message["num_segments"],
            "SmsMessageSid": message["sid"],
            "SmsSid": message["sid"],
            "SmsStatus": "received",
            "To": to,
            "ToCity": "",
            "ToCountry": _country(to),
            "ToState": "",
            "ToZip": "",
        }
        body = json.dumps(parameters)
        name, address = message["sid"], number["sid"]
        deliveries.add(tx, topic="twilio", name=name, lane=f"twilio {to}", address=address, body=body)
    if reply := lines.hear(tx, sender, to, text):
        _message(tx, number["account_sid"], to, sender, reply, direction="outbound-reply", status="sent")
    return message


def keep(tx: Transaction, *, to: str, sender: str, text: str) -> Body:
    """An SMS arrives at a telephone that is nobody's at Twilio: it is there to be read."""
    return _message(tx, "", sender, to, text, direction="inbound", status="received")


def signer(state: State) -> Signer:
    """Addresses and signs queued webhooks: of an SMS that came in, or of what became of one that was sent."""

    def sign(task: sqlite3.Row) -> Outgoing:
        told = json.loads(task["body"])
        with state.transaction() as tx:
            if "url" in told:
                account = tx.get(accounts.KIND, task["address"])
                url, method, parameters = told["url"], "POST", told["parameters"]
            else:
                number = tx.get(numbers.KIND, task["address"]) or {"account_sid": "", "sms_url": "", "sms_method": ""}
                account = tx.get(accounts.KIND, number["account_sid"])
                url, method, parameters = number["sms_url"], number["sms_method"], told
        if account is None or not url:
            raise Dropped("the number was released or listens no longer")
        return signed(url, method, parameters, account["auth_token"], task["name"])

    return sign


def listed(tx: Transaction, account: Body, query: Mapping[str, str]) -> list[Body]:
    """An account's messages, newest first, by recipient and sender."""
    return [
        body
        for body in reversed(tx.find(KIND, owner=account["sid"]))
        if query.get("To") in (None, body["to"]) and query.get("From") in (None, body["from"])
    ]


def existing(tx: Transaction, account: Body, sid: str) -> Body:
    """One of the account's messages; raise 20404 for anything else."""
    body = tx.get(KIND, sid)
    if body is None or body["account_sid"] != account["sid"]:
        raise errors.not_found(uri(account["sid"], f"/Messages/{sid}"))
    return body


def _country(number: str) -> str:
    for area in pool.AREAS:
        if number.startswith(f"+{area.dial}"):
            return area.country
    return ""


def _message(
    tx: Transaction, account_sid: str, sender: str, to: str, text: str, *, direction: str, status: str
) -> Body:
    sid = new_sid("SM")
    now = stamp(tx.now())
    # 160 characters fit into one SMS and 153 into each part of a longer one; beyond Latin, 70 and 67.
    one, part = (160, 153) if text.isascii() else (70, 67)
    segments = 1 if len(text) <= one else -(-len(text) // part)
    message = {
        "sid": sid,
        "account_sid": account_sid,
        "api_version": accounts.VERSION,
        "body": text,
        "date_created": now,
        "date_sent": now if direction == "inbound" else None,
        "date_updated": now,
        "direction": direction,
        "error_code": None,
        "error_message": None,
        "from": sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(segments),
        "price": None,
        "price_unit": "USD",
        "status": status,
        "subresource_uris": {"media": uri(account_sid, f"/Messages/{sid}/Media")},
        "to": to,
        "uri": uri(account_sid, f"/Messages/{sid}"),
    }
    return tx.put(KIND, sid, message, owner=account_sid, key=to)
