"""The SQL of affiliates. What belongs here: reading and writing rows; pages and analysts have files of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, exists, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from pilar.affiliates.tables import (
    affiliate,
    affiliate_click,
    affiliate_link,
    affiliate_programme,
    commission,
    conversion,
    ledger_entry,
)
from pilar.workspaces.tables import person, subscription


def latest_programme(connection: Connection) -> Row[Any] | None:
    """The terms that are in force."""
    query = select(affiliate_programme).order_by(affiliate_programme.c.version.desc()).limit(1)
    return connection.execute(query).one_or_none()


def insert_programme(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a version of the terms unless it is there."""
    connection.execute(insert(affiliate_programme).values(**values).on_conflict_do_nothing())


def insert_affiliate(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep an affiliate unless the person is one; return whether it is new."""
    statement = insert(affiliate).values(**values).on_conflict_do_nothing(index_elements=["person_id"])
    return connection.execute(statement).rowcount == 1


def affiliate_of_person(connection: Connection, person_id: UUID) -> UUID:
    """The affiliate that a person is."""
    found: UUID = connection.execute(select(affiliate.c.affiliate_id).filter_by(person_id=person_id)).scalar_one()
    return found


def affiliate_exists(connection: Connection, affiliate_id: UUID) -> bool:
    """Whether there is such an affiliate in this scope."""
    return connection.execute(select(affiliate.c.affiliate_id).filter_by(affiliate_id=affiliate_id)).first() is not None


def insert_link(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep a link unless its code is taken; return whether it was kept."""
    statement = insert(affiliate_link).values(**values).on_conflict_do_nothing(index_elements=["code"])
    return connection.execute(statement).rowcount == 1


def active_link(connection: Connection, code: str) -> Row[Any] | None:
    """The link in use by that code, with the days for which its clicks count."""
    return connection.execute(
        select(affiliate_link, affiliate_programme.c.cookie_days)
        .join(affiliate, affiliate.c.affiliate_id == affiliate_link.c.affiliate_id)
        .join(affiliate_programme, affiliate_programme.c.version == affiliate.c.programme_version)
        .where(affiliate_link.c.code == code, affiliate_link.c.active, affiliate.c.state == "verified")
    ).one_or_none()


def insert_click(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a click."""
    connection.execute(insert(affiliate_click).values(**values))


def find_click(connection: Connection, click_id: UUID) -> Row[Any] | None:
    """A click, with its affiliate's address and the days for which it counts."""
    return connection.execute(
        select(affiliate_click, person.c.email, affiliate_programme.c.cookie_days)
        .join(affiliate, affiliate.c.affiliate_id == affiliate_click.c.affiliate_id)
        .join(affiliate_programme, affiliate_programme.c.version == affiliate.c.programme_version)
        .join(person, person.c.id == affiliate.c.person_id)
        .where(affiliate_click.c.id == click_id)
    ).one_or_none()


def insert_conversion(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a conversion unless the subscription has one."""
    statement = insert(conversion).values(**values)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["stripe_subscription_id"]))


def conversion_of(connection: Connection, subscription_id: str) -> Row[Any] | None:
    """The conversion of a subscription, with the terms that it earns by."""
    return connection.execute(
        select(
            conversion,
            affiliate_programme.c.rate_basis_points,
            affiliate_programme.c.hold_days,
            affiliate_programme.c.reward_months,
        )
        .join(affiliate, affiliate.c.affiliate_id == conversion.c.affiliate_id)
        .join(affiliate_programme, affiliate_programme.c.version == affiliate.c.programme_version)
        .where(conversion.c.stripe_subscription_id == subscription_id)
    ).one_or_none()


def studio_of(connection: Connection, subscription_id: str) -> UUID | None:
    """The studio that a subscription pays for, once it is made."""
    query = select(subscription.c.workspace_id).filter_by(stripe_subscription_id=subscription_id)
    return connection.execute(query).scalar_one_or_none()


def link_studios(connection: Connection, studios: Sequence[UUID]) -> None:
    """Note on conversions and commissions which studio they are about, where that was not known yet."""
    connection.execute(
        update(conversion)
        .values(workspace_id=subscription.c.workspace_id)
        .where(
            subscription.c.workspace_id.in_(studios),
            subscription.c.stripe_subscription_id == conversion.c.stripe_subscription_id,
            conversion.c.workspace_id.is_(None),
        )
    )
    connection.execute(
        update(commission)
        .values(workspace_id=conversion.c.workspace_id)
        .where(
            conversion.c.workspace_id.in_(studios),
            conversion.c.affiliate_id == commission.c.affiliate_id,
            conversion.c.id == commission.c.conversion_id,
            commission.c.workspace_id.is_(None),
        )
    )


def insert_commission(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep a commission unless the invoice has one; return whether it is new."""
    statement = insert(commission).values(**values).on_conflict_do_nothing(index_elements=["stripe_invoice_id"])
    return connection.execute(statement).rowcount == 1


def hold_commission(connection: Connection, invoice_id: str) -> Row[Any]:
    """An invoice's commission, kept from others until the transaction ends."""
    return connection.execute(select(commission).filter_by(stripe_invoice_id=invoice_id).with_for_update()).one()


def set_refunded(
    connection: Connection, affiliate_id: UUID, commission_id: UUID, refunded_minor: int, read_at: datetime
) -> None:
    """Keep what has gone back of a commission's payment, as Stripe told at a moment of real time."""
    connection.execute(
        update(commission)
        .filter_by(affiliate_id=affiliate_id, id=commission_id)
        .values(refunded_minor=refunded_minor, read_at=read_at)
    )


def insert_entries(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Append ledger entries, each cause once; return how many were new."""
    if not rows:
        return 0
    # In one order: two batches with the same causes in another order would wait for each other.
    ordered = sorted(rows, key=lambda row: (row["affiliate_id"], row["cause"], row["account"]))
    statement = insert(ledger_entry).values([dict(row) for row in ordered])
    return connection.execute(statement.on_conflict_do_nothing()).rowcount


def standing(connection: Connection, affiliate_id: UUID, commission_id: UUID) -> Mapping[str, int]:
    """What is in each account of one commission; accounts that were never used are left out."""
    rows = connection.execute(
        select(ledger_entry.c.account, func.sum(ledger_entry.c.amount_minor).label("amount"))
        .filter_by(affiliate_id=affiliate_id, commission_id=commission_id)
        .group_by(ledger_entry.c.account)
    )
    return {row.account: int(row.amount) for row in rows}


def corrections(connection: Connection, affiliate_id: UUID, commission_id: UUID) -> int:
    """How often a commission was taken back or restored, in part or whole."""
    query = select(func.count(ledger_entry.c.transaction_id.distinct())).filter_by(
        affiliate_id=affiliate_id, commission_id=commission_id
    )
    return int(connection.execute(query.where(ledger_entry.c.kind.in_(["clawed_back", "restored"]))).scalar_one())


def hold_due(connection: Connection, studios: Sequence[UUID], now: datetime) -> list[tuple[UUID, UUID]]:
    """The studios' commissions whose holding period is over and that have not matured, kept from others.

    Returns:
        The two parts of each commission's key.
    """
    matured = exists().where(
        ledger_entry.c.affiliate_id == commission.c.affiliate_id,
        ledger_entry.c.commission_id == commission.c.id,
        ledger_entry.c.kind == "matured",
    )
    rows = connection.execute(
        select(commission.c.affiliate_id, commission.c.id)
        .where(commission.c.workspace_id.in_(studios), commission.c.held_until <= now, ~matured)
        .order_by(commission.c.id)
        .with_for_update()
    )
    return [(row.affiliate_id, row.id) for row in rows]


def held(connection: Connection, commissions: Sequence[tuple[UUID, UUID]]) -> list[Row[Any]]:
    """What is held of each commission; those of which nothing is are left out."""
    amount = func.sum(ledger_entry.c.amount_minor)
    return list(
        connection.execute(
            select(
                commission.c.affiliate_id,
                commission.c.id,
                commission.c.stripe_invoice_id,
                commission.c.currency,
                amount.label("amount_minor"),
            )
            .join(
                ledger_entry,
                (ledger_entry.c.affiliate_id == commission.c.affiliate_id)
                & (ledger_entry.c.commission_id == commission.c.id),
            )
            .where(
                tuple_(commission.c.affiliate_id, commission.c.id).in_(commissions), ledger_entry.c.account == "held"
            )
            .group_by(commission.c.affiliate_id, commission.c.id, commission.c.stripe_invoice_id, commission.c.currency)
            .having(amount > 0)
        )
    )


def balances(connection: Connection, affiliate_id: UUID) -> list[Row[Any]]:
    """What is in each account of an affiliate, by currency."""
    amount = func.sum(ledger_entry.c.amount_minor)
    return list(
        connection.execute(
            select(ledger_entry.c.currency, ledger_entry.c.account, amount.label("amount_minor"))
            .filter_by(affiliate_id=affiliate_id)
            .group_by(ledger_entry.c.currency, ledger_entry.c.account)
            .having(amount != 0)
            .order_by(ledger_entry.c.currency, ledger_entry.c.account)
        )
    )
