"""What a messaging provider's refusal asks of us. What belongs here: the kinds of reaction, in words.

What does not: which code asks for which (each provider's `errors.py`), and acting on them (`messaging/reactions.py`).
"""

from __future__ import annotations

from enum import Enum


class Reaction(Enum):
    """What a code asks of us."""

    SLOW_BUCKET = "slow the bucket (app, account or number) and try again"
    REQUEUE_PAIR = "requeue the pair of number and lead only"
    BACK_OFF = "back off; open the circuit breaker"
    PLAN_AS_TEMPLATE = "the window is closed: correct our copy of it and plan again as a template"
    COUNT_UNREACHABLE = "do not try again; after several, mark the lead unreachable and offer SMS or e-mail"
    WAIT_A_DAY = "wait a day or more, growing; never for marketing to the United States"
    OPTED_OUT = "record the opt-out of marketing and cancel what is queued"
    SKIP = "the lead is in an experiment of Meta's: skip"
    FREEZE_MARKETING = "freeze marketing on the number; incident"
    OUR_FAULT = "dead letter and alert; do not try again"
    RESYNC_TEMPLATES = "read the templates again and try an approved sibling once"
    FIX_CONTENT = "dead letter with the reason: the content needs a person"
    AWAIT_TEMPLATE = "the template is paused: wait for its webhook"
    RETIRE_TEMPLATE = "the template is disabled: retire it"
    MEDIA_AGAIN = "fetch or upload the media again, once"
    AWAIT_PAYMENT = "wait on the studio's payment method"
    STOP_WORKSPACE = "stop the workspace's sends; incident"
    BLOCK_COUNTRY = "block that country"
    RECONNECT = "credential incident; ask the studio to connect again"
    REGISTER_AGAIN = "register the number again, at most ten times a week"
    NO_SMS = "no SMS reaches this number: send none any more"
    NO_MAIL = "no mail reaches this address: write to it no more"
    OPTED_OUT_OF_ALL = "record that the lead wants no more messages at all"
    TRY_LATER = "try once more, hours later"
    DAILY_CAP = "the day's cap is reached: try again tomorrow"
    ACCOUNT_REFUSED = "Twilio refuses the account: incident"
