"""What keeps a message back for a while. What belongs here: limits that pass with time; pure.

What does not: what may never go, and what comes of it (`verdict.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pilar.messaging.decisions import Facts, Overage, Reason, Verdict
from pilar.messaging.zones import days_later

LOOKED_AT_AGAIN = timedelta(hours=6)
"""After so long a restriction without an end is looked at again, since nobody may tell when it is lifted."""


class _Kept(NamedTuple):
    """One thing that keeps a message back, and until when: business time, or real time where a rate does."""

    code: str
    sentence: str
    until: datetime


def paused(what: Sequence[str]) -> Verdict:
    """Kept back until somebody ends the pauses, which are given in words."""
    reasons = tuple(Reason(code="paused", sentence=f"Sending is paused: {one}.") for one in what)
    return Verdict(action="hold", reasons=reasons)


def template_paused(until: datetime | None) -> Verdict:
    """Kept back until WhatsApp tells what becomes of the template, or until a moment to look at it again."""
    sentence = "WhatsApp has paused its template: it is waited for."
    return Verdict(action="hold", until=until, reasons=(Reason(code="template_paused", sentence=sentence),))


def while_unclear(facts: Facts) -> Verdict | None:
    """What keeps marketing back by any channel while what the lead wrote may be a refusal; None where nothing does.

    It is asked for again as soon as somebody tells; the moment is for what was decided just before that.
    """
    if facts.category != "marketing" or facts.refusal_unclear_since is None:
        return None
    sentence = "What the lead wrote may be a refusal: nothing they did not ask for goes until that is told."
    reason = Reason(code="refusal_unclear", sentence=sentence)
    return Verdict(action="hold", until=facts.now + LOOKED_AT_AGAIN, reasons=(reason,))


def for_a_while(facts: Facts, form: Literal["text", "template"] | None) -> Verdict | None:
    """What keeps the message back until a moment; None where nothing does."""
    found = [*_of_account(facts), *_of_marketing(facts), *_of_people(facts, form)]
    # A rate is asked last: what waits for hours takes no place in the second that passes now.
    kept = found or [*_of_rate(facts)]
    if not kept:
        return None
    until = max(one.until for one in kept)
    reasons = tuple(Reason(code=one.code, sentence=one.sentence) for one in kept)
    if found:
        return Verdict(action="hold", until=until, reasons=reasons)
    return Verdict(action="hold", real_until=until, reasons=reasons)


def frequency(facts: Facts) -> Verdict | None:
    """What the studio's own limit of marketing to one lead keeps back, by whichever channel; None: nothing."""
    kept = [*_of_frequency(facts)]
    if not kept:
        return None
    reasons = tuple(Reason(code=one.code, sentence=one.sentence) for one in kept)
    return Verdict(action="hold", until=max(one.until for one in kept), reasons=reasons)


def over_budget(facts: Facts, overage: Overage) -> Verdict:
    """What the plan says: keep it until the reset, drop it, or drop what is least urgent only."""
    reason = Reason(code="budget", sentence="The plan's budget of messages is used up until it resets.")
    if overage == "drop" or (overage == "degrade" and facts.category == "marketing"):
        return Verdict(action="refuse", reasons=(reason,))
    return Verdict(action="hold", until=facts.budget_resets_at, reasons=(reason,))


def frees_at(sent: Sequence[datetime], most: int, days: int, now: datetime, zones: Sequence[str]) -> datetime | None:
    """When one more fits into a moving span; None: it does now.

    Args:
        sent: when there was one, in any order.
        most: how many fit.
        days: how long each counts, on the clocks of the zones: a day on which they are set has 23 hours, or 25, so that
            what comes each day at the same hour is not too much on one.
        now: the present moment.
        zones: where the lead may be; the last of them counts.
    """
    ends = sorted(end for moment in sent if (end := days_later(moment, days, zones)) > now)
    if len(ends) < most:
        return None
    return days_later(now, days, zones) if most == 0 else ends[len(ends) - most]


def _of_account(facts: Facts) -> Iterator[_Kept]:
    if facts.restricted is not None and (facts.restricted_until is None or facts.now < facts.restricted_until):
        until = facts.restricted_until or facts.now + LOOKED_AT_AGAIN
        yield _Kept("restricted", f"WhatsApp restricts the studio's account: {facts.restricted}.", until)


def _of_marketing(facts: Facts) -> Iterator[_Kept]:
    if facts.category != "marketing":
        return
    if facts.marketing_frozen_until is not None and facts.now < facts.marketing_frozen_until:
        sentence = "Marketing from this number is frozen: WhatsApp has limited it for its quality."
        yield _Kept("marketing_frozen", sentence, facts.marketing_frozen_until)
    if facts.marketing_waits_until is not None and facts.now < facts.marketing_waits_until:
        sentence = "WhatsApp holds marketing to this lead off for a while."
        yield _Kept("marketing_waits", sentence, facts.marketing_waits_until)
    yield from _of_frequency(facts)


def _of_frequency(facts: Facts) -> Iterator[_Kept]:
    if facts.category != "marketing":
        return
    for most, days, word in ((facts.marketing_a_day, 1, "day"), (facts.marketing_a_week, 7, "week")):
        if most is None:
            continue
        free = frees_at(facts.marketing_sent, most, days, facts.now, facts.zones)
        if free is not None:
            sentence = f"The lead has had as much marketing as the studio allows in a {word}: {most}."
            yield _Kept("frequency", sentence, free)


def _of_people(facts: Facts, form: str | None) -> Iterator[_Kept]:
    limit = facts.people_limit
    if form == "template" and limit is not None and not facts.is_reached and facts.people_reached >= limit:
        sentence = (
            f"The studio has written to {facts.people_reached} people outside their window in 24 hours, of {limit}."
        )
        yield _Kept("people_limit", sentence, facts.people_free_at or facts.now + LOOKED_AT_AGAIN)


def _of_rate(facts: Facts) -> Iterator[_Kept]:
    if facts.real_now is None:
        return
    if facts.number_free_at is not None and facts.real_now < facts.number_free_at:
        yield _Kept("number_rate", "The number sends as quickly as WhatsApp lets it.", facts.number_free_at)
    if facts.pair_free_at is not None and facts.real_now < facts.pair_free_at:
        sentence = "This lead gets messages as quickly as WhatsApp lets one person have them."
        yield _Kept("pair_rate", sentence, facts.pair_free_at)
