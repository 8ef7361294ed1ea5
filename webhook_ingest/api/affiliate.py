"""Affiliates, for programs. What belongs here: the shape of the answers; the reading is `pilar/affiliates`'."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from pilar.affiliates.links import LONGEST_CAMPAIGN, LONGEST_TARGET, create_link, link_url
from pilar.affiliates.overview import AffiliateSummary, affiliate_summary, ledger_entries, links_of
from pilar.database.engine import Scope
from pilar.errors import Forbidden, Invalid
from pilar.security.principals import FLEET_WIDE
from webhook_ingest import cursors
from webhook_ingest.deps import Asked, Caller, System


class Balance(BaseModel):
    """What is in an account, in minor units of the currency."""

    account: str
    amount_minor: int
    currency: str


class LinkItem(BaseModel):
    """A link with what it has brought; times are business time."""

    id: UUID
    address: str
    campaign: str
    target: str
    active: bool
    clicks: int
    conversions: int
    created_at: datetime


class Dashboard(BaseModel):
    """How an affiliate stands; conversions are signups that earn."""

    affiliate_id: UUID
    name: str
    state: str
    clicks: int
    conversions: int
    balances: list[Balance]
    links: list[LinkItem]


class LedgerItem(BaseModel):
    """An entry in one of the affiliate's own accounts, in minor units; times are business time."""

    id: UUID
    posted_at: datetime
    kind: str
    account: str
    amount_minor: int
    currency: str
    invoice_id: str | None
    workspace_id: UUID | None
    held_until: datetime | None


class LedgerPage(BaseModel):
    """A page of the ledger, the newest first."""

    items: list[LedgerItem]
    next_cursor: str | None


class NewLink(BaseModel):
    """A link to be made; affiliates make their own and need not say whose."""

    affiliate_id: UUID | None = None
    campaign: Annotated[str, Field(max_length=LONGEST_CAMPAIGN)] = ""
    target: Annotated[str, Field(max_length=LONGEST_TARGET)] = "/"


class LinkMade(BaseModel):
    """A link that was made."""

    id: UUID
    affiliate_id: UUID
    address: str
    campaign: str
    target: str


def dashboard(app: System, caller: Asked, affiliate_id: UUID) -> Dashboard:
    """How an affiliate stands: balances, and each link with what it has brought."""
    with app.database.transaction(caller.scope_of_affiliate(affiliate_id)) as connection:
        summary = affiliate_summary(connection, affiliate_id)
        links = links_of(connection, affiliate_id)
    return Dashboard(
        affiliate_id=summary.affiliate_id,
        name=summary.name,
        state=summary.state,
        clicks=summary.clicks,
        conversions=summary.conversions,
        balances=_balances(summary),
        links=[
            LinkItem(
                id=link.id,
                address=link_url(app.settings.public_url, link.code),
                campaign=link.campaign,
                target=link.target,
                active=link.active,
                clicks=link.clicks,
                conversions=link.conversions,
                created_at=link.created_at,
            )
            for link in links
        ],
    )


def ledger(
    app: System, caller: Asked, affiliate_id: UUID, limit: cursors.Limit = 50, cursor: cursors.Cursor = None
) -> LedgerPage:
    """An affiliate's ledger, the newest entry first."""
    with app.database.transaction(caller.scope_of_affiliate(affiliate_id)) as connection:
        affiliate_summary(connection, affiliate_id)
        found = ledger_entries(connection, affiliate_id, after=cursors.after_id(cursor), limit=limit + 1)
    items = [
        LedgerItem(
            id=entry.id,
            posted_at=entry.posted_at,
            kind=entry.kind,
            account=entry.account,
            amount_minor=entry.amount.minor,
            currency=entry.amount.currency,
            invoice_id=entry.invoice_id,
            workspace_id=entry.workspace_id,
            held_until=entry.held_until,
        )
        for entry in found[:limit]
    ]
    return LedgerPage(items=items, next_cursor=cursors.encode(items[-1].id) if len(found) > limit else None)


def new_link(app: System, caller: Asked, wanted: NewLink) -> LinkMade:
    """Make a link."""
    affiliate_id = _whose(caller, wanted.affiliate_id)
    with app.database.transaction(Scope.fleet()) as connection:
        link = create_link(
            connection,
            app.clocks,
            affiliate_id,
            actor=caller.principal.actor,
            campaign=wanted.campaign,
            target=wanted.target,
        )
    return LinkMade(
        id=link.id,
        affiliate_id=affiliate_id,
        address=link_url(app.settings.public_url, link.code),
        campaign=link.campaign,
        target=link.target,
    )


def _whose(caller: Caller, named: UUID | None) -> UUID:
    """The affiliate that a link is made for.

    Raises:
        Forbidden: it is for another than the affiliate who asks.
        Invalid: the founder has not said for whom.
    """
    own = caller.principal.affiliate_id
    if caller.principal.kind in FLEET_WIDE:
        if named is None:
            raise Invalid("Say whose link it is: `affiliate_id` is missing.")
        return named
    if own is None or named not in {None, own}:
        raise Forbidden
    return own


def _balances(summary: AffiliateSummary) -> list[Balance]:
    return [
        Balance(account=account.value, amount_minor=amount.minor, currency=amount.currency)
        for account, amounts in summary.balances.items()
        for amount in amounts
    ]
