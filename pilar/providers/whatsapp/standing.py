"""How Meta says that an account and its number stand. What belongs here: asking for it, and its shape in our words.

What does not: webhooks that hint at it (`account_news.py`), what it means to sending (`messaging`), and what it means
for a studio that comes into being (`provisioning/prerequisites.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pilar.providers.documents import Document, Unreadable, child, optional_children, optional_text, text, whole_number
from pilar.providers.whatsapp.client import GraphClient

NUMBER_FIELDS = (
    "id,status,name_status,verified_name,code_verification_status,quality_rating,throughput,"
    "whatsapp_business_manager_messaging_limit"
)
ACCOUNT_FIELDS = "id,account_review_status,business_verification_status,health_status"
UNLIMITED = "TIER_UNLIMITED"
UPGRADED = 1_000
"""Messages a second of a number whose throughput is HIGH; any other sends 80."""
NO_PAYMENT, BANNED, UNVERIFIED, RESTRICTED = 141006, 141014, 141010, 368
"""Codes of an account's health_status: the payment method fails, the account is banned, its business has not passed
verification, and it is blocked for a while for having broken a rule."""

_TIER = re.compile(r"TIER_(\d+)(K?)")


@dataclass(frozen=True)
class NumberThere:
    """A number as it stands at Meta.

    Attributes:
        status: Meta's word (CONNECTED, RESTRICTED, BANNED, …).
        name_status: of the name that leads see: Meta's word; None where it tells none.
        quality: GREEN, YELLOW, RED or UNKNOWN.
        limit: people who may be written to outside the window in 24 hours; None: any number.
        is_limit_known: whether Meta has set a limit at all.
        is_upgraded: whether it may send a thousand messages a second.
    """

    status: str
    name_status: str | None
    quality: str
    limit: int | None
    is_limit_known: bool
    is_upgraded: bool


@dataclass(frozen=True)
class Trouble:
    """Something that Meta holds against an account, by its code; `says` and `mend` are Meta's words.

    Attributes:
        entity: what it is held against: WABA, BUSINESS, APP, PHONE_NUMBER or MESSAGE_TEMPLATE; empty: not told.
        may_send: whether that can take part in sending: AVAILABLE, LIMITED or BLOCKED; None: not told.
    """

    code: int
    says: str
    mend: str | None
    entity: str = ""
    may_send: str | None = None

    @property
    def only_limits(self) -> bool:
        """Whether messages can be sent all the same (health_status: LIMITED meets all that is required)."""
        return self.may_send in ("LIMITED", "AVAILABLE")


@dataclass(frozen=True)
class AccountThere:
    """An account (WABA) as it stands at Meta.

    Attributes:
        review: of the account: APPROVED, REJECTED, PENDING; None where Meta tells none.
        verification: of the business: verified, not_verified, …; None where Meta tells none.
        may_send: AVAILABLE, LIMITED or BLOCKED; None where Meta tells nothing.
        troubles: what limits or blocks it.
    """

    review: str | None
    verification: str | None
    may_send: str | None
    troubles: tuple[Trouble, ...]

    @property
    def is_only_unpaid(self) -> bool:
        """Whether nothing that blocks it is held against it but its payment method."""
        blocking = [one for one in self.troubles if not one.only_limits]
        return bool(blocking) and all(one.code == NO_PAYMENT for one in blocking)


@dataclass(frozen=True)
class WhatsAppStanding:
    """What an account and one of its numbers still lack; the words are Meta's, None where it says nothing.

    Attributes:
        review: of the account: APPROVED, PENDING, REJECTED.
        verification: of the business: verified, not_verified, pending, failed and so on.
        name: what leads see.
        name_status: APPROVED, AVAILABLE_WITHOUT_REVIEW, PENDING_REVIEW, DECLINED, EXPIRED, NONE.
        is_verified: the number has proven with a code whose it is.
        troubles: what Meta holds against the account.
        number_status: the number's: CONNECTED, RESTRICTED, BANNED and so on.
    """

    review: str | None
    verification: str | None
    name: str | None
    name_status: str | None
    is_verified: bool
    troubles: tuple[Trouble, ...]
    number_status: str | None = None


def read_number(graph: GraphClient, token: str, phone_number_id: str) -> NumberThere:
    """How a number stands now.

    Raises:
        CredentialsRefused: the studio has taken its permission away.
        NotFound, Invalid: it is not there, or not the studio's any more.
    """
    return graph.node("number_standing", token, phone_number_id, NUMBER_FIELDS, _number)


def read_account(graph: GraphClient, token: str, waba_id: str) -> AccountThere:
    """How an account stands now; raises as `read_number`."""
    return graph.node("account_standing", token, waba_id, ACCOUNT_FIELDS, _account)


def read_standing(graph: GraphClient, token: str, waba_id: str, phone_number_id: str) -> WhatsAppStanding:
    """What an account and one of its numbers lack; raises as `read_number`."""
    account = graph.node("account_standing", token, waba_id, ACCOUNT_FIELDS, lambda document: document)
    return graph.node("standing", token, phone_number_id, NUMBER_FIELDS, lambda number: read(account, number))


def read(account: Document, number: Document) -> WhatsAppStanding:
    """The standing that two answers of Meta's tell; raise `Unreadable` where one is not shaped as promised."""
    there = _account(account)
    return WhatsAppStanding(
        review=there.review,
        verification=there.verification,
        name=optional_text(number, "verified_name"),
        name_status=optional_text(number, "name_status"),
        is_verified=text(number, "code_verification_status") == "VERIFIED",
        troubles=there.troubles,
        number_status=optional_text(number, "status"),
    )


def _number(document: Document) -> NumberThere:
    tier = optional_text(document, "whatsapp_business_manager_messaging_limit")
    return NumberThere(
        status=text(document, "status"),
        name_status=optional_text(document, "name_status"),
        quality=optional_text(document, "quality_rating") or "UNKNOWN",
        limit=_people(tier),
        is_limit_known=tier is not None,
        is_upgraded=optional_text(child(document, "throughput"), "level") == "HIGH",
    )


def _account(document: Document) -> AccountThere:
    return AccountThere(
        review=optional_text(document, "account_review_status"),
        verification=optional_text(document, "business_verification_status"),
        may_send=optional_text(child(document, "health_status"), "can_send_message"),
        troubles=tuple(_troubles(document)),
    )


def _troubles(account: Document) -> Iterator[Trouble]:
    for entity in optional_children(child(account, "health_status"), "entities"):
        named, may_send = optional_text(entity, "entity_type") or "", optional_text(entity, "can_send_message")
        for error in optional_children(entity, "errors"):
            code = whole_number(error, "error_code")
            if code is not None:
                says = optional_text(error, "error_description") or f"Meta gives code {code}."
                yield Trouble(code, says, optional_text(error, "possible_solution"), named, may_send)


def _people(tier: str | None) -> int | None:
    if tier is None or tier == UNLIMITED:
        return None
    found = _TIER.fullmatch(tier)
    if found is None:
        raise Unreadable("a messaging limit can't be read")
    return int(found[1]) * (1_000 if found[2] else 1)
