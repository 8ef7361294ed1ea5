"""What goes by another channel where WhatsApp can't reach a lead. What belongs here: the rule of SMS and e-mail; pure.

What does not: what speaks against a message whatever brings it (`verdict.py`). Both are the studio's choice, and each
goes only to who agreed to it: to agree to WhatsApp is no agreement to e-mail.
"""

from __future__ import annotations

from pilar.messaging import verdict_holds
from pilar.messaging.decisions import Channel, EmailFacts, Facts, Reason, SmsFacts, Verdict

_RESCUED = frozenset({"unreachable", "country_blocked", "country"})
"""What another channel is tried for."""
_NOT_ELSEWHERE = _RESCUED | {"window_closed", "no_template", "template_not_approved"}
"""What matters on WhatsApp only."""

_Objection = tuple[bool, str, str]


def instead_of(facts: Facts, refused: Verdict) -> Verdict:
    """The decision about a message that WhatsApp will not bring: the first channel that may, or all that forbids it.

    Args:
        facts: what it rests on.
        refused: why WhatsApp will not.
    """
    codes = {reason.code for reason in refused.reasons}
    if not codes & _RESCUED or not codes <= _NOT_ELSEWHERE:
        return refused
    against: tuple[Reason, ...] = ()
    if facts.sms is not None:
        objections = _reasons(_against_sms(facts, facts.sms))
        if not objections:
            return _by(facts, "sms", facts.sms)
        against += objections
    if facts.email is not None:
        objections = _reasons(_against_email(facts, facts.email))
        if not objections:
            # An SMS has no limit of its own here: releases before this one sent it so.
            return _by(facts, "email", facts.email, held=verdict_holds.frequency(facts))
        against += objections
    return refused.model_copy(update={"reasons": (*refused.reasons, *against)})


def _by(facts: Facts, channel: Channel, its: SmsFacts | EmailFacts, held: Verdict | None = None) -> Verdict:
    """The decision about what nothing speaks against but what passes."""
    if its.paused:
        decided = verdict_holds.paused(its.paused)
    elif its.dry_run:
        decided = Verdict(action="dry_run", form="text")
    elif held is not None:
        decided = held
    elif facts.over_budget is not None:
        decided = verdict_holds.over_budget(facts, facts.over_budget)
    else:
        decided = Verdict(action="send", form="text")
    return decided.model_copy(update={"channel": channel})


def _against_sms(facts: Facts, sms: SmsFacts) -> list[_Objection]:
    return [
        (not facts.opted_in, "sms_no_consent", "An SMS goes only to who agreed to be written to."),
        (not sms.has_text, "sms_no_text", "There are no words to send by SMS."),
        (not sms.number_connected, "sms_no_number", "The studio has no number that sends SMS."),
        (not sms.can_receive, "sms_unreachable", "The lead takes no SMS from this number."),
        (
            not sms.registered,
            "sms_not_registered",
            "The United States want brand and campaign registered (10DLC) before a business sends SMS.",
        ),
    ]


def _against_email(facts: Facts, email: EmailFacts) -> list[_Objection]:
    return [
        (email.agreed is False, "email_opted_out", "The lead asked for no more e-mail."),
        (email.agreed is None, "email_no_consent", "An e-mail goes only to who agreed to e-mail."),
        (
            facts.category == "service",
            "email_not_for_answers",
            "What was asked on WhatsApp is not answered by e-mail: answers to that would not be read here.",
        ),
        (not email.has_text, "email_no_text", "There are no words to send by e-mail."),
        (not email.can_receive, "email_no_address", "No address is known at which e-mail reaches the lead."),
    ]


def _reasons(objections: list[_Objection]) -> tuple[Reason, ...]:
    return tuple(Reason(code=code, sentence=sentence) for holds, code, sentence in objections if holds)
