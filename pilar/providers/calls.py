"""The one policy for calls to providers. What belongs here: time-outs, the log line, what an error means, and of whom.

What does not: retries (the queue above owns them, and every SDK's own are off), and what any one provider's codes
mean (each provider's `errors.py`).

An effect ledger sits above, so the question an error must answer is: may the provider have acted? Refused before it
was sent, or refused by the provider in so many words: no. Anything that went wrong after the request was on its way:
perhaps, which is `OutcomeUnknown` for a call that changes something and plain `Transient` for one that reads.

The breaker counts what tells of the provider itself: it can't be reached, breaks off, answers 5xx or nonsense, or says
by a code that it is not well. Any other answer, a refusal and «too many requests» included, tells that it is there: one
studio's limits and mistakes must not keep the others from it. So there is one breaker per provider, not per account.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cache, cached_property

import httpx
from pydantic import SecretStr

from pilar.backplane.breakers import Breaker, Breakers
from pilar.errors import (
    CircuitOpen,
    CredentialsRefused,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    Permanent,
    PilarError,
    Transient,
)
from pilar.masking import mask_text
from pilar.settings import Settings

logger = logging.getLogger("pilar.providers")

ErrorTable = Mapping[str, type[PilarError]]
"""From a provider's own error code to the class of ours."""

CONNECT_SECONDS = 5.0
LONGEST_RETRY_AFTER = timedelta(days=1)

BY_STATUS: Mapping[int, type[PilarError]] = {
    401: CredentialsRefused,
    403: CredentialsRefused,
    404: NotFound,
    408: Transient,
    425: Transient,
    429: Transient,
}
"""What a status means where the code says nothing. Other 4xx are `Permanent`."""

UNCALLABLE = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading an answer raises when it is not shaped as promised."""


class Refusal(Exception):
    """A provider answered with an error: its status, code and message, whatever the provider."""

    def __init__(self, status: int, code: str = "", message: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class Provider:
    """How calls to one provider are logged and how its errors are told.

    Args:
        name: the provider, as people call it.
        table: its error codes.
        unreadable: what its SDK raises for an answer that is not shaped as promised.
        unwell: codes by which it says that it is not well, whatever the status.
        breaker: knows whether it answers; None: each call finds out for itself.
    """

    name: str
    table: ErrorTable
    unreadable: tuple[type[Exception], ...] = ()
    unwell: frozenset[str] = frozenset()
    breaker: Breaker | None = None

    def guarded(self, breakers: Breakers | None) -> Provider:
        """The same behind its breaker among these: it is left alone while it does not answer."""
        return self if breakers is None else replace(self, breaker=breakers.of(self.name))

    def reads(self, operation: str) -> AbstractContextManager[None]:
        """Around one call that changes nothing: a doubtful outcome is `Transient`."""
        return self._call(operation, changes=False)

    def changes(self, operation: str) -> AbstractContextManager[None]:
        """Around one call that changes something: a doubtful outcome is `OutcomeUnknown`."""
        return self._call(operation, changes=True)

    @contextmanager
    def _call(self, operation: str, *, changes: bool) -> Iterator[None]:
        term = self.breaker.enter() if self.breaker else 0
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            explained = self._explain(error, operation, changes)
            self._learn(term, error, explained)
            self._log(logging.WARNING, operation, _outcome(explained), started)
            if explained is error:
                raise
            # What could not be sent may hold a key, and a chained error is printed with it.
            raise explained from (None if isinstance(error, UNCALLABLE) else error)
        except BaseException:
            if self.breaker:
                self.breaker.abandoned(term)
            raise
        if self.breaker:
            self.breaker.succeeded(term)
        self._log(logging.INFO, operation, "ok", started)

    def _learn(self, term: int, error: Exception, explained: Exception) -> None:
        """Tell the breaker what an error says of the provider."""
        if not self.breaker:
            return
        if isinstance(error, Refusal):
            told_no = isinstance(explained, PilarError) and not isinstance(explained, Transient)
            is_unwell = error.code in self.unwell or (error.status >= 500 and not told_no)
        elif isinstance(error, PilarError) and "provider_code" in error.details:
            is_unwell = error.details["provider_code"] in self.unwell
        elif isinstance(error, (Permanent, CircuitOpen, *UNCALLABLE)) or not isinstance(explained, PilarError):
            self.breaker.abandoned(term)  # found by ourselves: it says nothing of the provider
            return
        else:
            is_unwell = True
        (self.breaker.failed if is_unwell else self.breaker.succeeded)(term)

    def _log(self, level: int, operation: str, outcome: str, started: float) -> None:
        milliseconds = round((time.monotonic() - started) * 1000)
        logger.log(level, "%s %s: %s in %d ms", self.name, operation, mask_text(outcome), milliseconds)

    def _explain(self, error: Exception, operation: str, changes: bool) -> Exception:
        doubtful = OutcomeUnknown if changes else Transient
        if isinstance(error, PilarError):
            return error
        if isinstance(error, Refusal):
            return self._refused(error, operation, doubtful)
        kind: type[PilarError]
        if isinstance(error, UNCALLABLE):
            kind, message = NotConfigured, f"{self.name} can't be called with the address or key that is set."
        elif isinstance(error, NOT_SENT):
            kind, message = Transient, f"{self.name} could not be reached for {operation}."
        elif isinstance(error, httpx.RequestError):
            kind, message = doubtful, f"The connection to {self.name} failed during {operation}."
        elif isinstance(error, (*UNREADABLE, *self.unreadable)):
            kind, message = doubtful, f"{self.name} gave an answer to {operation} that can't be read."
        else:
            return error
        return kind(message, provider=self.name, operation=operation)

    def _refused(self, refusal: Refusal, operation: str, doubtful: type[Transient]) -> PilarError:
        kind = self.table.get(refusal.code) or BY_STATUS.get(refusal.status)
        if kind is None and 400 <= refusal.status < 500:
            kind = Permanent
        # A code known to be a refusal outweighs a 5xx (Meta answers missing permission with 500); any other 5xx
        # may come after the deed.
        told_no = kind is not None and not issubclass(kind, Transient)
        if kind is None or kind is OutcomeUnknown or (refusal.status >= 500 and not told_no):
            kind = doubtful
        told = mask_text(refusal.message) or "no reason given"
        message = f"{self.name} refused {operation}: {told} ({refusal})"
        error = kind(
            message,
            provider=self.name,
            operation=operation,
            status=refusal.status,
            provider_code=refusal.code,
        )
        if isinstance(error, Transient):
            error.retry_after = refusal.retry_after
        return error


def _outcome(error: Exception) -> str:
    if not isinstance(error, PilarError):
        return type(error).__name__
    answered = f"{error.details.get('status', '')} {error.details.get('provider_code', '')}".strip()
    return f"{error.code} ({answered})" if answered else error.code


def retry_after_of(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that an answer asks for, at most a day, or None.

    Args:
        headers: case-insensitive. A date is read against the answer's own `Date`, so that our clock doesn't matter.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), LONGEST_RETRY_AFTER.total_seconds()))
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return min(wait, LONGEST_RETRY_AFTER) if wait > timedelta(0) else None


def http_client(timeout_seconds: float) -> httpx.Client:
    """A client for one provider, safe to share between threads: no retries, no redirects, every wait bounded.

    Args:
        timeout_seconds: the longest silence on the line that is waited through.
    """
    # httpx logs whole addresses, and Meta's carry secrets; Stripe's SDK logs what is sent, with people's addresses. The
    # policy above writes the one line per call.
    for name in ("httpx", "httpcore", "stripe", "twilio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    waits = httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS))
    return httpx.Client(timeout=waits, verify=_trusted())


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that providers are known by, read once: that is slow."""
    return httpx.create_ssl_context()


class Line:
    """A client for one provider, made when it is first used."""

    def __init__(self, timeout_seconds: float) -> None:
        """Take the longest silence on the line that is waited through."""
        self._timeout_seconds = timeout_seconds

    @cached_property
    def http(self) -> httpx.Client:
        """The client."""
        return http_client(self._timeout_seconds)

    def close(self) -> None:
        """Close the connections, if there ever were any."""
        if "http" in vars(self):
            self.http.close()


def required(settings: Settings, name: str) -> str:
    """A setting's text, the newest where it lists several.

    Args:
        settings: the installation's.
        name: the field's name in `Settings`.

    Raises:
        NotConfigured: it is not set; says its name and what that turns off.
    """
    found = _text_of(settings, name)
    if not found:
        extra = type(settings).model_fields[name].json_schema_extra
        turned_off = extra.get("turns_off", "") if isinstance(extra, dict) else ""
        variable = f"PILAR_{name.upper()}"
        raise NotConfigured(f"{variable} is not set. {turned_off}".strip(), setting=variable)
    return found


def is_set(settings: Settings, name: str) -> bool:
    """Whether `required` would find a setting's text.

    Args:
        settings: the installation's.
        name: the field's name in `Settings`.
    """
    return bool(_text_of(settings, name))


def _text_of(settings: Settings, name: str) -> str:
    value: object = getattr(settings, name)
    if isinstance(value, tuple):
        value = value[0] if value else None
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    # A key read from a file brings its line end along.
    return str(value).strip() if value is not None else ""
