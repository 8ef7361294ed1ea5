"""Whose doing a signup is. What belongs here: the rule, and keeping what it says; no provider is asked.

The checkout carries a click's id as its reference. That the click came before the signup needs no clock: nobody can
know the id of a click that has not been made.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.affiliates import store
from pilar.ids import new_id

SELF_REFERRAL = "self_referral"
CLICK_TOO_OLD = "click_too_old"


def click_in(reference: str | None) -> UUID | None:
    """The click that a checkout's reference names; None for any other reference."""
    try:
        return UUID(reference) if reference else None
    except ValueError:
        return None


def refusal(
    *,
    clicked_at: datetime,
    signed_up_at: datetime,
    cookie_days: int,
    affiliate_email: str,
    payer_email: str | None,
) -> str | None:
    """Why a signup that came by a link earns nothing; None where it earns.

    Args:
        clicked_at: when the link was clicked.
        signed_up_at: when the checkout was begun.
        cookie_days: for how long a click counts.
        affiliate_email: the affiliate's own address.
        payer_email: the address at the checkout.
    """
    if payer_email is not None and payer_email.strip().lower() == affiliate_email.strip().lower():
        return SELF_REFERRAL
    if signed_up_at - clicked_at > timedelta(days=cookie_days):
        return CLICK_TOO_OLD
    return None


def attribute(
    connection: Connection,
    click_id: UUID,
    *,
    subscription_id: str,
    customer_id: str,
    payer_email: str | None,
    signed_up_at: datetime,
) -> Row[Any] | None:
    """The conversion of a subscription, made where there is none; None where the reference is no click of ours.

    Needs the fleet's scope.
    """
    click = store.find_click(connection, click_id)
    if click is None:
        return None
    reason = refusal(
        clicked_at=click.clicked_at,
        signed_up_at=signed_up_at,
        cookie_days=click.cookie_days,
        affiliate_email=click.email,
        payer_email=payer_email,
    )
    store.insert_conversion(
        connection,
        {
            "affiliate_id": click.affiliate_id,
            "id": new_id(),
            "link_id": click.link_id,
            "click_id": click_id,
            "stripe_subscription_id": subscription_id,
            "stripe_customer_id": customer_id,
            "converted_at": signed_up_at,
            "refused_reason": reason,
        },
    )
    return store.conversion_of(connection, subscription_id)
