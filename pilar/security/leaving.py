"""Who loses access when a studio is closed: programs, browsers and links that are still to sign somebody in.

What belongs here: the rule, in the transaction that closes the studio. What does not: when that is (provisioning), and
the calendar's addresses (`bookings/feeds.py`).

Who works in another studio that is open, is an affiliate or the founder stays signed in. The others may sign in anew,
to read until when the data is kept; a program may not.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.security import store


def end_access(connection: Connection, workspace_id: UUID, now: datetime, cause: Cause) -> None:
    """Revoke a studio's tokens and end the sessions and sign-in links of people who have no other place.

    Args:
        connection: a transaction in the fleet's scope that holds the studio's row and has closed it.
        workspace_id: the studio's.
        now: real time.
        cause: the story it belongs to.
    """

    def record(action: str, subject: str, **details: int) -> None:
        audit.record(
            connection, actor=audit.SYSTEM, action=action, subject=subject, now=now, workspace_id=workspace_id,
            correlation_id=cause.correlation_id, details=details,
        )  # fmt: skip

    for token_id in store.revoke_tokens_of(connection, workspace_id, now):
        record("security.token_revoked", f"token:{token_id}")
    for person_id in store.people_of_no_other_place(connection, workspace_id):
        ended = store.delete_sessions_of(connection, person_id)
        links = store.use_links_of(connection, person_id, now)
        if ended or links:
            record("security.access_ended", f"person:{person_id}", sessions=ended, links=links)
