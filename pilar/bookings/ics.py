"""A calendar as other calendars read it. What belongs here: RFC 5545's form, as far as a feed of bookings needs it.

What does not: whose calendar it is and who may read it (`feeds.py`). Times are written in UTC, so that no reader has to
know a zone's rules; each shows them in its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

LONGEST_LINE = 75
"""Octets of one line, its end not counted (RFC 5545, 3.1)."""

_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Entry:
    """Something in a calendar.

    Attributes:
        id: stays the same for as long as the entry lives: a reader knows it again by it.
        starts_at: in any zone.
        ends_at: in any zone.
        changed_at: when it was last changed.
        sequence: how often it was changed; a reader obeys the highest.
        title: shown in one line.
        is_cancelled: called off; a reader strikes it out.
    """

    id: UUID
    starts_at: datetime
    ends_at: datetime
    changed_at: datetime
    sequence: int
    title: str
    is_cancelled: bool


def calendar(name: str, entries: Iterable[Entry]) -> bytes:
    """The whole calendar under a name, in UTF-8."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//PILAR//Bookings//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    lines += [f"X-WR-CALNAME:{escaped(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT15M"]
    for entry in entries:
        lines += _event(entry)
    lines.append("END:VCALENDAR")
    return b"".join(line + b"\r\n" for whole in lines for line in folded(whole))


def escaped(text: str) -> str:
    """A text as a value (RFC 5545, 3.3.11), without the control characters that none may hold."""
    plain = _UNSAFE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    for sign in ("\\", ";", ","):
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("\n", "\\n")


def folded(line: str) -> Iterator[bytes]:
    """A line cut to length; each but the first begins with a space, and no character is cut in two."""
    rest, room = line.encode(), LONGEST_LINE
    first = b""
    while len(rest) > room:
        cut = room
        while rest[cut] & 0xC0 == 0x80:  # in the middle of a character
            cut -= 1
        yield first + rest[:cut]
        rest, first, room = rest[cut:], b" ", LONGEST_LINE - 1
    yield first + rest


def _event(entry: Entry) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{entry.id}@pilar",
        f"DTSTAMP:{_utc(entry.changed_at)}",
        f"LAST-MODIFIED:{_utc(entry.changed_at)}",
        f"SEQUENCE:{entry.sequence}",
        f"DTSTART:{_utc(entry.starts_at)}",
        f"DTEND:{_utc(entry.ends_at)}",
        f"SUMMARY:{escaped(entry.title)}",
        f"STATUS:{'CANCELLED' if entry.is_cancelled else 'CONFIRMED'}",
        "END:VEVENT",
    ]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
