"""Who works on what. What belongs here: the registry of handlers and what a handler is given and may answer.

The registry is filled by the composition root, never by an import. A handler is one of two kinds:

- *transactional*: it gets the batch's transaction, and what it writes is committed together with the fact that the
  work is done: exactly once. It must not wait for anything outside, nor keep anything in memory: what it did is undone
  and done again when a neighbour in its batch fails (`batches.py`).
- *outside*: it talks to providers, so it gets no transaction and opens short ones of its own; it runs in a thread,
  at least once, and goes through the effect ledger (`effects.py`).

A handler that returns has done its work. `Transient` has it tried again, `Permanent` sends it to the dead letters,
`Snooze` puts it off without counting an attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Kind, Payload
from pilar.errors import PilarError

Content = TypeVar("Content")
Result = Mapping[str, Any] | None


@dataclass(frozen=True)
class Delivery:
    """A webhook delivery as it came in."""

    provider: str
    external_id: str
    headers: Mapping[str, str]
    body: bytes


class Work(NamedTuple, Generic[Content]):
    """A claimed piece of work; a tuple, since one is made for each piece of the hot path."""

    position: int
    handler: str
    kind: Kind
    id: UUID
    workspace_id: UUID | None
    type: str
    content: Content
    attempts: int
    max_attempts: int
    fencing_token: int
    correlation_id: UUID
    recorded_at: datetime
    claimed_at: datetime

    @property
    def cause(self) -> Cause:
        """What facts recorded by this work refer to."""
        return Cause(correlation_id=self.correlation_id, causation_id=self.id)


class Snooze(Exception):
    """Put this work off without counting an attempt."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"put off by {delay}")
        self.delay = delay


class Left(Enum):
    """What a group says of a piece that it has left exactly as it was."""

    ALONE = "alone"


ALONE: Final = Left.ALONE
"""Do this piece by itself, after the group's."""


@dataclass(frozen=True)
class Transactional:
    """A handler that works in the batch's transaction."""

    run: Callable[[Connection, Work[Any]], Result]
    together: Callable[[Connection, Sequence[Work[Any]]], Sequence[Result | Literal[Left.ALONE]]] | None = None
    """Does several pieces at once, where that costs less than one by one, and answers for each, in order; `ALONE` for
    one that it left as it was. Where it raises, all it did is undone and they are done one by one.
    """


@dataclass(frozen=True)
class Outside:
    """A handler that talks to the outside world and opens its own transactions."""

    run: Callable[[Work[Any]], Result]
    together: Callable[[Sequence[Work[Any]]], Sequence[Result | Exception]] | None = None
    """Does several pieces at once, where that costs less than one by one; answers for each, in order, what `run` would
    have returned or raised. What it raises itself is every piece's.
    """
    at_once: int = 50
    """How many pieces that is at most: as many may be in doubt when the process is killed."""


Handler = Transactional | Outside


class UnknownType(PilarError):
    """Nobody here knows this type of work: is an older release at work on a newer one's facts?"""

    code = "unknown_type"


@dataclass
class Registry:
    """Handlers by what they work on."""

    payloads: dict[tuple[Kind, str], type[Payload]] = field(default_factory=dict)
    handlers: dict[tuple[Kind, str], dict[str, Handler]] = field(default_factory=dict)

    def on_delivery(self, provider: str, name: str, handler: Handler) -> None:
        """Have a provider's deliveries handled, beside its other handlers; the handler's work holds a `Delivery`.

        `name` is stored where there are several handlers, and stays the same for good.
        """
        self._add(Kind.DELIVERY, provider, name, handler)

    def on_event(self, payload: type[Payload], name: str, handler: Handler) -> None:
        """Have an event handled, beside its other handlers; `name` is stored and stays the same for good."""
        self.know_event(payload)
        self._add(Kind.EVENT, payload.type_name, name, handler)

    def know_event(self, payload: type[Payload]) -> None:
        """Make an event's type known, though nobody may be waiting for it."""
        self.payloads[Kind.EVENT, payload.type_name] = payload
        self.handlers.setdefault((Kind.EVENT, payload.type_name), {})

    def on_job(self, payload: type[Payload], handler: Handler) -> None:
        """Have a job handled by its one handler."""
        self.payloads[Kind.JOB, payload.type_name] = payload
        if (Kind.JOB, payload.type_name) in self.handlers:
            raise ValueError(f"{payload.type_name} has a handler already")
        self._add(Kind.JOB, payload.type_name, "run", handler)

    def handlers_of(self, kind: Kind, type_name: str) -> dict[str, Handler]:
        """The handlers by name, empty for an event nobody waits for; raise `UnknownType` for an unknown type."""
        found = self.handlers.get((kind, type_name))
        if found is None:
            raise UnknownType(f"There is no handler for {kind.name.lower()} {type_name!r}.")
        return found

    def parse(self, kind: Kind, type_name: str, payload: str) -> Payload:
        """The typed payload; raise `UnknownType` for an unknown type."""
        model = self.payloads.get((kind, type_name))
        if model is None:
            raise UnknownType(f"There is no payload type for {kind.name.lower()} {type_name!r}.")
        return model.model_validate_json(payload)

    def _add(self, kind: Kind, type_name: str, name: str, handler: Handler) -> None:
        handlers = self.handlers.setdefault((kind, type_name), {})
        if name in handlers:
            raise ValueError(f"{type_name} has a handler named {name} already")
        handlers[name] = handler
