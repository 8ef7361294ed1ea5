"""What a decision about a message rests on and what it says. What belongs here: their shapes, as they are kept.

What does not: the rule that leads from the one to the other (`verdict.py`). A field that comes later gets a default
that changes no decision of before.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Category = Literal["service", "utility", "marketing"]
Channel = Literal["whatsapp", "sms", "email"]
Overage = Literal["queue", "drop", "degrade"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SmsFacts(_Frozen):
    """What matters for an SMS in place of a message that WhatsApp can't bring.

    Attributes:
        has_text: there are words to send.
        can_receive: the lead has a number, and Twilio has not told that it takes no SMS from us.
        number_connected: the studio has a number at Twilio to send from.
        registered: the United States want the studio's brand and campaign registered (10DLC); true elsewhere.
        paused: what is paused for SMS, in words.
        dry_run: decide and record only.
    """

    has_text: bool = True
    can_receive: bool = True
    number_connected: bool = True
    registered: bool = True
    paused: tuple[str, ...] = ()
    dry_run: bool = False


class EmailFacts(_Frozen):
    """What matters for an e-mail in place of a message that WhatsApp can't bring.

    Attributes:
        has_text: there are words to send.
        can_receive: an address of the lead's is known, and no mail server has told that no mail reaches it.
        agreed: the lead agreed to e-mail, and has not withdrawn that; None: they never said.
        paused: what is paused for e-mail, in words.
        dry_run: decide and record only.
    """

    has_text: bool = True
    can_receive: bool = True
    agreed: bool | None = None
    paused: tuple[str, ...] = ()
    dry_run: bool = False


class Facts(_Frozen):
    """What the decision rests on, as it was at one moment.

    What a release came to know later has a default that changes nothing, so that a verdict of an older one gives the
    same answer again.

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
        refusal_unclear_since: since when something that the lead wrote may be a refusal, and nobody has told; None: all
            is clear.
        with_person: a person has taken the conversation over.
        window_closes_at: until when free text is allowed; None: not now.
        has_text: there is free text to send.
        template_state: of the best sibling there is: approved, pending, paused, …; None: there is none.
        template_resumes_at: when to look again at one that is paused; None: it is not, or in older verdicts.
        country: of the lead's number.
        zones: where the lead may be.
        sent_today, daily_limit: the studio's messages of this UTC day, and its own policy.
        over_budget: what the plan says to do now that the budget is used up; None: it is not.
        budget_resets_at: when it is whole again.
        real_now: real time, which rates go by.
        number_free_at, pair_free_at: real time from when on the number, and the pair of number and lead, may send one
            more; None: at once.
        people_limit: how many people the studio's portfolio may write to outside their window in 24 hours; None: any
            number of them.
        people_reached: how many that were in the last 24 hours, this lead not among them.
        is_reached: this lead was among them, and counts once.
        people_free_at: when there is room for one more.
        country_blocked: WhatsApp lets the studio write to the lead's country no more.
        marketing_sent: when the lead got marketing within the last week and a little before it, oldest first.
        marketing_a_day, marketing_a_week: how much of it the studio's configuration allows; None: any number.
        marketing_frozen_until: no marketing goes from the number until then.
        restricted: what WhatsApp forbids the studio's account, in its words; None: nothing.
        restricted_until: until when, or None: until WhatsApp says otherwise.
        unreachable: WhatsApp could not deliver to this lead several times in a row.
        marketing_waits_until: WhatsApp has held marketing to this lead off until then.
        waits_for_template: a paused template is waited for.
        sms: what matters for an SMS instead; None: the studio has none as a fall-back.
        email: likewise for an e-mail, which goes where an SMS may not.
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
    refusal_unclear_since: datetime | None = None
    with_person: bool = False
    window_closes_at: datetime | None = None
    has_text: bool = True
    template_state: str | None = None
    template_resumes_at: datetime | None = None
    country: str | None = None
    zones: tuple[str, ...] = ()
    sent_today: int = 0
    daily_limit: int = 1_000_000
    over_budget: Overage | None = None
    budget_resets_at: datetime | None = None
    real_now: datetime | None = None
    number_free_at: datetime | None = None
    pair_free_at: datetime | None = None
    people_limit: int | None = None
    people_reached: int = 0
    is_reached: bool = False
    people_free_at: datetime | None = None
    country_blocked: bool = False
    marketing_sent: tuple[datetime, ...] = ()
    marketing_a_day: int | None = None
    marketing_a_week: int | None = None
    marketing_frozen_until: datetime | None = None
    restricted: str | None = None
    restricted_until: datetime | None = None
    unreachable: bool = False
    marketing_waits_until: datetime | None = None
    waits_for_template: bool = False
    sms: SmsFacts | None = None
    email: EmailFacts | None = None


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
        real_until: the same where a rate keeps it back, in real time.
        reasons: everything that speaks against it; empty where it goes.
        channel: by which it goes, or would.
    """

    action: Literal["send", "hold", "refuse", "dry_run"]
    form: Literal["text", "template"] | None = None
    until: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    real_until: datetime | None = None
    channel: Channel = "whatsapp"
