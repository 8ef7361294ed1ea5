"""Who has a telephone. What belongs here: people and studios' numbers as the state knows them; chats are `chats.py`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from provider_sandbox.leads import KIND as LEAD
from provider_sandbox.meta import accounts, contacts
from provider_sandbox.meta.messages import INBOUND
from provider_sandbox.meta.statuses import MESSAGE
from provider_sandbox.state import Transaction
from provider_sandbox.twilio import numbers
from provider_sandbox.twilio.reports import MESSAGE as SMS

KIND = "web.person"
"""Somebody whom a visitor of the pages has made up."""
MADE_HERE = "made here"
MOST = 100
"""So many people are listed at once."""
UNUSED = ("+316", 8)
"""What a made-up number begins with, and how many digits follow."""


@dataclass
class Person:
    """Somebody with a telephone.

    Attributes:
        number: in E.164.
        name: as they call themselves; empty while nobody knows.
        roles: what they are to studios, in words.
        messages: how many they have written and received by WhatsApp.
        last: grows with their latest message.
    """

    number: str
    name: str = ""
    roles: list[str] = field(default_factory=list)
    messages: int = 0
    last: int = 0


@dataclass(frozen=True)
class Studio:
    """A studio's number; `on_whatsapp` once it can receive there, `by_sms` where it was bought at Twilio."""

    number: str
    name: str
    on_whatsapp: bool
    by_sms: bool


def people(tx: Transaction, only: str | None = None) -> dict[str, Person]:
    """Everybody by number, or the one with a number; made-up people first, then whoever had the latest message."""
    found: dict[str, Person] = {}
    key = contacts.digits(only) if only else None

    def meet(number: str, name: str | None = None, role: str | None = None) -> Person:
        person = found.setdefault(number, Person(number))
        person.name = person.name or name or ""
        if role and role not in person.roles:
            person.roles.append(role)
        return person

    for body in tx.find(KIND, key=only):
        meet(body["number"], body["name"], MADE_HERE)
    for row in tx.run(
        "select json_extract(body, '$.from') as number, json_extract(body, '$.name') as name,"
        " json_extract(body, '$.mind.persona') as persona from object where kind = ? and (? is null or number = ?)",
        *(LEAD, only, only),
    ):
        meet(row["number"], row["name"], f"simulated lead, {row['persona']}")
    for row in tx.run(
        "select json_extract(body, '$.phone') as number, json_extract(body, '$.name') as name from object"
        " where kind = 'stripe.customer' and number is not null and (? is null or number = ?) order by seq",
        *(only, only),
    ):
        meet(row["number"], row["name"], "owner")
    for row in tx.run(
        "select key, max(json_extract(body, '$.name')) as name from object where kind = ? and (? is null or key = ?)"
        " group by key",
        *(contacts.KIND, key, key),
    ):
        meet(f"+{row['key']}", row["name"])
    mine = {studio.number for studio in studios(tx)}
    for row in tx.run(
        "select key as number from object where kind = ? union select json_extract(body, '$.from') from object"
        " where kind = ?",
        *(SMS, SMS),
    ):
        if row["number"].startswith("+") and row["number"] not in mine and only in (None, row["number"]):
            meet(row["number"])
    for row in tx.run(
        "select key, count(*) as messages, max(seq) as last from object where kind in (?, ?) and (? is null or key = ?)"
        " group by key",
        *(MESSAGE, INBOUND, key, key),
    ):
        person = meet(f"+{row['key']}")
        person.messages, person.last = row["messages"], row["last"]
    ordered = sorted(found.values(), key=lambda person: (MADE_HERE in person.roles, person.last), reverse=True)
    return {person.number: person for person in ordered}


def studios(tx: Transaction) -> list[Studio]:
    """Every studio's number, the oldest first."""
    bought = {body["phone_number"]: body["friendly_name"] for body in tx.find(numbers.KIND)}
    found = [
        Studio(body["number"], body["verified_name"], body["status"] == "CONNECTED", body["number"] in bought)
        for body in tx.find(accounts.PHONE)
    ]
    known = {studio.number for studio in found}
    return found + [Studio(number, name, False, True) for number, name in bought.items() if number not in known]


def matching(everybody: dict[str, Person], wanted: str) -> list[Person]:
    """The people whose name, number or role holds these words, at most `MOST`."""
    words = wanted.lower().split()

    def fits(person: Person) -> bool:
        text = f"{person.number} {person.name} {' '.join(person.roles)}".lower()
        return all(word in text for word in words)

    return [person for person in everybody.values() if fits(person)][:MOST]


def unused_number(tx: Transaction) -> str:
    """A number that nobody has yet."""
    begin, digits = UNUSED
    while True:
        number = begin + "".join(random.choices("123456789", k=digits))  # noqa: S311 - a telephone number, no secret
        if not people(tx, number):
            return number


def make(tx: Transaction, number: str, name: str) -> None:
    """Make somebody up, or give them another name."""
    tx.put(KIND, number, {"number": number, "name": name}, key=number)
