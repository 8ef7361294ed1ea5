"""The whole error tree. What belongs here: every error that crosses a room's door.

What does not: errors a function raises and catches by itself, and HTTP. The web service turns these into
problem documents (`webhook_ingest/problems.py`), the queue turns them into retry, dead letter or snooze
(`backplane/worker rules`), the command line into one sentence and an exit code.

The docstring of a class is its default message, written for the person who has to act on it.
"""

from __future__ import annotations

from datetime import timedelta


class PilarError(Exception):
    """Something went wrong in PILAR."""

    code = "error"

    def __init__(self, message: str | None = None, **details: object) -> None:
        self.message = message or (type(self).__doc__ or "").strip().split("\n")[0]
        self.details = details
        super().__init__(self.message)


class Permanent(PilarError):
    """This can't succeed by being tried again."""

    code = "permanent"


class Transient(PilarError):
    """This may succeed when it is tried again a little later."""

    code = "transient"

    def __init__(self, message: str | None = None, *, retry_after: timedelta | None = None, **details: object) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class OutcomeUnknown(Transient):
    """The provider was asked, and whether it did what it was asked is not known."""

    code = "outcome_unknown"


class CircuitOpen(Transient):
    """The other side does not answer and is left alone for now; it was not asked."""

    code = "circuit_open"


class UnusableAnswer(Transient):
    """A language model answered, and what it answered can't be used."""

    code = "unusable_answer"


class Invalid(Permanent):
    """The input is not valid."""

    code = "invalid"


class BadSignature(Permanent):
    """The signature does not match the body that came with it."""

    code = "bad_signature"


class Conflict(Permanent):
    """This contradicts what is already recorded."""

    code = "conflict"


class NotFound(Permanent):
    """There is nothing by that name."""

    code = "not_found"


class InsufficientFunds(Permanent):
    """The balance at the provider does not cover this: ask anew, under another key, when it does."""

    code = "insufficient_funds"


class Unauthenticated(Permanent):
    """Sign in first, or send a valid token."""

    code = "unauthenticated"


class Forbidden(Permanent):
    """This is not yours to see or to change."""

    code = "forbidden"


class NotConfigured(Permanent):
    """A setting that this needs is missing."""

    code = "not_configured"


class CredentialsRefused(Permanent):
    """The provider refused our credentials."""

    code = "credentials_refused"


class NoRoom(Permanent):
    """The account at the provider takes no more of these: use another one, or have its limit raised."""

    code = "no_room"


class OverBudget(Transient):
    """The budget for this is used up until it resets."""

    code = "over_budget"


class TooManyRequests(Transient):
    """Too many requests: wait and try again."""

    code = "too_many_requests"


class Overloaded(Transient):
    """More is asked at once than can be done: try again shortly."""

    code = "overloaded"


class Busy(Transient):
    """Somebody else is at work on this just now."""

    code = "busy"


class Held(Busy):
    """Somebody holds this lock: wait until it is released or ends."""

    code = "held"
