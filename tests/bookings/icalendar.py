"""A strict reader of calendars: RFC 5545 as far as a feed uses it; anything else is an error. Knows nothing of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LINE = re.compile(r"([A-Z-]+)((?:;[A-Z-]+=[^;:,\"]+)*):(.*)", re.DOTALL)
UTC = re.compile(r"\d{8}T([01]\d|2[0-3])[0-5]\d[0-5]\dZ")
ONCE = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "STATUS", "SUMMARY", "LAST-MODIFIED"}


@dataclass
class Calendar:
    properties: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, str]] = field(default_factory=list)


def parse(body: bytes) -> Calendar:
    assert body.endswith(b"\r\n"), "the last line has no end"
    physical = body[:-2].split(b"\r\n")
    for line in physical:
        assert b"\r" not in line and b"\n" not in line, "a line ends with something else than CRLF"
        assert len(line) <= 75, f"a line of {len(line)} octets"
        line.decode()  # no character is cut in two
    lines: list[str] = []
    for line in physical:
        if line.startswith(b" "):
            lines[-1] += line[1:].decode()
        else:
            lines.append(line.decode())
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    calendar, event = Calendar(), None
    for line in lines[1:-1]:
        found = LINE.fullmatch(line)
        assert found, f"no content line: {line!r}"
        name, value = found[1], found[3]
        if (name, value) == ("BEGIN", "VEVENT"):
            assert event is None
            event = {}
        elif (name, value) == ("END", "VEVENT"):
            assert event is not None and event.keys() >= ONCE, event
            assert event["DTSTART"] < event["DTEND"]
            calendar.events.append(event)
            event = None
        else:
            into = calendar.properties if event is None else event
            assert name not in into, f"{name} twice"
            into[name] = _value(name, value)
    assert event is None
    assert calendar.properties["VERSION"] == "2.0" and calendar.properties["PRODID"]
    assert len({one["UID"] for one in calendar.events}) == len(calendar.events)
    return calendar


def _value(name: str, value: str) -> str:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value)
    if name in {"DTSTAMP", "DTSTART", "DTEND", "LAST-MODIFIED"}:
        assert UTC.fullmatch(value), value
    elif name == "SEQUENCE":
        assert value.isdigit()
    elif name == "STATUS":
        assert value in {"CONFIRMED", "CANCELLED", "TENTATIVE"}
    elif name in {"SUMMARY", "X-WR-CALNAME"}:
        assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,nN])*", value), f"not escaped: {value!r}"
        return re.sub(r"\\(.)", lambda sign: "\n" if sign[1] in "nN" else sign[1], value)
    return value
