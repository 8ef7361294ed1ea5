"""Reading for pages. What belongs here: the SQL of `overview.py`, which nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select

from pilar.affiliates.ledger import OWN
from pilar.affiliates.tables import (
    affiliate,
    affiliate_click,
    affiliate_link,
    commission,
    conversion,
    ledger_entry,
)
from pilar.workspaces.tables import subscription, workspace


def affiliates(connection: Connection, *, after: UUID | None, limit: int) -> list[Row[Any]]:
    """Affiliates with what their links have brought, the newest first."""
    query = _with_counts().order_by(affiliate.c.affiliate_id.desc()).limit(limit)
    if after is not None:
        query = query.where(affiliate.c.affiliate_id < after)
    return list(connection.execute(query))


def one_affiliate(connection: Connection, affiliate_id: UUID) -> Row[Any] | None:
    """One affiliate with what their links have brought."""
    return connection.execute(_with_counts().where(affiliate.c.affiliate_id == affiliate_id)).one_or_none()


def balances(connection: Connection, affiliates: Sequence[UUID]) -> list[Row[Any]]:
    """What is in each account of the affiliates' own, by currency."""
    return list(
        connection.execute(
            select(
                ledger_entry.c.affiliate_id,
                ledger_entry.c.currency,
                ledger_entry.c.account,
                func.sum(ledger_entry.c.amount_minor).label("amount_minor"),
            )
            .where(ledger_entry.c.affiliate_id.in_(affiliates), ledger_entry.c.account.in_(OWN))
            .group_by(ledger_entry.c.affiliate_id, ledger_entry.c.currency, ledger_entry.c.account)
            .order_by(ledger_entry.c.affiliate_id, ledger_entry.c.currency)
        )
    )


def entries(connection: Connection, affiliate_id: UUID, *, after: UUID | None, limit: int) -> list[Row[Any]]:
    """Entries in the affiliate's own accounts, the newest first (ids grow with time).

    A studio is told by name where this scope sees it.
    """
    of_commission = (commission.c.affiliate_id == ledger_entry.c.affiliate_id) & (
        commission.c.id == ledger_entry.c.commission_id
    )
    of_conversion = (conversion.c.affiliate_id == commission.c.affiliate_id) & (
        conversion.c.id == commission.c.conversion_id
    )
    query = (
        select(
            ledger_entry,
            commission.c.stripe_invoice_id,
            commission.c.held_until,
            func.coalesce(commission.c.workspace_id, subscription.c.workspace_id).label("workspace_id"),
            workspace.c.name.label("studio_name"),
        )
        .select_from(ledger_entry)
        .outerjoin(commission, of_commission)
        .outerjoin(conversion, of_conversion)
        .outerjoin(subscription, subscription.c.stripe_subscription_id == conversion.c.stripe_subscription_id)
        .outerjoin(
            workspace,
            workspace.c.workspace_id == func.coalesce(commission.c.workspace_id, subscription.c.workspace_id),
        )
        .where(ledger_entry.c.affiliate_id == affiliate_id, ledger_entry.c.account.in_(OWN))
        .order_by(ledger_entry.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(ledger_entry.c.id < after)
    return list(connection.execute(query))


def links(connection: Connection, affiliate_id: UUID) -> list[Row[Any]]:
    """An affiliate's links with what each has brought, the newest first."""
    clicks = (
        select(func.count())
        .select_from(affiliate_click)
        .where(
            affiliate_click.c.affiliate_id == affiliate_link.c.affiliate_id,
            affiliate_click.c.link_id == affiliate_link.c.id,
        )
        .scalar_subquery()
    )
    conversions = (
        select(func.count())
        .select_from(conversion)
        .where(
            conversion.c.affiliate_id == affiliate_link.c.affiliate_id,
            conversion.c.link_id == affiliate_link.c.id,
            conversion.c.refused_reason.is_(None),
        )
        .scalar_subquery()
    )
    query = select(affiliate_link, clicks.label("clicks"), conversions.label("conversions"))
    return list(connection.execute(query.filter_by(affiliate_id=affiliate_id).order_by(affiliate_link.c.id.desc())))


def _with_counts() -> Any:
    clicks = (
        select(func.count())
        .select_from(affiliate_click)
        .where(affiliate_click.c.affiliate_id == affiliate.c.affiliate_id)
        .scalar_subquery()
    )
    conversions = (
        select(func.count())
        .select_from(conversion)
        .where(conversion.c.affiliate_id == affiliate.c.affiliate_id, conversion.c.refused_reason.is_(None))
        .scalar_subquery()
    )
    return select(affiliate, clicks.label("clicks"), conversions.label("conversions"))
