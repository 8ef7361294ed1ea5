"""Fault plans as data. What belongs here: which faults there are, what a rule says, and whether it strikes; no I/O.

Counting requests and remembering strikes is `store.py`; being slow, rude or silent is `requests.py` and `courier.py`.
A decision is a hash of the seed, the rule's place in the plan, the kind of request and how many of that kind came
before: it needs no generator whose state could be lost, so a run repeats, and goes on as before after a restart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any

REQUEST = "request"
WEBHOOK = "webhook"

PROVIDERS = ("stripe", "twilio", "meta", "openai", "groq", "anthropic", "elevenlabs", "mail")
"""Who can be made to misbehave, by the first part of the path below which each is served."""

WEBHOOK_SENDERS = ("stripe", "twilio", "meta")

REQUEST_KINDS: Mapping[str, str] = {
    "accept_then_timeout": "does what is asked and never answers; after `seconds` the line is cut",
    "rate_limited": "refuses with 429 and asks to wait `seconds`; the mail server answers 450",
    "server_error": "fails with `status` (500; mail: 451) in the provider's own words; `when` says before or after",
    "malformed": "does what is asked and answers with half of a document",
    "disconnect": "cuts the line without a word, before or after it did what is asked (`when`)",
    "slow": "does what is asked and lets the answer trickle for `seconds`",
    "delay": "waits `seconds` before it does what is asked; who hangs up meanwhile has asked for nothing",
    "outage": "hangs up on everybody from `starts` to `ends`",
}
"""What can befall a request to a provider, in plain words."""

WEBHOOK_KINDS: Mapping[str, str] = {
    "delay": "is sent `seconds` late",
    "drop": "is never sent; Stripe's objects, Twilio's messages, Meta's numbers and templates can be asked for",
    "duplicate": "is sent a second time, `seconds` later",
    "reorder": "is held back until a later one of the same provider has arrived, at most `seconds`",
}
"""What can befall a webhook on its way to the product, in plain words."""

BEFORE, AFTER = "before", "after"
DEFAULT_SECONDS: Mapping[str, float] = {
    "accept_then_timeout": 60.0,
    "rate_limited": 1.0,
    "slow": 2.0,
    "delay": 1.0,
    "reorder": 5.0,
}
"""How long each kind lasts where the rule doesn't say."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_IS_MADE_UP = re.compile(r"(?=.{10})(?:\D*\d){3}")


@dataclass(frozen=True)
class Rule:
    """One way in which a provider misbehaves.

    Attributes:
        provider: one of `PROVIDERS`.
        direction: `request` to the provider, or `webhook` from it.
        kind: one of `REQUEST_KINDS` or `WEBHOOK_KINDS`.
        path: shell pattern over the path after the provider's mount (Meta's without the version; a mail's is its
            recipient), or over the kind of event (`invoice.paid`, `messages`, `statuses.delivered`, `sms`).
        probability: of each request that the pattern fits, from 0 to 1.
        most: how often it strikes at most; None: without end.
        seconds: how long it lasts; None: the kind's own.
        status: of a server error; None: 500, of the mail server 451.
        when: `before` or `after` the provider did what is asked, for `disconnect` and `server_error`; None: a
            disconnect takes either by the seed, an error comes before.
        starts: from how many seconds of real time after the plan was set.
        ends: until when; None: for ever.
    """

    provider: str
    direction: str
    kind: str
    path: str = "*"
    probability: float = 1.0
    most: int | None = None
    seconds: float | None = None
    status: int | None = None
    when: str | None = None
    starts: float = 0.0
    ends: float | None = None

    @property
    def lasts(self) -> float:
        """Seconds that it lasts."""
        return DEFAULT_SECONDS.get(self.kind, 0.0) if self.seconds is None else self.seconds

    def fits(self, provider: str, direction: str, path: str, age: float) -> bool:
        """Whether the rule speaks of this at all, so many seconds after the plan was set."""
        is_meant = (self.provider, self.direction) == (provider, direction)
        is_time = self.starts <= age and (self.ends is None or age < self.ends)
        return is_meant and is_time and fnmatchcase(path, self.path)


@dataclass(frozen=True)
class Plan:
    """Everything that is to go wrong; the first rule that strikes decides."""

    seed: int
    rules: tuple[Rule, ...]

    def document(self) -> dict[str, Any]:
        """The plan as `PUT /control/faults` takes it."""
        return {"seed": self.seed, "rules": [asdict(rule) for rule in self.rules]}


@dataclass(frozen=True)
class Strike:
    """A rule that strikes, and whether before or after the deed where that is open."""

    index: int
    rule: Rule
    when: str


def problem_of(rule: Rule) -> str | None:
    """What is wrong with a rule and what would be right, or None."""
    kinds = REQUEST_KINDS if rule.direction == REQUEST else WEBHOOK_KINDS
    senders = PROVIDERS if rule.direction == REQUEST else WEBHOOK_SENDERS
    if rule.direction not in (REQUEST, WEBHOOK):
        return f"The direction {rule.direction!r} is unknown: say {REQUEST} or {WEBHOOK}."
    if rule.provider not in senders:
        known = "sends no webhooks" if rule.provider in PROVIDERS else "is no provider that is known here"
        return f"{rule.provider!r} {known}: it is one of {', '.join(senders)}."
    if rule.kind not in kinds:
        return f"A {rule.direction} knows no fault {rule.kind!r}: it is one of {', '.join(kinds)}."
    if not 0 <= rule.probability <= 1:
        return f"The probability {rule.probability} is outside of 0 to 1."
    if rule.most is not None and rule.most < 1:
        return "A rule that strikes at most 0 times is no rule: leave it out, or say 1 or more."
    moments = (rule.lasts, rule.starts, rule.starts + 1 if rule.ends is None else rule.ends)
    if not all(isfinite(moment) for moment in moments):
        return "Seconds are finite numbers."
    if rule.lasts < 0 or rule.starts < 0:
        return "Seconds can't be negative."
    if rule.ends is not None and rule.ends <= rule.starts:
        return f"The rule ends at {rule.ends} s, before it starts at {rule.starts} s."
    if rule.status is not None and (rule.kind != "server_error" or not 400 <= rule.status <= 599):
        return "A status is that of a server_error, from 400 to 599."
    if rule.when is not None and (rule.kind not in ("disconnect", "server_error") or rule.when not in (BEFORE, AFTER)):
        return "`when` is before or after, and is said of a disconnect or a server_error only."
    return None


def shape_of(path: str) -> str:
    """A path with every made-up id in it replaced, so that two runs whose ids differ ask for the same."""
    return "/".join(_shape(part) for part in path.split("/"))


def _shape(part: str) -> str:
    stem, dot, ending = part.rpartition(".json")
    word = stem if dot and not ending else part
    if _IS_MADE_UP.match(word) and not _DATE.fullmatch(word):
        return f"{{id}}{part[len(word) :]}"
    return part


def decide(
    plan: Plan, struck: Sequence[int], *, provider: str, direction: str, path: str, what: str, count: int, age: float
) -> Strike | None:
    """The first rule of the plan that strikes, or None.

    Args:
        plan: the rules.
        struck: how often each rule has struck so far.
        provider: whom it is about.
        direction: `request` or `webhook`.
        path: the path or the kind of event, which patterns are compared with.
        what: names requests of one kind (method and shape of the path).
        count: how many of these came before.
        age: seconds of real time since the plan was set.
    """
    for index, rule in enumerate(plan.rules):
        if not rule.fits(provider, direction, path, age):
            continue
        if rule.most is not None and struck[index] >= rule.most:
            continue
        chance, side = _drawn(plan.seed, index, rule, what, count)
        if chance < rule.probability:
            return Strike(index, rule, rule.when or _when(rule, side))
    return None


def _drawn(seed: int, index: int, rule: Rule, what: str, count: int) -> tuple[float, float]:
    """Two even numbers from 0 to below 1 that depend on the arguments alone."""
    text = "\0".join(map(str, (seed, index, rule.provider, rule.direction, rule.kind, what, count)))
    digest = hashlib.sha256(text.encode()).digest()
    first, second = int.from_bytes(digest[:6]), int.from_bytes(digest[6:12])
    return first / 2**48, second / 2**48


def _when(rule: Rule, side: float) -> str:
    if rule.kind == "disconnect" and side >= 0.5:
        return AFTER
    return BEFORE
