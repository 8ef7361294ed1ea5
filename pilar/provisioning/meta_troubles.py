"""What Meta's health codes mean for a studio. What belongs here: the table, and which prerequisite each code is about.

What does not: reading them (`providers/whatsapp/standing.py`), and how a prerequisite stands by itself
(`prerequisites.py`).

Source: Meta's reference of `health_status`. It names three codes (payment, ban, verification); 368 is in its list of
integrity errors. Whether one keeps messages from being sent is told by its entity: BLOCKED does, LIMITED does not.
Meta adds codes without notice. One that is not in the table is shown where its entity belongs and named as unknown; if
it blocks, it waits on us: an owner can't act on what nobody understands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pilar.providers.whatsapp.standing import BANNED, NO_PAYMENT, RESTRICTED, UNVERIFIED, Trouble
from pilar.provisioning.steps import WaitsOn

BILLING = "https://business.facebook.com/billing_hub/payment_settings"
SECURITY = "https://business.facebook.com/settings/security"
SUPPORT = "https://business.facebook.com/business-support-home"

State = Literal["missing", "rejected", "unknown"]


@dataclass(frozen=True)
class Meaning:
    """What a code is about.

    Attributes:
        line: the prerequisite.
        state: how that stands.
        says: what is the matter, before Meta's own words.
        waits_on: who has to act; None: nobody.
        link: where.
    """

    line: str
    state: State
    says: str
    waits_on: WaitsOn | None
    link: str | None = None


@dataclass(frozen=True)
class Held:
    """Something that Meta holds against a studio, as it concerns one prerequisite; `blocks`: nothing is sent before."""

    meaning: Meaning
    says: str
    blocks: bool
    is_known: bool


KNOWN: Mapping[int, Meaning] = {
    NO_PAYMENT: Meaning(
        "payment_method", "missing", "Add a payment method to the WhatsApp account.", "studio", BILLING
    ),
    BANNED: Meaning("account_approved", "rejected", "Meta holds something against the account:", "studio", SUPPORT),
    RESTRICTED: Meaning("account_approved", "rejected", "Meta holds something against the account:", "studio", SUPPORT),
    UNVERIFIED: Meaning("business_verified", "missing", "The business is not verified.", "studio", SECURITY),
}

LINES: Mapping[str, str] = {
    "WABA": "account_approved",
    "BUSINESS": "business_verified",
    "PHONE_NUMBER": "number_verified",
    "MESSAGE_TEMPLATE": "templates_approved",
    "APP": "webhook_subscribed",
}
"""By entity, the prerequisite at which a code that is not known is shown; any other entity: the account's."""


def held(troubles: Iterable[Trouble]) -> Mapping[str, Sequence[Held]]:
    """What Meta holds against a studio, by prerequisite; what blocks comes first, and what is known before the rest."""
    found: dict[str, list[Held]] = {}
    for trouble in troubles:
        one = _held(trouble)
        found.setdefault(one.meaning.line, []).append(one)
    return {line: sorted(those, key=lambda one: (not one.blocks, not one.is_known)) for line, those in found.items()}


def _held(trouble: Trouble) -> Held:
    words = " ".join(filter(None, (trouble.says, trouble.mend)))
    known = KNOWN.get(trouble.code)
    if known is not None:
        return Held(known, f"{known.says} {words}", not trouble.only_limits, is_known=True)
    line = LINES.get(trouble.entity, LINES["WABA"])
    # Without a word on whether it blocks, what nobody knows is no reason to keep a studio shut.
    blocks = trouble.may_send == "BLOCKED"
    says = f"Meta says something that we don't know yet (code {trouble.code}): {words}"
    return Held(Meaning(line, "unknown", says, "us" if blocks else None, SUPPORT), says, blocks, is_known=False)
