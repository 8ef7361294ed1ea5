"""How affiliates stand. What belongs here: what pages and the API show of them; nothing changes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.affiliates import overview_store
from pilar.affiliates.ledger import OWN, Account
from pilar.errors import NotFound
from pilar.money import Money


@dataclass(frozen=True)
class AffiliateSummary:
    """An affiliate in a list; `balances` has each account of their own, for each currency they have earned in."""

    affiliate_id: UUID
    name: str
    state: str
    created_at: datetime
    clicks: int
    conversions: int
    balances: Mapping[Account, tuple[Money, ...]]


@dataclass(frozen=True)
class LinkView:
    """A link with what it has brought."""

    id: UUID
    code: str
    campaign: str
    target: str
    active: bool
    created_at: datetime
    clicks: int
    conversions: int


@dataclass(frozen=True)
class EntryView:
    """An entry of the ledger; times are business time. A studio that the reader may not see has no name."""

    id: UUID
    posted_at: datetime
    kind: str
    account: str
    amount: Money
    invoice_id: str | None
    held_until: datetime | None
    workspace_id: UUID | None
    studio_name: str | None


@dataclass(frozen=True)
class LedgerView:
    """One affiliate's books: where the money is, how it got there, and by which links."""

    affiliate: AffiliateSummary
    entries: Sequence[EntryView]
    links: Sequence[LinkView]


def list_affiliates(connection: Connection, *, after: UUID | None = None, limit: int = 50) -> list[AffiliateSummary]:
    """Affiliates, the newest first (ids grow with time), from below the one given."""
    rows = overview_store.affiliates(connection, after=after, limit=limit)
    balances = _balances(connection, [row.affiliate_id for row in rows])
    return [_summary(row, balances.get(row.affiliate_id, {})) for row in rows]


def affiliate_summary(connection: Connection, affiliate_id: UUID) -> AffiliateSummary:
    """One affiliate; raise `NotFound` where this scope sees none."""
    row = overview_store.one_affiliate(connection, affiliate_id)
    if row is None:
        raise NotFound("There is no such affiliate.")
    return _summary(row, _balances(connection, [affiliate_id]).get(affiliate_id, {}))


def ledger_of(connection: Connection, affiliate_id: UUID, after: UUID | None = None, limit: int = 50) -> LedgerView:
    """One affiliate's books; entries come from below the one given, the newest first.

    In the affiliate's own scope studios have no names.

    Raises:
        NotFound: this scope sees no such affiliate.
    """
    return LedgerView(
        affiliate=affiliate_summary(connection, affiliate_id),
        entries=ledger_entries(connection, affiliate_id, after=after, limit=limit),
        links=links_of(connection, affiliate_id),
    )


def ledger_entries(
    connection: Connection, affiliate_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[EntryView]:
    """Entries in an affiliate's own accounts, the newest first, from below the one given."""
    rows = overview_store.entries(connection, affiliate_id, after=after, limit=limit)
    return [
        EntryView(
            id=row.id,
            posted_at=row.posted_at,
            kind=row.kind,
            account=row.account,
            amount=Money(row.amount_minor, row.currency),
            invoice_id=row.stripe_invoice_id,
            held_until=row.held_until,
            workspace_id=row.workspace_id,
            studio_name=row.studio_name,
        )
        for row in rows
    ]


def links_of(connection: Connection, affiliate_id: UUID) -> list[LinkView]:
    """An affiliate's links, the newest first."""
    return [
        LinkView(
            id=row.id,
            code=row.code,
            campaign=row.campaign,
            target=row.target,
            active=row.active,
            created_at=row.created_at,
            clicks=row.clicks,
            conversions=row.conversions,
        )
        for row in overview_store.links(connection, affiliate_id)
    ]


def _balances(connection: Connection, affiliates: Sequence[UUID]) -> dict[UUID, dict[Account, tuple[Money, ...]]]:
    found: dict[UUID, dict[str, dict[Account, int]]] = {}
    for row in overview_store.balances(connection, affiliates):
        found.setdefault(row.affiliate_id, {}).setdefault(row.currency, {})[Account(row.account)] = int(
            row.amount_minor
        )
    return {
        affiliate: {
            account: tuple(Money(amounts.get(account, 0), currency) for currency, amounts in currencies.items())
            for account in OWN
        }
        for affiliate, currencies in found.items()
    }


def _summary(row: Row[Any], balances: Mapping[Account, tuple[Money, ...]]) -> AffiliateSummary:
    return AffiliateSummary(
        affiliate_id=row.affiliate_id,
        name=row.name,
        state=row.state,
        created_at=row.created_at,
        clicks=row.clicks,
        conversions=row.conversions,
        balances={account: balances.get(account, ()) for account in OWN},
    )
