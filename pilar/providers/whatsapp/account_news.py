"""What Meta's webhooks say about an account or its number. What belongs here: pure reading into `AccountNews`.

What does not: telling a delivery's changes apart (`deliveries.py`), and what the news mean to us. Each is a hint with
a few facts: how the account and the number stand is read at Meta (`standing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pilar.providers.documents import Document, child, optional_text

NAME = "phone_number_name_update"
FIELDS = frozenset(
    {
        "account_update",
        "account_review_update",
        "business_capability_update",
        NAME,
        "phone_number_quality_update",
    }
)
"""The fields of webhooks that are read here."""


@dataclass(frozen=True)
class Restriction:
    """Something that Meta forbids an account for a while; `kind` is Meta's word, `until` is by Meta's clock."""

    kind: str
    until: datetime | None


@dataclass(frozen=True)
class AccountNews:
    """Something has changed about an account or its number.

    Attributes:
        account_id: Meta's id of the account (WABA).
        field: which kind of webhook told it.
        event: Meta's word for what happened; empty where there is none.
        at: when, by Meta's clock; None where it does not tell.
        restrictions: what is forbidden from now on, in place of what was; None: that is not what it is about.
        ban: Meta's word (DISABLE, SCHEDULE_FOR_DISABLE, REINSTATE); None: that is not what it is about.
        reason: Meta's word for why a name was declined; None where it tells none.
    """

    account_id: str
    field: str
    event: str
    at: datetime | None = None
    restrictions: tuple[Restriction, ...] | None = None
    ban: str | None = None
    reason: str | None = None


def read_news(account_id: str, field: str, value: Document, at: datetime | None) -> AccountNews:
    """The news in one change; what can't be read of it is left out, since the hint stands all the same."""
    event = optional_text(value, "event") or optional_text(value, "decision") or ""
    restrictions = None
    if event == "ACCOUNT_RESTRICTION":
        told = value.get("restriction_info")
        restrictions = tuple(_restrictions(told)) if isinstance(told, list) else ()
    ban = optional_text(child(value, "ban_info"), "waba_ban_state") if event == "DISABLED_UPDATE" else None
    reason = optional_text(value, "rejection_reason") if field == NAME else None
    return AccountNews(account_id, field, event, at, restrictions, ban, reason)


def _restrictions(told: list[object]) -> list[Restriction]:
    found = []
    for one in told:
        kind = optional_text(one, "restriction_type") if isinstance(one, Mapping) else None
        if kind and isinstance(one, Mapping):
            found.append(Restriction(kind, moment_of(one, "expiration")))
    return found


def moment_of(document: Document, name: str) -> datetime | None:
    """Seconds of Unix time, which Meta writes as a text here and as a number there; None where there are none."""
    value = document.get(name)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return datetime.fromtimestamp(int(text), UTC) if text.isascii() and text.isdigit() and len(text) <= 11 else None
