"""What messaging itself keeps about a lead. What belongs here: its part, as `pilar/people.py` asks every room.

Messages, conversation and consent stay as numbers when a person is erased: what was written, to whom, and every id
that the provider knows them by go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pilar.messaging import people_room_store as store
from pilar.people import About, Moment, Room, told

TABLES = frozenset(
    {
        *("message", "conversation", "consent", "lead_alias", "lead_note", "lead_call", "lead_erasure"),
        *("lead_reach", "session_window", "refusal_question"),
    }
)
BENEATH = frozenset({"message_status", "message_media"})


def _move(about: About, to: UUID) -> None:
    store.move(about, to)


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    return {table: told(rows) for table, rows in store.everything(about).items()}


def _moments(about: About, limit: int) -> list[Moment]:
    found: list[Moment] = []
    for row in store.newest(about, "message", "occurred_at", limit):
        whose = "received" if row.direction == "in" else f"{row.state}, by {row.origin}"
        if row.channel != "whatsapp":
            whose = f"{_CHANNELS[row.channel]}: {whose}"
        if row.deleted_at or row.edited_at:
            whose = "taken back by the lead" if row.deleted_at else f"{whose}, changed by the lead"
        says = row.text or beside_words(row.details) or (row.template_name or row.kind).replace("_", " ")
        found.append(Moment(row.occurred_at, "message", says, f"{whose}: {row.error}" if row.error else whose))
    for row in store.newest(about, "consent", "recorded_at", limit):
        says = f"{'Agreed to' if row.granted else 'Withdrew'} {_SCOPES.get(row.scope, row.scope)}"
        found.append(Moment(row.recorded_at, "consent", says, f"{row.source}: {row.proof}"))
    for row in store.newest(about, "refusal_question", "since", limit):
        read = f"{row.model} answered {row.answer}; " if row.answer else ""
        told = f"told by {row.told_by}" if row.settled_at else "nobody has told yet"
        says = _UNCLEAR[row.found] if row.settled_at else "What they wrote may be a refusal"
        found.append(Moment(row.settled_at or row.since, "consent", says, f"{read}{told}: message:{row.message_id}"))
    notes = store.newest(about, "lead_note", "written_at", limit)
    found += [Moment(row.written_at, "note", row.text, row.written_by) for row in notes]
    for row in store.newest(about, "lead_call", "began_at", limit):
        says = "The lead rang" if row.direction == "in" else "The studio rang"
        found.append(Moment(row.began_at, "call", says, f"{row.state}{f', {row.seconds} s' if row.seconds else ''}"))
    merged = store.newest(about, "lead_alias", "merged_at", limit)
    found += [Moment(row.merged_at, "merge", "Put together with another lead", row.reason) for row in merged]
    return found


def beside_words(details: Mapping[str, Any] | None) -> str:
    """What a message holds beside words, in a line; empty where its kind says as much.

    Args:
        details: as `pilar/providers/whatsapp/contents.py` reads them.
    """
    told = details or {}
    if told.get("emoji"):
        return str(told["emoji"])
    if told.get("filename"):
        return str(told["filename"])
    if "latitude" in told:
        place = (told.get("name"), told.get("address"), f"{told['latitude']}, {told['longitude']}")
        return " · ".join(str(part) for part in place if part)
    people = told.get("contacts") or ()
    return "; ".join(str(one.get("name") or ", ".join(one.get("phones") or ()) or "somebody") for one in people)


_UNCLEAR = {
    "all": "What they wrote was a refusal of all messages",
    "marketing": "What they wrote was a refusal of marketing",
    "none": "What they wrote was no refusal",
}
_CHANNELS = {"sms": "SMS", "email": "e-mail"}
_SCOPES = {
    "marketing": "marketing",
    "email": "e-mail",
    "all": "all messages",
    "founder": "all messages of every studio",
}

ROOM = Room("messaging", TABLES, _move, _tell, erase=store.erase, moments=_moments, beneath=BENEATH)
