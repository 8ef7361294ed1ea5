"""Budgets: how much of a resource a workspace may use in an hour and in a day.

What belongs here: reserve → settle, what expires, and the limits. What does not: the SQL (`budget_store.py`), an
admin's other limit for a while (`budget_overrides.py`), and how much a plan grants (`workspaces`).

A reservation is a row of its own with an expiry, and the counters change in the same transaction, so nothing leaks
and nothing is overspent whichever worker dies. Windows are UTC hours and days of business time; a new window starts
at nothing by having no row yet, which is the reset at midnight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, and_, delete, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane import budget_store
from pilar.backplane.budget_store import Windows
from pilar.backplane.tables import budget_limit, budget_reservation, budget_usage
from pilar.clocks import Clocks
from pilar.errors import NotFound, OverBudget
from pilar.ids import new_id

Period = Literal["hour", "day"]
Overage = Literal["queue", "drop", "degrade"]

MESSAGES = "messages"
TOKENS = "tokens"
API_CALLS = "api_calls"
MONEY = "money"
"""In minor units of the installation's currency."""

RESOURCES = (MESSAGES, TOKENS, API_CALLS, MONEY)

HOURS_KEPT_FOR = timedelta(days=8)
"""So that an hour can be held against the same one of last week; ten thousand studios make a million rows a day."""

DAYS_KEPT_FOR = timedelta(days=400)
"""So that a month can be held against the same one of last year."""


@dataclass(frozen=True)
class Reservation:
    """An amount set aside."""

    workspace_id: UUID
    id: UUID
    resource: str
    amount: int


@dataclass(frozen=True)
class Refused:
    """Why an amount does not fit.

    Attributes:
        resource: what of.
        period: the window that is full; the day where both are.
        limit: how much may be used in it.
        overage: what is to be done then: `queue` until it resets, `drop`, or `degrade` to what costs less.
        retry_after: the time until it resets.
    """

    resource: str
    period: Period
    limit: int
    overage: Overage
    retry_after: timedelta

    def error(self) -> OverBudget:
        """The same as an error."""
        return OverBudget(
            f"The budget of {self.limit} {self.resource} per {self.period} is used up.",
            retry_after=self.retry_after,
            resource=self.resource,
            period=self.period,
            overage=self.overage,
        )


@dataclass(frozen=True)
class Share:
    """What became of one item of a batch.

    Attributes:
        workspace_id: who wanted it.
        amount: how much.
        refused: why it does not fit; None: it was taken.
        reservation: what was set aside, where it was to be.
    """

    workspace_id: UUID
    amount: int
    refused: Refused | None
    reservation: Reservation | None = None

    @property
    def fits(self) -> bool:
        """Whether it was taken."""
        return self.refused is None


@dataclass(frozen=True)
class Utilisation:
    """How much of a limit is used in the present window.

    Attributes:
        limit: in force now: the override's while there is one, else what was granted.
        granted: without an override.
        overridden_until: when the override ends; None: there is none.
        used: what was used.
        reserved: what is set aside for work under way.
        resets_at: business time.
    """

    workspace_id: UUID
    resource: str
    period: Period
    limit: int
    granted: int
    overridden_until: datetime | None
    overage: Overage
    used: int
    reserved: int
    resets_at: datetime

    @property
    def share(self) -> float:
        """What part of the limit is taken; 1 where nothing may be used at all."""
        return (self.used + self.reserved) / self.limit if self.limit else 1.0


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
    (share,) = reserve_many(connection, clocks, resource, [(workspace_id, amount)], expires_in=expires_in)
    if share.refused is not None:
        raise share.refused.error()
    if share.reservation is None:  # pragma: no cover - what fits is reserved
        raise NotFound("What fits was not set aside.")
    return share.reservation


def reserve_many(
    connection: Connection,
    clocks: Clocks,
    resource: str,
    wanted: Sequence[tuple[UUID, int]],
    *,
    expires_in: timedelta,
) -> list[Share]:
    """Set amounts aside as `reserve` would one after the other, in one statement; answer each, in order.

    Args:
        connection: the caller's transaction.
        clocks: both clocks.
        resource: what of.
        wanted: who wants how much; a workspace may come several times.
        expires_in: how long they are set aside unless settled.
    """
    ids = [new_id() for _ in wanted]
    now, expires_at = clocks.business.now(), clocks.real.now() + expires_in
    shares = _take(connection, now, resource, wanted, "reserved", ids=ids, expires_at=expires_at)
    return [
        Share(share.workspace_id, share.amount, None, Reservation(share.workspace_id, made, resource, share.amount))
        if share.fits
        else share
        for share, made in zip(shares, ids, strict=True)
    ]


def consume(connection: Connection, clocks: Clocks, workspace_id: UUID, resource: str, amount: int) -> None:
    """Use an amount whose size is known beforehand; raise `OverBudget` as `reserve` does."""
    (share,) = consume_many(connection, clocks, resource, [(workspace_id, amount)])
    if share.refused is not None:
        raise share.refused.error()


def consume_many(
    connection: Connection, clocks: Clocks, resource: str, wanted: Sequence[tuple[UUID, int]]
) -> list[Share]:
    """Use amounts as `consume` would one after the other, in one statement; answer each, in order.

    Args:
        connection: the caller's transaction.
        clocks: both clocks.
        resource: what of.
        wanted: who wants how much; a workspace may come several times.
    """
    return _take(connection, clocks.business.now(), resource, wanted, "used")


def settle(connection: Connection, reservation: Reservation, used: int) -> None:
    """Turn a reservation into what was really used, in the windows it was made in.

    More than was set aside is counted as well: it was used, and the window is over its limit by it.

    Raises:
        NotFound: it has expired or been settled; nothing is counted twice.
    """
    if not close_many(connection, [(reservation, used)]):
        raise NotFound("This reservation has expired or is settled already.")


def release(connection: Connection, reservation: Reservation) -> None:
    """Give a reservation back unused; one that has expired is given back already."""
    close_many(connection, [(reservation, 0)])


def close(connection: Connection, reservation: Reservation, used: int) -> None:
    """Settle a reservation if it is still there; one that has expired was given back, and stays so."""
    close_many(connection, [(reservation, used)])


def close_many(connection: Connection, ended: Sequence[tuple[Reservation, int]]) -> int:
    """Settle those reservations that are still there, each with what was used; return how many that were."""
    rows = [(reservation.workspace_id, reservation.id, used) for reservation, used in ended]
    return len(budget_store.close(connection, rows))


def expire_reservations(connection: Connection, real_now: datetime) -> int:
    """Give back what was never settled; return how many reservations that were."""
    expired = connection.execute(
        select(budget_reservation.c.workspace_id, budget_reservation.c.id)
        .where(budget_reservation.c.expires_at <= real_now)
        .order_by(budget_reservation.c.workspace_id, budget_reservation.c.id)
        .with_for_update(skip_locked=True)
    ).all()
    return len(budget_store.close(connection, [(row.workspace_id, row.id, 0) for row in expired]))


def utilisation(
    connection: Connection, clocks: Clocks, workspace_ids: Sequence[UUID] | None = None
) -> list[Utilisation]:
    """How full the budgets of the given workspaces (None: of all that the scope sees) are now."""
    now = clocks.business.now()
    return [
        Utilisation(
            workspace_id=row.workspace_id,
            resource=row.resource,
            period=row.period,
            limit=row.granted if row.overridden is None else row.overridden,
            granted=row.granted,
            overridden_until=row.overridden_until,
            overage=row.overage,
            used=row.used,
            reserved=row.reserved,
            resets_at=window_end(row.period, now),
        )
        for row in budget_store.utilisation(connection, workspace_ids, _windows(now))
    ]


def forget_past_windows(connection: Connection, business_now: datetime, *, most: int = 5_000) -> int:
    """Delete the counts of hours and days that ended long ago, so many at most; return how many that were."""
    usage = budget_usage.c
    past = or_(
        and_(usage.period == "hour", usage.window_start < business_now - HOURS_KEPT_FOR),
        and_(usage.period == "day", usage.window_start < business_now - DAYS_KEPT_FOR),
    )
    # What is set aside to this day is given back first: its expiry is a matter of minutes, and real time's.
    key = tuple_(*budget_usage.primary_key.columns)
    old = select(*budget_usage.primary_key.columns).where(past, usage.reserved == 0).limit(most)
    return connection.execute(delete(budget_usage).where(key.in_(old))).rowcount


def _take(
    connection: Connection,
    now: datetime,
    resource: str,
    wanted: Sequence[tuple[UUID, int]],
    column: budget_store.Column,
    **reservations: Any,
) -> list[Share]:
    if any(amount < 0 for _, amount in wanted):
        raise ValueError("an amount is not negative")
    # `now` was read once: the hour may end between two looks at the clock, and counter and reservation must name the
    # same one.
    rows = budget_store.take(connection, column, resource, wanted, _windows(now), **reservations)
    return [
        Share(workspace_id, amount, _refused(row, resource, now))
        for (workspace_id, amount), row in zip(wanted, rows, strict=True)
    ]


def _refused(row: Row[Any], resource: str, now: datetime) -> Refused | None:
    if row.refused is None:
        return None
    return Refused(resource, row.refused, row.amount, row.overage, window_end(row.refused, now) - now)


def _windows(now: datetime) -> Windows:
    return Windows(now, hour=window_start("hour", now), day=window_start("day", now))
