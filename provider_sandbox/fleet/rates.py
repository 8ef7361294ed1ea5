"""How often things happen in a simulated fleet. What belongs here: every rate with its reason, and nothing drawn.

None of these is measured: they are chosen so that within days everything happens that a fleet meets in months. Who
wants a calmer fleet changes them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rate:
    """How often something happens.

    Attributes:
        name: as it is told beside what was seen.
        value: a share from 0 to 1, or a mean number a day.
        per: of what it is a share, or what it is counted for.
        why: the reason for the value.
        kind: how it is drawn.
    """

    name: str
    value: float
    per: str
    why: str
    kind: Literal["share", "mean"] = "share"


PRO = Rate("on PRO", 0.4, "studio", "the dearer plan is the minority's in most price lists of two")
SLOW = Rate("owner is slow", 0.25, "studio", "a quarter of owners come to their mail half a day later or more")
NEVER = Rate("owner never consents", 0.04, "studio", "some pay and lose heart: their studio waits, and is named")
BY_AFFILIATE = Rate("by an affiliate's link", 0.5, "studio", "half come recommended, so that commissions are many")
SELF_REFERRAL = Rate("refers themself", 0.15, "studio by a link", "the plainest fraud; it is to earn nothing")
CARD_FAILS = Rate("card fails", 0.15, "studio", "cards expire; a tenth or so of renewals fail at first")
RECOVERS = Rate("card is replaced", 0.7, "failed card", "most pay when told")
REFUNDED = Rate("refunded in part", 0.1, "studio", "somebody complains and is given a part back")
DISPUTED = Rate("payment is disputed", 0.05, "studio", "dearer than life's own, where below one in a hundred is usual")
DISPUTE_WON = Rate("dispute is won", 0.4, "dispute", "evidence wins less than half of them")
CANCELS = Rate("cancels", 0.12, "studio", "a tenth leave within the run, now or with the month they have paid")
AT_ONCE = Rate("cancels at once", 0.5, "cancellation", "both ways of leaving have to happen")
CHANGES_PLAN = Rate("changes plan", 0.1, "studio", "some grow into PRO and some out of it")

LEADS = Rate("leads a day", 3.0, "studio and day", "a small studio with some advertising", "mean")
TRAVELS = Rate("lead from another zone", 0.2, "lead", "people keep the number of where they lived before")
COACHED = Rate("wants a coach", 0.3, "lead", "what the nudges need to be seen")
LEAVES_COACH = Rate("leaves at the first nudge", 0.2, "coached lead", "the churn of every programme of messages")
STOPS_AT_ANSWER = Rate("stops at the answer", 0.08, "lead", "who only wanted the opening hours")
WANTS_PERSON = Rate("wants a person", 0.08, "lead", "some don't talk to machines")
IGNORES = Rate("ignores the answer", 0.12, "lead", "asked, and forgot")
AIMS = Rate("tells a goal", 0.15, "lead", "people say why they want to train")
CURIOUS = Rate("asks for the price", 0.12, "lead", "the commonest question after the trial")
EAGER = Rate("answers every nudge", 0.3, "lead", "the willing")
WEARY = Rate("answers no nudge", 0.3, "lead", "the tired; the rest answers as chance has it")
ASKS_AGAIN = Rate("asks again", 0.25, "lead who stays", "a second question a day or so later")
STOPS_LATER = Rate("stops later", 0.08, "lead who stays", "opts out of the blue, long after the last message")
COMES_BACK = Rate("comes back", 0.3, "lead who left", "writes START, days later")

HONEST = Rate("honest", 0.7, "affiliate", "the rest floods its own link with clicks")
VISITORS = Rate("visitors of a link", 2.0, "affiliate and day", "who look and don't buy", "mean")
FLOOD = Rate("clicks of a flood", 40.0, "flood", "enough to stand out, few enough to pass quickly", "mean")

ALL: tuple[Rate, ...] = tuple(rate for rate in dict(globals()).values() if isinstance(rate, Rate))
