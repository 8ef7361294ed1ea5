"""What WhatsApp wants of a studio before its number may write, each thing by itself.

What belongs here: judging what Meta said, as a pure rule: how each stands, whom it waits on, where to act, and whether
nothing can be sent before. What does not: what each of Meta's health codes is about (`meta_troubles.py`), asking Meta
and waiting (`prerequisite_steps.py`), and pages.

What only limits does not hold a studio up: a business that is not verified may write to 250 people a day (messaging
limits of the Cloud API), and a name under review is shown meanwhile as the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pilar.messaging.number_rules import BLOCKED_NUMBERS
from pilar.messaging.purposes import Purpose
from pilar.providers.whatsapp.standing import WhatsAppStanding
from pilar.provisioning.meta_troubles import SECURITY, SUPPORT, Held, held
from pilar.provisioning.steps import WaitsOn

State = Literal["met", "pending", "missing", "rejected", "unknown"]

TITLES = {
    "account_approved": "WhatsApp account approved",
    "business_verified": "Business verified",
    "number_verified": "Number verified",
    "display_name_approved": "Display name approved",
    "payment_method": "Payment method added",
    "webhook_subscribed": "Webhook subscribed",
    "templates_approved": "Message templates approved",
}
"""The prerequisites in the order in which they are shown."""

MANAGER = "https://business.facebook.com/wa/manage"
LIMITED = "Until it is, the number writes to 250 people a day at most."


@dataclass(frozen=True)
class Prerequisite:
    """One thing, and how it stands.

    Attributes:
        name: one of `TITLES`.
        state: how it stands.
        says: the same as a sentence for the owner.
        waits_on: who has to act; None: nobody.
        blocks: nothing can be sent before it is met.
        link: where to act.
    """

    name: str
    state: State
    says: str
    waits_on: WaitsOn | None = None
    blocks: bool = False
    link: str | None = None

    @property
    def title(self) -> str:
        """What it is called on pages."""
        return TITLES[self.name]

    @property
    def holds_up(self) -> bool:
        """Whether the studio can't open before it is met."""
        return self.blocks and self.state != "met"


def judge(
    standing: WhatsAppStanding, *, is_subscribed: bool, purposes: Sequence[Purpose], name_reason: str | None = None
) -> list[Prerequisite]:
    """How each thing stands.

    Args:
        standing: what Meta says of the account and its number.
        is_subscribed: whether the account's webhooks are sent to us.
        purposes: how the studio's templates stand.
        name_reason: Meta's word for why it declined the name, where it told.
    """
    lines = [
        _account(standing),
        _business(standing.verification),
        _number(standing),
        _name(standing, name_reason),
        Prerequisite("payment_method", "met", "Meta has nothing against the payment method."),
        _webhook(is_subscribed=is_subscribed),
        _templates(purposes),
    ]
    against = held(standing.troubles)
    return [_held_against(line, against.get(line.name, ())) for line in lines]


def _account(standing: WhatsAppStanding) -> Prerequisite:
    name = "account_approved"
    if standing.review == "REJECTED":
        return Prerequisite(
            name, "rejected", "Meta has rejected the account: ask it to look again.", "studio", True, SUPPORT
        )
    if standing.review == "PENDING":
        return Prerequisite(name, "pending", "Meta is looking at the account.", "meta", False, f"{MANAGER}/home/")
    return Prerequisite(name, "met", "Meta has approved the account.")


def _business(status: str | None) -> Prerequisite:
    name, word = "business_verified", (status or "").lower()
    if word == "verified":
        return Prerequisite(name, "met", "Meta knows that the business is who it says.")
    if word in ("failed", "rejected", "revoked"):
        says = f"Meta has not accepted the business's papers: hand in others. {LIMITED}"
        return Prerequisite(name, "rejected", says, "studio", False, SECURITY)
    if word == "pending_need_more_info":
        says = f"Meta wants to see more of the business's papers. {LIMITED}"
        return Prerequisite(name, "pending", says, "studio", False, SECURITY)
    if word.startswith("pending"):
        return Prerequisite(
            name, "pending", f"Meta is looking at the business's papers. {LIMITED}", "meta", False, SECURITY
        )
    if word == "not_verified":
        return Prerequisite(name, "missing", f"The business is not verified. {LIMITED}", "studio", False, SECURITY)
    return Prerequisite(name, "unknown", "Meta has not said whether the business is verified.", None, False, SECURITY)


def _number(standing: WhatsAppStanding) -> Prerequisite:
    name = "number_verified"
    status = (standing.number_status or "").lower()
    if status in BLOCKED_NUMBERS:
        says = f"WhatsApp has {status} the number: ask it to look again, nothing can be sent from it before."
        return Prerequisite(name, "rejected", says, "studio", True, SUPPORT)
    if standing.is_verified:
        return Prerequisite(name, "met", "The number has proven with a code whose it is.")
    return Prerequisite(
        name, "missing", "The number has to prove with a code whose it is.", "us", True, f"{MANAGER}/phone-numbers/"
    )


def _name(standing: WhatsAppStanding, reason: str | None) -> Prerequisite:
    name, link = "display_name_approved", f"{MANAGER}/phone-numbers/"
    shown = f"The name {standing.name!r}" if standing.name else "The name"
    status = standing.name_status
    if status in ("APPROVED", "AVAILABLE_WITHOUT_REVIEW"):
        return Prerequisite(name, "met", f"{shown} is approved.")
    if status == "PENDING_REVIEW":
        return Prerequisite(
            name, "pending", f"Meta is looking at the name. {shown} is not shown yet.", "meta", False, link
        )
    if status == "DECLINED":
        why = f" ({reason.replace('_', ' ').lower()})" if reason else ""
        says = f"{shown} was declined by Meta{why}: choose one that is plainly the business's, and hand it in."
        return Prerequisite(name, "rejected", says, "studio", True, link)
    if status in ("EXPIRED", "NONE"):
        return Prerequisite(name, "missing", f"{shown} is not approved: hand one in.", "studio", False, link)
    return Prerequisite(name, "unknown", "Meta has not said how the name stands.", None, False, link)


def _held_against(line: Prerequisite, those: Sequence[Held]) -> Prerequisite:
    """The line with what Meta holds against it; what holds it up by itself stays first, and nothing is left out."""
    if not those:
        return line
    first = those[0]
    is_worse = first.blocks and not line.holds_up
    if line.state == "met" or is_worse:
        says = " ".join(one.says for one in those)
        meaning = first.meaning
        return Prerequisite(line.name, meaning.state, says, meaning.waits_on, first.blocks, meaning.link)
    # What is known says what the line says already.
    return replace(line, says=" ".join([line.says, *(one.says for one in those if not one.is_known)]))


def _webhook(*, is_subscribed: bool) -> Prerequisite:
    name = "webhook_subscribed"
    if is_subscribed:
        return Prerequisite(name, "met", "What leads write reaches us.")
    return Prerequisite(name, "missing", "What leads write does not reach us: we subscribe to it anew.", "us", True)


def _templates(purposes: Sequence[Purpose]) -> Prerequisite:
    name, link = "templates_approved", f"{MANAGER}/message-templates/"
    unserved = [one for one in purposes if not one.is_served]
    rejected = sum(len(one.rejected) for one in purposes)
    if unserved:
        is_rejected = any(one.rejected for one in unserved)
        state: State = "rejected" if is_rejected else "missing" if any(one.is_gone for one in unserved) else "pending"
        return Prerequisite(name, state, _unserved(unserved), "meta" if state == "pending" else "studio", True, link)
    if rejected:
        says = f"Every purpose has an approved template; {rejected} other texts were rejected and are not sent."
        return Prerequisite(name, "met", says)
    return Prerequisite(name, "met", "Every purpose has an approved template.")


def _unserved(purposes: Sequence[Purpose]) -> str:
    return " ".join(_reasons(purposes)) or f"WhatsApp is looking at {', '.join(one.name for one in purposes)}."


def _reasons(purposes: Sequence[Purpose]) -> Iterator[str]:
    for one in purposes:
        if one.is_gone:
            names = ", ".join(f"{row.name} ({row.language})" for row in one.gone)
            act = "Submit it again, or write another text" if one.again else "Write another text"
            yield f"WhatsApp has no text for {one.name} any more; gone: {names}. {act} among your templates."
        for row in one.rejected:
            reason = row.reason or "it gave no reason"
            yield f"WhatsApp has rejected {row.name} ({row.language}): {reason}. Mend its text."


def waiting_for(found: Sequence[Prerequisite]) -> tuple[WaitsOn, str, str | None] | None:
    """Whom a studio waits on, for what and where to act; None where nothing holds it up.

    Of several it is the owner first, then us, then Meta: only who acts gets on.
    """
    holding = [one for one in found if one.holds_up]
    if not holding:
        return None
    order: list[WaitsOn] = ["studio", "us", "meta", "twilio", "stripe"]
    on = min((one.waits_on or "us" for one in holding), key=order.index)
    mine = [one for one in holding if (one.waits_on or "us") == on]
    link = mine[0].link if on == "meta" else None
    return on, " ".join(one.says for one in mine), link
