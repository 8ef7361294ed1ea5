"""Pages of lists. What belongs here: the cursor that leads from one page to the next; opaque to callers."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from pilar.errors import Invalid

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]


def encode(key: UUID | int | str) -> str:
    """The cursor that stands behind an entry, by its key."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def after_id(cursor: str | None) -> UUID | None:
    """The id behind which a page begins; raise `Invalid` for what is no cursor of ours."""
    try:
        return None if cursor is None else UUID(_decode(cursor))
    except ValueError as error:
        raise _not_ours() from error


def after_position(cursor: str | None) -> int | None:
    """The position behind which a page begins; raise `Invalid` for what is no cursor of ours."""
    if cursor is None:
        return None
    text = _decode(cursor)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _not_ours()
    return int(text)


def after_place(cursor: str | None) -> tuple[bool, datetime, UUID] | None:
    """The place behind which a page begins, in a list that is in order of a flag, a moment and an id."""
    if cursor is None:
        return None
    try:
        flag, moment, identity = _decode(cursor).split(" ")
        return flag == "1", datetime.fromisoformat(moment).astimezone(UTC), UUID(identity)
    except ValueError as error:
        raise _not_ours() from error


def after_death(cursor: str | None) -> tuple[datetime, int, str] | None:
    """The place behind which a page of dead letters begins: a moment, a position and a handler's name."""
    if cursor is None:
        return None
    try:
        moment, position, handler = _decode(cursor).split(" ", 2)
        if len(position) > 18:
            raise _not_ours()
        return datetime.fromisoformat(moment).astimezone(UTC), int(position), handler
    except ValueError as error:
        raise _not_ours() from error


def after_wait(cursor: str | None) -> tuple[UUID, str] | None:
    """The place behind which a page of waits begins: a studio and what waits there."""
    if cursor is None:
        return None
    try:
        studio, name = _decode(cursor).split(" ")
        return UUID(studio), name
    except ValueError as error:
        raise _not_ours() from error


def wait(studio: UUID, name: str) -> str:
    """The cursor that stands behind a wait."""
    return encode(f"{studio} {name}")


def death(of: tuple[datetime, int, str]) -> str:
    """The cursor that stands behind a dead letter, by its place."""
    moment, position, handler = of
    return encode(f"{moment.isoformat()} {position} {handler}")


def after_received(cursor: str | None) -> tuple[datetime, int] | None:
    """The place behind which a page of deliveries begins: a moment and a position."""
    found = after_death(cursor)
    return None if found is None else found[:2]


def received(of: tuple[datetime, int]) -> str:
    """The cursor that stands behind a delivery, by its place."""
    return death((*of, ""))


def place(flag: bool, moment: datetime, identity: UUID) -> str:
    """The cursor that stands behind a place, which keeps where an entry was when it moves meanwhile."""
    return encode(f"{int(flag)} {moment.isoformat()} {identity}")


def _decode(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _not_ours() from error


def _not_ours() -> Invalid:
    return Invalid("This cursor is none of ours: use `next_cursor` of the page before.")
