"""Whether and how a message may go. What belongs here: the one pure rule, over facts, with every reason it found.

What does not: finding the facts out (`facts.py`), what only keeps a message back for a while (`verdict_holds.py`), what
goes by another channel (`verdict_elsewhere.py`), and acting on the answer (`sending.py`). Facts and decision are kept
with the message, so that «why was this not sent?» has an answer, and the same facts give the same answer again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pilar.messaging import verdict_elsewhere, verdict_holds
from pilar.messaging.decisions import Facts, Reason, Verdict
from pilar.messaging.zones import is_quiet

_WHY_CLOSED = {
    "suspended": "The studio is suspended: its subscription is not paid, or has ended.",
    "closed": "The studio is closed.",
}


def decide(facts: Facts) -> Verdict:
    """Decide on a message.

    Refusals outweigh what would only keep it back: what may never go is not stored for later. Where WhatsApp can't
    reach a lead at all, an SMS or an e-mail goes to who agreed to it, if the studio has chosen that. What a lead may
    have refused goes by no channel.
    """
    verdict = _decide(facts)
    held = verdict_holds.while_unclear(facts) if verdict.action == "send" else None
    return verdict if held is None else held.model_copy(update={"channel": verdict.channel})


def _decide(facts: Facts) -> Verdict:
    form = _form(facts)
    resumes_at = facts.template_resumes_at
    waits = form is None and (resumes_at is not None or (facts.waits_for_template and facts.template_state == "paused"))
    against = [*_never(facts), *(_no_form(facts) if form is None and not waits else ())]
    if against:
        refused = Verdict(action="refuse", reasons=tuple(against))
        return verdict_elsewhere.instead_of(facts, refused)
    if facts.paused:
        return verdict_holds.paused(facts.paused)
    if facts.dry_run:
        return Verdict(action="dry_run", form=form)
    held = verdict_holds.template_paused(resumes_at) if waits else verdict_holds.for_a_while(facts, form)
    if held is not None:
        return held
    if facts.over_budget is not None:
        return verdict_holds.over_budget(facts, facts.over_budget)
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
        (facts.unreachable, "unreachable", "WhatsApp could not deliver to this lead several times in a row."),
        (
            facts.country_blocked,
            "country_blocked",
            f"WhatsApp lets this studio write to {facts.country} no more.",
        ),
        (
            facts.sent_today >= facts.daily_limit and not (facts.by_person or facts.confirms_opt_out),
            "daily_limit",
            f"The studio's own limit of {facts.daily_limit} messages a day is reached.",
        ),
    ]
    return [Reason(code=code, sentence=sentence) for holds, code, sentence in found if holds]
