"""Reading a file of leads, row by row. What belongs here: the pure rules of what a row must hold; no I/O.

Nobody may be written to unasked who did not agree, so a row without source, date and proof of consent is refused, and
so is one whose number can't be one. The consent covers e-mail only where the row says so. A refusal says what was wrong
and what to do, and repeats nothing of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pilar.errors import Invalid
from pilar.messaging.csv_rows import Refusal, e164, told_in
from pilar.messaging.zones import country_of
from pilar.providers.email.mailbox import mailbox
from pilar.workspaces.configuration import time_zones

COLUMNS = (
    *("phone", "name", "email", "language", "time_zone"),
    *("consent_source", "consent_date", "consent_proof", "consent_to_email"),
)
NEEDED = ("phone", "consent_source", "consent_date", "consent_proof")
LONGEST_NAME = 100
LONGEST_TEXT = 500
SHORTEST_PROOF = 3
_SAYS = {"": False, "no": False, "yes": True}


@dataclass(frozen=True)
class LeadRow:
    """A row that can be used.

    Attributes:
        line: where it begins in the file.
        phone: E.164.
        email: as it is kept; None: none is told.
        language: ISO 639-1; None: the studio's.
        time_zone: IANA name; None: where the number may be.
        country: of the number, ISO 3166 alpha-2.
        proof: source, day and proof of the consent in one text, the same for the same consent.
        agreed_to_email: that consent covers e-mail too.
    """

    line: int
    phone: str
    name: str | None
    email: str | None
    language: str | None
    time_zone: str | None
    country: str | None
    proof: str
    agreed_to_email: bool


@dataclass(frozen=True)
class Studio:
    """What a row is read by: where numbers without a calling code are, and what day it is there."""

    country: str
    time_zone: str
    now: datetime


def read(line: int, fields: dict[str, str] | None, studio: Studio) -> LeadRow | Refusal:
    """What a row holds, or why it can't be used."""
    told = told_in(line, fields, COLUMNS)
    if isinstance(told, Refusal):
        return told
    for problem in (_consent_missing(told, studio), _too_long(told), _unknown(told)):
        if problem:
            return Refusal(line, problem)
    phone = e164(told["phone"], studio.country)
    if phone is None:
        return Refusal(line, "phone is no number that there can be: write it with + and the country's calling code.")
    try:
        email = mailbox(told["email"]) if told["email"] else None
    except Invalid:
        return Refusal(line, "email is none that there can be: write it as name@domain.example, or leave it empty.")
    return LeadRow(
        line=line,
        phone=phone,
        name=told["name"] or None,
        email=email,
        language=told["language"].lower() or None,
        time_zone=told["time_zone"] or None,
        country=country_of(phone),
        proof=f"{told['consent_source']}, {told['consent_date']}: {told['consent_proof']}",
        agreed_to_email=_SAYS[told["consent_to_email"].lower()],
    )


def _consent_missing(told: dict[str, str], studio: Studio) -> str | None:
    if not told["consent_source"]:
        return "consent_source is missing: say where the person agreed, such as a form's name."
    if len(told["consent_proof"]) < SHORTEST_PROOF:
        return "consent_proof is missing: without proof of consent nobody may be written to."
    day = _day(told["consent_date"])
    if day is None:
        return "consent_date is missing or no date: write it as 2026-03-31."
    if day > studio.now.astimezone(ZoneInfo(studio.time_zone)).date():
        return "consent_date is in the future: nobody has agreed yet."
    return None


def _too_long(told: dict[str, str]) -> str | None:
    if len(told["name"]) > LONGEST_NAME:
        return f"name is longer than {LONGEST_NAME} characters."
    long = [name for name in ("consent_source", "consent_proof") if len(told[name]) > LONGEST_TEXT]
    return f"{long[0]} is longer than {LONGEST_TEXT} characters." if long else None


def _unknown(told: dict[str, str]) -> str | None:
    language = told["language"]
    if language and not (len(language) == 2 and language.isascii() and language.isalpha()):
        return "language is none: write two letters such as nl or en, or leave it empty."
    if told["time_zone"] and told["time_zone"] not in time_zones():
        return "time_zone is none: write a name such as Europe/Amsterdam, or leave it empty."
    if told["consent_to_email"].lower() not in _SAYS:
        return "consent_to_email is yes, where the same consent covers e-mail, or else no or empty."
    if _SAYS[told["consent_to_email"].lower()] and not told["email"]:
        return "consent_to_email is yes, and there is no email."
    return None


def _day(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
