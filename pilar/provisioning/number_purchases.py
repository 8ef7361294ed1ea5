"""At most one number bought per studio and day. What belongs here: the rule, and which purchase comes next.

What does not: buying (`twilio_steps.py`). The intent is written in the transaction that records the attempt, under the
lock of the studio's job, so that of two workers who would buy at once one is told no before Twilio is asked, and so
that an owner who brings a number after all and a purchase exclude each other.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.errors import TooManyRequests, Transient
from pilar.provisioning import channel_store, replacement_store, store, traces


def next_key(connection: Connection, workspace_id: UUID) -> str:
    """The key of the purchase that a studio's number comes from: the one that stands, or another once that is lost.

    While its number is being replaced, that is the replacement's.
    """
    replacement = replacement_store.under_way(connection, workspace_id)
    if replacement is not None and replacement.moved_at is None:
        return traces.number_key(workspace_id, str(replacement.id))
    known = channel_store.purchases_of(connection, workspace_id)
    standing = [one.effect_key for one in known if one.lost_at is None]
    if standing:
        return str(standing[-1])
    return f"{workspace_id}:{len(known) + 1}" if known else str(workspace_id)


def intend(connection: Connection, clocks: Clocks, workspace_id: UUID, key: str) -> None:
    """Note that a number is about to be bought; the same purchase may be tried again on any day.

    Args:
        connection: the transaction that records the attempt.
        clocks: both clocks.
        workspace_id: the studio's.
        key: of the purchase, from `next_key`.

    Raises:
        TooManyRequests: another number was bought for the studio on this day of business time (UTC).
        Transient: the studio brings a number of its own by now, or its number is being replaced by another purchase.
    """
    store.lock_job(connection, workspace_id)
    if channel_store.own_of(connection, workspace_id) is not None:
        raise Transient("The studio brings a number of its own by now: none is bought.")
    replacement = replacement_store.under_way(connection, workspace_id)
    if replacement is not None and key != traces.number_key(workspace_id, str(replacement.id)):
        raise Transient("The studio's number is being replaced: that purchase is the one to make.")
    now = clocks.business.now()
    today = now.astimezone(UTC).date()
    for one in channel_store.purchases_of(connection, workspace_id):
        if one.day == today and one.effect_key != key:
            tomorrow = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)
            raise TooManyRequests(
                f"A number was bought for this studio on {today:%d %B %Y} already, and one a day is allowed: "
                f"the next can be bought from {tomorrow:%d %B %Y} on (UTC)."
            )
    channel_store.keep_purchase(connection, workspace_id, key, today, now)


def note_lost(connection: Connection, clocks: Clocks, workspace_id: UUID, number_sid: str) -> None:
    """A number that was bought is gone from the account: the next one is another purchase."""
    channel_store.lose_number(connection, workspace_id, number_sid, clocks.business.now())


def lose_all(connection: Connection, clocks: Clocks, workspace_id: UUID) -> bool:
    """Note that no purchase of a studio's stands any more; False, and nothing noted, where one is not settled yet.

    Args:
        connection: a transaction that begins to replace the studio's number.
        clocks: both clocks.
        workspace_id: the studio's.
    """
    store.lock_job(connection, workspace_id)
    standing = [one for one in channel_store.purchases_of(connection, workspace_id) if one.lost_at is None]
    keys = [one.effect_key for one in standing]
    if channel_store.has_purchase(connection, workspace_id, traces.NUMBER, keys, states=("attempted", "unknown")):
        return False
    for key in keys:
        channel_store.lose_purchase(connection, workspace_id, key, clocks.business.now())
    return True
