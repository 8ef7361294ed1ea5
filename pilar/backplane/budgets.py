"""Budgets: how much of a resource a workspace may use in an hour and in a day.

What belongs here: reserve → settle, and what expires. What does not: how much a plan grants (`workspaces`).

A reservation is a row of its own with an expiry, and the counters change in the same transaction, so nothing leaks
and nothing is overspent whichever worker dies. Windows are UTC hours and days of business time; a new window starts
at nothing by having no row yet, which is the reset at midnight.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.tables import budget_limit, budget_reservation, budget_usage
from pilar.clocks import Clocks
from pilar.errors import NotFound, OverBudget
from pilar.ids import new_id

Period = Literal["hour", "day"]
Overage = Literal["queue", "drop", "degrade"]


@dataclass(frozen=True)
class Reservation:
    """An amount set aside."""

    workspace_id: UUID
    id: UUID
    resource: str
    amount: int


def window_start(period: Period, at: datetime) -> datetime:
    """The beginning of the UTC hour or day that a moment lies in."""
    start = at.replace(minute=0, second=0, microsecond=0)
    return start.replace(hour=0) if period == "day" else start


def window_end(period: Period, at: datetime) -> datetime:
    """When the budget that applies at a moment resets."""
    return window_start(period, at) + (timedelta(days=1) if period == "day" else timedelta(hours=1))


def set_limit(
    connection: Connection, workspace_id: UUID, resource: str, period: Period, amount: int, overage: Overage
) -> None:
    """Say how much of a resource a workspace may use per period; without a limit it is not limited."""
    values = {"amount": amount, "overage": overage}
    statement = upsert(budget_limit).values(workspace_id=workspace_id, resource=resource, period=period, **values)
    connection.execute(statement.on_conflict_do_update(constraint=budget_limit.primary_key, set_=values))


def reserve(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    resource: str,
    amount: int,
    *,
    expires_in: timedelta,
) -> Reservation:
    """Set an amount aside in each window that has a limit.

    Raises:
        OverBudget: it does not fit; `retry_after` is the time until the window resets, `overage` what to do then.
    """
    # Read once: the hour may end between two looks at the clock, and counter and reservation must name the same one.
    now = clocks.business.now()
    _take(connection, now, workspace_id, resource, amount, "reserved")
    reservation = Reservation(workspace_id, new_id(), resource, amount)
    connection.execute(
        insert(budget_reservation).values(
            workspace_id=workspace_id,
            id=reservation.id,
            resource=resource,
            amount=amount,
            reserved_at=now,
            expires_at=clocks.real.now() + expires_in,
        )
    )
    return reservation


def consume(connection: Connection, clocks: Clocks, workspace_id: UUID, resource: str, amount: int) -> None:
    """Use an amount whose size is known beforehand; raise `OverBudget` as `reserve` does."""
    _take(connection, clocks.business.now(), workspace_id, resource, amount, "used")


def settle(connection: Connection, reservation: Reservation, used: int) -> None:
    """Turn a reservation into what was really used, in the windows it was made in.

    Raises:
        NotFound: it has expired or been settled; nothing is counted twice.
    """
    if not _close(connection, reservation.workspace_id, reservation.id, used):
        raise NotFound("This reservation has expired or is settled already.")


def release(connection: Connection, reservation: Reservation) -> None:
    """Give a reservation back unused; one that has expired is given back already."""
    _close(connection, reservation.workspace_id, reservation.id, 0)


def close(connection: Connection, reservation: Reservation, used: int) -> None:
    """Settle a reservation if it is still there; one that has expired was given back, and stays so."""
    _close(connection, reservation.workspace_id, reservation.id, used)


def expire_reservations(connection: Connection, real_now: datetime) -> int:
    """Give back what was never settled; return how many reservations that were."""
    expired = connection.execute(
        select(budget_reservation.c.workspace_id, budget_reservation.c.id)
        .where(budget_reservation.c.expires_at <= real_now)
        .with_for_update(skip_locked=True)
    ).all()
    return sum(_close(connection, row.workspace_id, row.id, 0) for row in expired)


def _take(connection: Connection, now: datetime, workspace_id: UUID, resource: str, amount: int, column: str) -> None:
    if amount < 0:
        raise ValueError("an amount is not negative")
    limits = connection.execute(
        select(budget_limit)
        .where(budget_limit.c.workspace_id == workspace_id, budget_limit.c.resource == resource)
        .order_by(budget_limit.c.period)
    ).all()
    for limit in limits:
        key = {
            "workspace_id": workspace_id,
            "resource": resource,
            "period": limit.period,
            "window_start": window_start(limit.period, now),
        }
        fresh = upsert(budget_usage).values(**key, used=0, reserved=0)
        connection.execute(fresh.on_conflict_do_nothing())
        # The row is locked by this update until the commit, so two workers can't both see the last free unit.
        taken = connection.execute(
            update(budget_usage)
            .filter_by(**key)
            .where(budget_usage.c.used + budget_usage.c.reserved + amount <= limit.amount)
            .values({column: budget_usage.c[column] + amount})
        )
        if taken.rowcount == 0:
            raise OverBudget(
                f"The budget of {limit.amount} {resource} per {limit.period} is used up.",
                retry_after=window_end(limit.period, now) - now,
                resource=resource,
                period=limit.period,
                overage=limit.overage,
            )


def _close(connection: Connection, workspace_id: UUID, reservation_id: UUID, used: int) -> bool:
    gone = connection.execute(
        delete(budget_reservation)
        .filter_by(workspace_id=workspace_id, id=reservation_id)
        .returning(budget_reservation.c.resource, budget_reservation.c.amount, budget_reservation.c.reserved_at)
    ).one_or_none()
    if gone is None:
        return False
    for period in ("day", "hour"):
        connection.execute(
            update(budget_usage)
            .filter_by(
                workspace_id=workspace_id,
                resource=gone.resource,
                period=period,
                window_start=window_start(period, gone.reserved_at),
            )
            # A limit set after the reservation was made has a window that does not hold it.
            .where(budget_usage.c.reserved >= gone.amount)
            .values(reserved=budget_usage.c.reserved - gone.amount, used=budget_usage.c.used + used)
        )
    return True
