"""Overrides: an admin's other limit for a workspace, for a while.

What belongs here: making, listing and ending them. What does not: how they are heeded (`budget_store.py`); while one is
in force it stands in place of the limit, and when its time is over it is not looked at any more, so that nothing has to
happen for it to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, update

from pilar.backplane import audit
from pilar.backplane.budget_tables import budget_override
from pilar.backplane.budgets import Period
from pilar.backplane.tables import budget_limit
from pilar.clocks import Clocks
from pilar.errors import Invalid, NotFound
from pilar.ids import new_id

LARGEST = 2**62
"""More than anything is counted to; sums with it stay within the column."""


@dataclass(frozen=True)
class Override:
    """An admin's other limit.

    Attributes:
        amount: what may be used per period while it lasts.
        starts_at: business time.
        until: business time; over then.
        made_by: the actor, as in the audit log.
        ended_at: business time, where it was ended before its time or replaced; None: it was not.
        ended_by: who did that.
    """

    workspace_id: UUID
    id: UUID
    resource: str
    period: Period
    amount: int
    starts_at: datetime
    until: datetime
    made_by: str
    reason: str
    ended_at: datetime | None = None
    ended_by: str | None = None


def override(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    resource: str,
    period: Period,
    amount: int,
    until: datetime,
    actor: str,
    reason: str,
) -> Override:
    """Have another amount stand in place of a workspace's limit until a moment; an earlier one gives way to it.

    Args:
        connection: the caller's transaction.
        clocks: both clocks.
        workspace_id: whose limit.
        resource: of what.
        period: hour or day.
        amount: how much may be used per period meanwhile.
        until: when it ends by itself, business time.
        actor: who, as in the audit log.
        reason: why, for whoever reads that log.

    Raises:
        Invalid: the amount, the end or the reason can't be one.
        NotFound: there is no such limit, so there is nothing to be overridden.
    """
    now = clocks.business.now()
    if not 0 <= amount <= LARGEST:
        raise Invalid("The amount of an override is not negative, and within reason.")
    if until.tzinfo is None or until <= now:
        raise Invalid(f"An override ends in the future; it is {now:%Y-%m-%d %H:%M} UTC now.")
    if not reason.strip():
        raise Invalid("An override needs a reason.")
    # Two admins at once: the second replaces what the first made.
    limit = select(budget_limit.c.amount).filter_by(workspace_id=workspace_id, resource=resource, period=period)
    granted = connection.execute(limit.with_for_update()).scalar_one_or_none()
    if granted is None:
        raise NotFound(f"This workspace has no limit of {resource} per {period} that could be overridden.")
    mine = budget_override.c
    connection.execute(
        update(budget_override)
        .where(
            mine.workspace_id == workspace_id,
            mine.resource == resource,
            mine.period == period,
            mine.ended_at.is_(None),
        )
        .values(ended_at=func.least(mine.until, now), ended_by=actor)
    )
    made = Override(workspace_id, new_id(), resource, period, amount, now, until, actor, reason.strip())
    connection.execute(insert(budget_override).values(**vars(made)))
    details = {"id": str(made.id), "amount": amount, "granted": granted, "until": until.isoformat(), "reason": reason}
    _record(connection, clocks, made, "budget.overridden", actor, details)
    return made


def end_override(
    connection: Connection, clocks: Clocks, workspace_id: UUID, override_id: UUID, *, actor: str
) -> Override:
    """End an override before its time: the limit stands again from the commit on.

    Raises:
        NotFound: there is none by that id, or it is over already.
    """
    now = clocks.business.now()
    row = connection.execute(
        update(budget_override)
        .filter_by(workspace_id=workspace_id, id=override_id, ended_at=None)
        .where(budget_override.c.until > now)
        .values(ended_at=now, ended_by=actor)
        .returning(budget_override)
    ).one_or_none()
    if row is None:
        raise NotFound("No such override is in force.")
    ended = _override(row)
    _record(connection, clocks, ended, "budget.override_ended", actor, {"id": str(ended.id)})
    return ended


def list_overrides(
    connection: Connection, clocks: Clocks, *, workspace_id: UUID | None = None, in_force: bool = True
) -> list[Override]:
    """Overrides that are in force, or all there ever were; the newest first.

    Args:
        connection: whose scope decides what is seen.
        clocks: both clocks.
        workspace_id: of one workspace; None: of all.
        in_force: leave out those that are over.
    """
    query = select(budget_override).order_by(budget_override.c.id.desc())
    if workspace_id is not None:
        query = query.where(budget_override.c.workspace_id == workspace_id)
    if in_force:
        query = query.where(budget_override.c.ended_at.is_(None), budget_override.c.until > clocks.business.now())
    return [_override(row) for row in connection.execute(query)]


def _override(row: Row[Any]) -> Override:
    return Override(**row._mapping)  # noqa: SLF001 - a row's public view, whatever its name


def _record(
    connection: Connection, clocks: Clocks, of: Override, action: str, actor: str, details: dict[str, Any]
) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"budget:{of.resource}/{of.period}",
        now=clocks.real.now(),
        workspace_id=of.workspace_id,
        details=details,
    )
