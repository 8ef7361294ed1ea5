"""Taking a person out of what came in.

What belongs here: the pure rule that leaves a person's parts out of a body, and doing so to the deliveries that name
them. What does not: who is to be forgotten.

A delivery may be about several people: each list in it loses the entries that name the person, and all others stay.
What a delivery names is noted when it is worked on (`received.py`); one that still waits is not found here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.backplane.subjects import as_subject, digest, subjects

NOTHING_LEFT = b"{}"

_FIND = """
select i.position, i.id, i.provider, i.external_id, i.received_at, i.body from inbox i
where i.position in (select position from inbox_subject where subject = any(:subjects)) order by i.position
"""
_WRITE = "select pilar_shred_delivery(:position, :body)"
_UNNOTE = "delete from inbox_subject where position = :position and subject = any(:subjects)"
_ANSWERS = "update api_request set body = :nothing where status is not null and position(:needle in body) > 0"


class Mention(NamedTuple):
    """A delivery that names a person."""

    id: UUID
    provider: str
    external_id: str
    received_at: datetime


def mentions(connection: Connection, names: Iterable[str]) -> list[Mention]:
    """The deliveries that name one of these ids or numbers, the oldest first. Needs the fleet's scope."""
    rows = connection.execute(text(_FIND), {"subjects": _digests(names)})
    return [Mention(row.id, row.provider, row.external_id, row.received_at) for row in rows]


def shred(connection: Connection, names: Collection[str], to: Collection[str]) -> int:
    """Take a person out of every delivery that names them; return how many those were.

    Args:
        connection: a transaction in the fleet's scope; whoever shreds at the same time has to wait for it.
        names: every id and number that they and their messages are known by.
        to: ids and numbers of the studio that forgets them: what another studio was told stays.
    """
    rows = connection.execute(text(_FIND), {"subjects": _digests(names)}).all()
    return sum(_put(connection, row.position, bytes(row.body), names, to) for row in rows)


def shred_one(connection: Connection, position: int, body: bytes, names: Collection[str], to: Collection[str]) -> None:
    """Take a person out of one delivery, which was found out while it was worked on."""
    _put(connection, position, body, names, to)


def shred_answers(connection: Connection, needles: Sequence[str]) -> None:
    """Empty the kept answers to requests that hold one of these; whoever repeats such a request gets an empty one."""
    for needle in needles:
        connection.execute(text(_ANSWERS), {"nothing": NOTHING_LEFT, "needle": needle.encode()})


def without(body: bytes, names: Iterable[str], to: Iterable[str]) -> bytes:
    """A body without the parts that name a person to a studio, by the ids of both; pure."""
    theirs, ours = {as_subject(name) for name in names}, {as_subject(name) for name in to}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        told = {as_subject(_bare(value)) for _, value in parse_qsl(body.decode(errors="replace"))}
        return NOTHING_LEFT if told & theirs and told & ours else body
    rest, is_theirs = _without(document, theirs, ours)
    if is_theirs:
        return NOTHING_LEFT
    return body if rest == document else json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode()


def _put(connection: Connection, position: int, body: bytes, names: Collection[str], to: Collection[str]) -> bool:
    rest = without(body, names, to)
    if rest == body:
        return False
    gone = [digest(subject) for subject in set(subjects(body)) - set(subjects(rest))]
    connection.execute(text(_WRITE), {"body": rest, "position": position})
    connection.execute(text(_UNNOTE), {"position": position, "subjects": gone})
    return True


def _without(value: Any, theirs: set[str], ours: set[str]) -> tuple[Any, bool]:
    """What is left of a value, and whether it is about them itself."""
    if isinstance(value, dict):
        metadata = value.get("metadata")
        if isinstance(metadata, dict) and as_subject(str(metadata.get("phone_number_id"))) not in ours:
            return value, False
        rest, is_theirs = {}, False
        for name, item in value.items():
            rest[name], hit = _without(item, theirs, ours)
            is_theirs = is_theirs or hit
        # Who is told beside messages that are gone is told for their sake.
        if "contacts" in rest and any(value.get(name) and not rest.get(name) for name in ("messages", "calls")):
            rest["contacts"] = []
        return rest, is_theirs
    if isinstance(value, list):
        pairs = [_without(item, theirs, ours) for item in value]
        return [rest for rest, is_theirs in pairs if not is_theirs], False
    return value, isinstance(value, str) and as_subject(_bare(value)) in theirs


def _bare(value: str) -> str:
    return value.strip().removeprefix("whatsapp:")


def _digests(names: Iterable[str]) -> list[int]:
    return [digest(as_subject(name)) for name in names]
