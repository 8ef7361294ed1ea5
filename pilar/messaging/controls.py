"""The pause switch and the dry run. What belongs here: putting them in force and ending them, at once and audited.

Both are looked at by every verdict, so they hold from their commit on, also for what is queued already. What a pause
kept back is asked for again when it ends; the verdict decides anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.messaging import page_store, states, store
from pilar.messaging.decisions import Channel
from pilar.messaging.events import ReleaseHeld
from pilar.messaging.outbox import ask_to_send
from pilar.workspaces import store as workspaces

ControlKind = Literal["pause", "dry_run"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

_AT_ONCE = 500


@dataclass(frozen=True)
class Control:
    """A control that is in force."""

    kind: str
    workspace_id: UUID | None
    channel: str | None
    reason: str
    began_by: str
    began_at: datetime


def begin(
    connection: Connection,
    clocks: Clocks,
    kind: ControlKind,
    *,
    workspace_id: UUID | None,
    channel: str | None,
    reason: str,
    actor: str,
) -> bool:
    """Put a control in force; return whether it was not yet.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        kind: pause (nothing goes) or dry run (decided and recorded, not sent).
        workspace_id: for one studio; None: for the whole fleet.
        channel: for one channel; None: for all.
        reason: in words; shown wherever it keeps something back.
        actor: who, as in the audit log.

    Raises:
        Invalid: there is no such channel.
        NotFound: there is no such studio.
    """
    _check(channel)
    if workspace_id is not None:
        workspaces.get_workspace(connection, workspace_id)
    reason = reason.strip()[:300] or "no reason given"
    values = {
        "workspace_id": workspace_id,
        "channel": channel,
        "kind": kind,
        "key": _key(kind, workspace_id, channel),
        "reason": reason,
        "began_by": actor,
        "began_at": clocks.real.now(),
    }
    if not store.begin_control(connection, values):
        return False
    _audit(connection, clocks, f"messaging.{kind}_begun", workspace_id, channel, actor, reason)
    return True


def end(
    connection: Connection,
    clocks: Clocks,
    kind: ControlKind,
    *,
    workspace_id: UUID | None,
    channel: str | None,
    actor: str,
) -> bool:
    """End a control; return whether it was in force. What it kept back is looked at again."""
    _check(channel)
    ended = store.end_control(connection, _key(kind, workspace_id, channel), by=actor, now=clocks.real.now())
    if ended is None:
        return False
    _audit(connection, clocks, f"messaging.{kind}_ended", workspace_id, channel, actor, "")
    if kind == "pause":
        release = Job(payload=ReleaseHeld(workspace_id=workspace_id, control_id=ended), key=str(ended))
        enqueue(connection, clocks, [release], Cause.new())
    return True


def in_force(connection: Connection, workspace_id: UUID | None) -> list[Control]:
    """What is in force for a studio as a whole or, with None, for the fleet; the newest first."""
    return [_control(row) for row in store.controls_in_force(connection, workspace_id)]


def over_studio(connection: Connection, workspace_id: UUID) -> list[Control]:
    """What keeps a studio's messages back: its own and the fleet's, the newest first. Needs the fleet's scope."""
    return [_control(row) for row in page_store.controls_holding(connection, workspace_id)]


def in_studios(connection: Connection, *, limit: int) -> list[tuple[str, Control]]:
    """What is in force in single studios, with the studio's name, the newest first. Needs the fleet's scope."""
    return [(row.studio_name, _control(row)) for row in page_store.controls_everywhere(connection, limit)]


class Release:
    """Asks for what a pause kept back."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def run(self, connection: Connection, work: Work[ReleaseHeld]) -> dict[str, int]:
        """Ask for each held message again, in order, a few hundred per transaction."""
        wanted = work.content
        found = store.held_messages(connection, wanted.workspace_id, wanted.after, _AT_ONCE)
        for row in found:
            store.change_message(connection, row.workspace_id, row.id, {"state": states.QUEUED})
            ask_to_send(
                connection, self._clocks, row.workspace_id, row.id, work.cause, occasion=f"released:{wanted.control_id}"
            )
        if len(found) == _AT_ONCE:
            after = found[-1].id
            more = Job(payload=wanted.model_copy(update={"after": after}), key=f"{wanted.control_id}:{after}")
            enqueue(connection, self._clocks, [more], work.cause)
        return {"released": len(found)}


def _control(row: Row[Any]) -> Control:
    return Control(row.kind, row.workspace_id, row.channel, row.reason, row.began_by, row.began_at)


def _check(channel: str | None) -> None:
    if channel is not None and channel not in CHANNELS:
        raise Invalid(f"There is no channel {channel!r}: leave it out or use {', '.join(CHANNELS)}.")


def _key(kind: str, workspace_id: UUID | None, channel: str | None) -> str:
    return f"{kind}:{workspace_id or 'fleet'}:{channel or 'all'}"


def _audit(
    connection: Connection,
    clocks: Clocks,
    action: str,
    workspace_id: UUID | None,
    channel: str | None,
    actor: str,
    reason: str,
) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"{workspace_id or 'fleet'}:{channel or 'all channels'}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details={"reason": reason} if reason else None,
    )
