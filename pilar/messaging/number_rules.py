"""What news and readings make of how a number stands. What belongs here: pure rules.

What does not: asking WhatsApp (`number_news.py`) and telling people (`provisioning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from pilar.messaging.news import age_of
from pilar.messaging.number_store import FIRST_LIMIT, FIRST_THROUGHPUT, NumberStanding, Quality
from pilar.providers.whatsapp.account_news import AccountNews, Restriction
from pilar.providers.whatsapp.standing import UPGRADED, AccountThere, NumberThere

DISABLED = "DISABLED"
"""WhatsApp has switched the account off."""
LIMITED = "LIMITED"
"""WhatsApp limits what the account may send, and did not tell us how."""
SENDING = frozenset({"RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"})
"""Restrictions that concern messages; others, as of adding numbers, keep nothing from being sent."""
BLOCKED_NUMBERS = frozenset({"banned", "restricted"})
"""A number's own statuses that keep it from sending."""


def fold(known: NumberStanding, news: AccountNews) -> Mapping[str, Any] | None:
    """What news of a restriction or a ban change; None where they change nothing or it can't be told.

    A ban outweighs restrictions: what else is told while it lasts changes nothing before it is lifted.
    """
    if age_of(news.at, known.told_at, known.read_at) != "newer":
        return None
    if news.ban == "DISABLE":
        return {"restricted": DISABLED, "restricted_until": None, "told_at": news.at}
    if news.ban == "REINSTATE":
        return {"restricted": None, "restricted_until": None, "told_at": news.at}
    if news.restrictions is None or known.restricted == DISABLED:
        return None
    return {**_restricted(news.restrictions), "told_at": news.at}


def judge(known: NumberStanding, number: NumberThere, account: AccountThere, begun: datetime) -> Mapping[str, Any]:
    """What a reading changes.

    Args:
        known: as it is kept, held by this transaction.
        number: what WhatsApp answered about the number.
        account: what it answered about the account.
        begun: business time when it was asked.
    """
    if known.read_at is not None and known.read_at > begun:
        return {}
    quality = number.quality.lower()
    changes: dict[str, Any] = {
        "read_at": begun,
        "quality": quality if quality in get_args(Quality) else "unknown",
        "messaging_limit": number.limit if number.is_limit_known else FIRST_LIMIT,
        "throughput": UPGRADED if number.is_upgraded else FIRST_THROUGHPUT,
        "status": number.status.lower(),
        "name_status": number.name_status.lower() if number.name_status else None,
        "review": account.review.lower() if account.review else None,
        "verification": account.verification.lower() if account.verification else None,
    }
    if known.heard_at is not None and known.heard_at >= begun:
        return changes  # what was told meanwhile is newer than the answer
    return {**changes, **_judged(known, number, account)}


def _judged(known: NumberStanding, number: NumberThere, account: AccountThere) -> Mapping[str, Any]:
    # Without a payment method an account is blocked, but not shut out: that is a prerequisite of its owner's.
    if account.may_send == "BLOCKED" and not account.is_only_unpaid:
        return {"restricted": DISABLED, "restricted_until": None}
    if number.status.lower() in BLOCKED_NUMBERS:
        return {"restricted": f"NUMBER_{number.status.upper()}", "restricted_until": None}
    if account.may_send == "LIMITED":
        is_known = known.restricted is not None and set(known.restricted.split(",")) <= SENDING
        return {} if is_known else {"restricted": LIMITED, "restricted_until": None}
    if account.may_send is None and known.restricted is not None and known.restricted.split("_")[0] != "NUMBER":
        return {}  # it did not say: what was told before holds
    return {"restricted": None, "restricted_until": None}


def _restricted(told: tuple[Restriction, ...]) -> Mapping[str, Any]:
    about_sending = sorted({one.kind for one in told} & SENDING)
    ends = [one.until for one in told if one.kind in SENDING]
    known = [end for end in ends if end is not None]
    return {
        "restricted": ",".join(about_sending) or None,
        "restricted_until": max(known) if known and len(known) == len(ends) else None,
    }


def changed(before: NumberStanding, after: NumberStanding) -> list[str]:
    """What people have to be told of a change, as words for `NumberChanged`."""
    told = []
    if before.restricted != after.restricted:
        told.append("reinstated" if after.restricted is None else "restricted")
    if before.quality != after.quality and "red" in (before.quality, after.quality):
        told.append("quality_low" if after.quality == "red" else "quality_recovered")
    if before.name_status != after.name_status and after.name_status == "declined":
        told.append("name_declined")
    return told
