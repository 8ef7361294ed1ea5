"""A studio's training logic. What belongs here: changing it, and planning anew by it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.coach import schedule, store
from pilar.coach.planning import plan
from pilar.workspaces.configuration import CoachingConfiguration
from pilar.workspaces.store import load_configuration, save_configuration


def change(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    wanted: CoachingConfiguration,
    *,
    expected_version: int | None,
    actor: str,
) -> int:
    """Put another coaching section in force and plan anew what is still to come; return the configuration's version.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        wanted: the section.
        expected_version: the version that it was made from; None: whatever is in force.
        actor: who, as in the audit log.

    Raises:
        Invalid: a schedule can't be read or never comes.
        Conflict: somebody else changed the configuration meanwhile.
        NotFound: the studio has no configuration yet.
    """
    check(wanted)
    now = clocks.business.now()
    version, document = load_configuration(connection, workspace_id)
    if document.coaching == wanted and expected_version in (None, version):
        return version
    saved = save_configuration(
        connection,
        workspace_id,
        document.model_copy(update={"coaching": wanted}),
        changed_by=actor,
        note="the coach's schedule",
        now=now,
        expected_version=version if expected_version is None else expected_version,
    )
    plan_anew(connection, clocks, workspace_id)
    return saved


def check(wanted: CoachingConfiguration) -> None:
    """Raise `Invalid` where a schedule can't be read or never comes."""
    for entry in wanted.schedules:
        schedule.check(entry.cron)


def plan_anew(connection: Connection, clocks: Clocks, workspace_id: UUID) -> None:
    """Withdraw what is still to come, and plan by the section in force; in the fleet's scope."""
    store.withdraw_pending(connection, workspace_id, clocks.business.now())
    plan(connection, clocks, [workspace_id])
