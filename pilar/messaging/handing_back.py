"""Handing a silent conversation back to the bot. What belongs here: when that is looked at, and what has to hold then.

A hand-over plans one look, for when it would be time; a look that finds the conversation alive plans the next one. So
nothing is searched for, and a worker that is killed leaves the look in the queue. Where a lead waits for an answer the
bot stays silent, however long: a person was promised.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.errors import Permanent
from pilar.messaging import store
from pilar.messaging.events import HandBack
from pilar.workspaces import store as workspaces


def plan(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    *,
    since: datetime,
    last_word: datetime,
    story: Cause,
) -> None:
    """Have a conversation looked at when it has been silent for long enough, if the studio wants that at all.

    Args:
        connection: a transaction that sees the studio.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose conversation.
        since: business time when the person took over.
        last_word: business time when somebody last said something.
        story: the story it belongs to.
    """
    patience = _patience(connection, workspace_id)
    if patience is None:
        return
    due_at = last_word + patience
    job = Job(
        payload=HandBack(lead_id=lead_id, since=since.isoformat()),
        key=f"{lead_id}:{since.isoformat()}:{due_at.isoformat()}",
        workspace_id=workspace_id,
        due_at=due_at,
        business_time=True,
    )
    enqueue(connection, clocks, [job], story)


class HandingBack:
    """Looks at conversations that may have fallen silent."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_job(self, connection: Connection, work: Work[HandBack]) -> dict[str, str]:
        """Hand a conversation back if it is silent, else look again later; return what was done."""
        if work.workspace_id is None:
            raise Permanent("A conversation belongs to a studio.")
        workspace_id = work.workspace_id
        lead_id = store.lock_lead(connection, workspace_id, work.content.lead_id).id
        thread = store.find_conversation(connection, workspace_id, lead_id)
        if thread is None or thread.mode == "bot" or thread.mode_since.isoformat() != work.content.since:
            return {"done": "it is no longer that hand-over"}
        patience, now = _patience(connection, workspace_id), self._clocks.business.now()
        if patience is None:
            return {"done": "the studio hands back by itself"}
        if thread.unread or thread.last_message_at + patience > now:
            last_word = now if thread.unread else thread.last_message_at
            plan(
                connection, self._clocks, workspace_id, lead_id, since=thread.mode_since, last_word=last_word,
                story=work.cause,
            )  # fmt: skip
            return {"done": "looked at again later"}
        reason = f"Nobody has written for {patience // timedelta(hours=1)} hours."
        changed = {"mode": "bot", "mode_since": now, "mode_reason": reason, "assigned_to": None}
        store.change_conversation(connection, workspace_id, lead_id, changed)
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action="conversation.handed_back",
            subject=f"lead:{lead_id}",
            now=self._clocks.real.now(),
            workspace_id=workspace_id,
            correlation_id=work.correlation_id,
            details={"hours": patience // timedelta(hours=1)},
        )
        return {"done": "handed back"}


def _patience(connection: Connection, workspace_id: UUID) -> timedelta | None:
    agent = workspaces.load_configuration(connection, workspace_id)[1].agent
    hours = agent.hand_back_after_hours if agent else None
    return timedelta(hours=hours) if hours else None
