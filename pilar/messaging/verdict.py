"""Whether and how a message may go. What belongs here: the one pure rule, over facts, with every reason it found.

What does not: finding the facts out (`facts.py`) and acting on the answer (`sending.py`). Facts and decision are kept
with the message, so that «why was this not sent?» has an answer, and the same facts give the same answer again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pilar.messaging.zones import is_quiet

Category = Literal["service", "utility", "marketing"]
Overage = Literal["queue", "drop", "degrade"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(_Frozen):
    """What the decision rests on, as it was at one moment.

    Attributes:
        now: business time.
        category: what the message is; marketing needs more than a conversation.
        asked_for: it answers what the lead wrote, so no hour is too late for it.
        confirms_opt_out: the one message that may follow an opt-out.
        by_person: a person wrote it; the bot's silence doesn't concern it.
        studio_open: the studio is active, or the message is its test before that.
        studio_state: the studio's own, so that the reason can name it; None in verdicts of older releases.
        whatsapp_on: the studio's own policy.
        number_connected: there is a number to send from.
        paused: what is paused, in words.
        dry_run: decide and record only.
        opted_out: the widest scope that the lead withdrew.
        opted_in: the lead agreed to marketing.
        with_person: a person has taken the conversation over.
        window_closes_at: until when free text is allowed; None: not now.
        has_text: there is free text to send.
        template_state: of the best sibling there is: approved, pending, paused, …; None: there is none.
        country: of the lead's number.
        zones: where the lead may be.
        sent_today, daily_limit: the studio's messages of this UTC day, and its own policy.
        over_budget: what the plan says to do now that the budget is used up; None: it is not.
        budget_resets_at: when it is whole again.
    """

    now: datetime
    category: Category
    asked_for: bool = False
    confirms_opt_out: bool = False
    by_person: bool = False
    studio_open: bool = True
    studio_state: str | None = None
    whatsapp_on: bool = True
    number_connected: bool = True
    paused: tuple[str, ...] = ()
    dry_run: bool = False
    opted_out: Literal["marketing", "all"] | None = None
    opted_in: bool = False
    with_person: bool = False
    window_closes_at: datetime | None = None
    has_text: bool = True
    template_state: str | None = None
    country: str | None = None
    zones: tuple[str, ...] = ()
    sent_today: int = 0
    daily_limit: int = 1_000_000
    over_budget: Overage | None = None
    budget_resets_at: datetime | None = None


class Reason(_Frozen):
    """One thing that speaks against sending: a code for programs, a sentence for people."""

    code: str
    sentence: str


class Verdict(_Frozen):
    """The decision.

    Attributes:
        action: send it, keep it back for later, refuse it, or record that it would have been sent.
        form: free text or template; None where it does not go.
        until: when to look again at what is kept back; None: when somebody ends what keeps it.
        reasons: everything that speaks against it; empty where it goes.
    """

    action: Literal["send", "hold", "refuse", "dry_run"]
    form: Literal["text", "template"] | None = None
    until: datetime | None = None
    reasons: tuple[Reason, ...] = ()


_WHY_CLOSED = {
    "suspended": "The studio is suspended: its subscription is not paid, or has ended.",
    "closed": "The studio is closed.",
}


def decide(facts: Facts) -> Verdict:
    """Decide on a message.

    Refusals outweigh what would only keep it back: what may never go is not stored for later.
    """
    form = _form(facts)
    against = [*_never(facts), *(_no_form(facts) if form is None else ())]
    if against:
        return Verdict(action="refuse", reasons=tuple(against))
    if facts.paused:
        held = tuple(Reason(code="paused", sentence=f"Sending is paused: {what}.") for what in facts.paused)
        return Verdict(action="hold", reasons=held)
    if facts.dry_run:
        return Verdict(action="dry_run", form=form)
    if facts.over_budget is not None:
        return _over_budget(facts, facts.over_budget)
    return Verdict(action="send", form=form)


def objection_to_answer(
    opted_out: Literal["marketing", "all"] | None, window_closes_at: datetime | None, now: datetime
) -> str | None:
    """Why a person can't answer a lead in their own words now, as a sentence; None where they can.

    Said before anything is written: a form that can't be sent is not offered. What is sent is decided on like all else.
    """
    if opted_out == "all":
        return "This lead asked for no more messages."
    if window_closes_at is None or now >= window_closes_at:
        return "The 24-hour window is closed: free text is not allowed until the lead writes again."
    return None


def _form(facts: Facts) -> Literal["text", "template"] | None:
    is_window_open = facts.window_closes_at is not None and facts.now < facts.window_closes_at
    if is_window_open and facts.has_text:
        return "text"
    if facts.template_state == "approved" and not (facts.category == "marketing" and facts.country == "US"):
        return "template"
    return None


def _no_form(facts: Facts) -> list[Reason]:
    """Why neither free text nor a template can go."""
    reasons = []
    if facts.has_text:
        sentence = "The 24-hour window is closed: free text is not allowed now."
        reasons.append(Reason(code="window_closed", sentence=sentence))
    if facts.template_state is None:
        reasons.append(Reason(code="no_template", sentence="There is no template for it."))
    elif facts.template_state != "approved":
        sentence = f"Its template is {facts.template_state}, and only approved ones may be sent."
        reasons.append(Reason(code="template_not_approved", sentence=sentence))
    elif facts.category == "marketing" and facts.country == "US":
        sentence = "WhatsApp takes no marketing templates to numbers in the United States."
        reasons.append(Reason(code="country", sentence=sentence))
    return reasons


def _never(facts: Facts) -> list[Reason]:
    """What waiting would not mend."""
    found: list[tuple[bool, str, str]] = [
        (
            not facts.studio_open,
            "studio_closed",
            _WHY_CLOSED.get(facts.studio_state or "", "The studio is not active."),
        ),
        (not facts.whatsapp_on, "whatsapp_off", "The studio has WhatsApp turned off."),
        (not facts.number_connected, "no_number", "The studio has no number that is connected."),
        (
            facts.opted_out == "all" and not facts.confirms_opt_out,
            "opted_out",
            "The lead asked for no more messages.",
        ),
        (
            facts.opted_out == "marketing" and facts.category == "marketing",
            "opted_out",
            "The lead asked for no more marketing.",
        ),
        (
            facts.category == "marketing" and not facts.opted_in and facts.opted_out is None,
            "no_consent",
            "The lead has not agreed to be written to unasked.",
        ),
        (
            facts.with_person and not (facts.by_person or facts.confirms_opt_out),
            "with_person",
            "A person has taken the conversation over: the bot is silent.",
        ),
        (
            not (facts.asked_for or facts.by_person) and is_quiet(facts.now, facts.zones),
            "quiet_hours",
            "It is before 8 or after 21 where the lead may be.",
        ),
        (
            facts.sent_today >= facts.daily_limit and not (facts.by_person or facts.confirms_opt_out),
            "daily_limit",
            f"The studio's own limit of {facts.daily_limit} messages a day is reached.",
        ),
    ]
    return [Reason(code=code, sentence=sentence) for holds, code, sentence in found if holds]


def _over_budget(facts: Facts, overage: Overage) -> Verdict:
    """What the plan says: keep it until the reset, drop it, or drop what is least urgent only."""
    reason = Reason(code="budget", sentence="The plan's budget of messages is used up until it resets.")
    if overage == "drop" or (overage == "degrade" and facts.category == "marketing"):
        return Verdict(action="refuse", reasons=(reason,))
    return Verdict(action="hold", until=facts.budget_resets_at, reasons=(reason,))
