"""What a studio's owner is told by mail about the studio's standing. What belongs here: the words.

What does not: when they are sent (`owner_notices.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from pilar.provisioning.events import NoticeKind
from pilar.provisioning.setup_mail import Mail
from pilar.workspaces.plans import GRANTS, Plan


@dataclass(frozen=True)
class Notice:
    """What there is to tell.

    Attributes:
        owner_name, studio_name: whom it is about.
        until: the day that matters, in words; None where there is none.
        detail: what else is known: a plan, a template's name, a provider's reason.
        link: where to act; None where there is nothing to do.
    """

    owner_name: str
    studio_name: str
    until: str | None = None
    detail: str | None = None
    link: str | None = None


_SUBJECTS: dict[NoticeKind, str] = {
    "payment_failing": "A payment for {studio} has failed",
    "suspended": "{studio} is suspended",
    "cancelled": "The subscription of {studio} has ended",
    "closed": "{studio} is closed",
    "plan_changed": "{studio} has another plan",
    "number_restricted": "WhatsApp restricts the number of {studio}",
    "account_restricted": "WhatsApp restricts what {studio} may send",
    "number_reinstated": "{studio} may send on WhatsApp again",
    "quality_low": "WhatsApp rates the quality of {studio}'s messages as low",
    "name_declined": "WhatsApp has declined the name that {studio} shows",
    "number_replaced": "{studio} has a new phone number",
    "own_number_lost": "The phone number of {studio} does not work any more",
    "own_number_waits": "WhatsApp still shuts out the number of {studio}",
    "template_rejected": "WhatsApp has rejected a message template of {studio}",
    "template_disabled": "WhatsApp has disabled a message template of {studio}",
}

_LINES: dict[NoticeKind, tuple[str, ...]] = {
    "payment_failing": (
        "The last payment for {studio} did not go through.",
        "Everything goes on until {until}. After that nothing is sent to your leads until it is paid.",
    ),
    "suspended": (
        "A payment for {studio} has been owed for too long, so the studio is suspended: your leads get no messages.",
        "What they write is kept, and everything goes on as soon as it is paid.",
        "Unless it is paid by {until}, the studio is closed and its number is given back.",
    ),
    "cancelled": (
        "The subscription of {studio} has ended: your leads get no messages any more.",
        "The studio's number is kept until {until}. Then the studio is closed.",
    ),
    "closed": (
        "{studio} is closed and its phone number is given back.",
        "Its data is erased on {until}; until then you can ask for a copy.",
    ),
    "plan_changed": ("{studio} is on the plan {detail} from now on. What was paid already is set off to the day.",),
    "number_restricted": (
        "WhatsApp has restricted what the number of {studio} may send: {detail}",
        "We slow down by ourselves. In WhatsApp Manager you see what WhatsApp asks of you.",
    ),
    "account_restricted": (
        "WhatsApp restricts what {studio} may send: {detail}",
        "What your leads write is kept. In WhatsApp Manager you see what WhatsApp asks of you, and can object.",
    ),
    "number_reinstated": ("WhatsApp has lifted the restriction of {studio}: everything goes on by itself.",),
    "quality_low": (
        "People have blocked or reported messages of {studio}, and WhatsApp rates their quality as low.",
        "If it stays so, WhatsApp lowers how many people you may write to. Fewer and more personal messages help.",
    ),
    "name_declined": (
        "WhatsApp has declined the name that leads see beside the messages of {studio}.",
        "Choose another in WhatsApp Manager: until it is approved, leads see the number alone.",
    ),
    "number_replaced": (
        "{detail}",
        "We have bought another number and moved WhatsApp to it. Please change it where you show it.",
    ),
    "own_number_lost": (
        "{detail}",
        "The number is yours, so we don't replace it: please have it restored, or tell us to get you another.",
    ),
    "own_number_waits": (
        "{detail}",
        "The number is yours, so only you can ask. Until WhatsApp lets it send again, your leads get no messages.",
    ),
    "template_rejected": (
        "WhatsApp has rejected the template {detail}",
        "Messages that need it are not sent until another version is approved.",
    ),
    "template_disabled": (
        "WhatsApp has disabled the template {detail}",
        "It was paused twice because people did not want it. Messages that need it are not sent any more.",
    ),
}

_ACTIONS: dict[NoticeKind, str] = {
    "payment_failing": "Pay or change the card",
    "suspended": "Pay now",
    "own_number_waits": "See what is left to do",
}


def plan_in_words(plan: Plan, people: int) -> str:
    """A plan as a mail names it; with what follows where more people are there than it has room for."""
    limit = GRANTS[plan].members
    if people <= limit:
        return plan.value
    return (
        f"{plan} (room for {limit} people besides the owner: the {people} who are there stay, and nobody can be added)"
    )


def compose(kind: NoticeKind, notice: Notice) -> Mail:
    """The mail to the owner."""
    words = {"studio": notice.studio_name, "until": notice.until or "further notice", "detail": notice.detail or ""}
    lines = [f"Hello {notice.owner_name},", *(line.format(**words) for line in _LINES[kind])]
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    action = _ACTIONS.get(kind, "Open the studio's page")
    text = [*lines, *([f"{action}: {notice.link}"] if notice.link else [])]
    html = f'<p><a href="{escape(notice.link)}">{escape(action)}</a></p>' if notice.link else ""
    return Mail(_SUBJECTS[kind].format(studio=notice.studio_name), "\n\n".join(text), paragraphs + html)
