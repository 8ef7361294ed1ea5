"""Settling effects whose work does not come back: killed after the call, out of attempts, or waiting for somebody.

What belongs here: who looks for which kind of effect, and the sweep that has them looked for. What does not: how one
is looked for (the room that owns the kind) and what follows from the answer (that room hears `effect.settled`).

An effect is taken under a lease that is the ledger's own `attempt_until`: while it is looked for here nobody attempts
it, and nobody else looks. Leases only grow, so one that has run out is told from its successor, and whoever looked for
too long changes nothing. A sweep that is killed has left leases behind and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, or_, select, update

from pilar.backplane.effects import IN_DOUBT, LOOK_UP, MARGIN, Response, settled, tell_settled
from pilar.backplane.facts import Cause, emit
from pilar.backplane.notices import IncidentRequested, incident
from pilar.backplane.retries import backoff
from pilar.backplane.tables import effect
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.masking import mask_text

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=2)
"""How long an effect in doubt is left to its own work and to a callback: both come within seconds as a rule."""
LOOK_AGAIN = timedelta(minutes=1)
"""The least time between two looks at the same effect."""
GIVE_UP_AFTER = timedelta(hours=24)
"""A provider that could not be asked for so long is not waited for any more."""
BATCH = 16
"""Effects that are taken at once, each looked for in a thread of its own."""


class Policy(StrEnum):
    """What becomes of an effect that is not found."""

    REPEAT = "repeat"
    """It may be done again: what is not found did not happen, or a second one does no harm."""
    ONCE_MORE = "once_more"
    """It may be done again once, at the risk of doing it twice."""
    NEVER = "never"
    """It may not be risked twice: a person decides."""


@dataclass(frozen=True)
class Doubt:
    """An effect in doubt, as whoever looks for it gets it."""

    id: UUID
    workspace_id: UUID | None
    kind: str
    key: str


Find = Callable[[Doubt], Response | None]


@dataclass(frozen=True)
class Reconciler:
    """How one kind of effect is settled.

    Attributes:
        find: looks for it at the provider or among what callbacks have told, outside any transaction; None: it can't
            be looked for.
        policy: what becomes of one that is not found.
        passing: whether its record may be forgotten one day. Not for what stands for good at the provider: who has
            forgotten that a number was bought buys another.
    """

    find: Find | None
    policy: Callable[[Doubt], Policy]
    passing: bool


@dataclass
class Reconcilers:
    """Who settles which kind of effect; filled by the composition root.

    Attributes:
        timeout: the longest that a provider is waited for.
    """

    timeout: timedelta
    kinds: dict[str, Reconciler] = field(default_factory=dict)

    def on_kind(
        self, kind: str, find: Find | None, policy: Policy | Callable[[Doubt], Policy], *, passing: bool = False
    ) -> None:
        """Have effects of a kind settled; see `Reconciler`."""
        if kind in self.kinds:
            raise ValueError(f"{kind} has a reconciler already")
        # Bound as a default: the name would stand for the last policy that was given.
        decide = policy if not isinstance(policy, Policy) else lambda _, fixed=policy: fixed
        self.kinds[kind] = Reconciler(find, decide, passing)

    @property
    def passing(self) -> list[str]:
        """The kinds whose records may be forgotten."""
        return sorted(kind for kind, one in self.kinds.items() if one.passing)


@dataclass(frozen=True)
class Reconciled:
    """What one sweep did.

    Attributes:
        looked_for: effects that were taken.
        confirmed: found to have happened.
        freed: not there, and free to be tried again by their own work.
        given_up: left to a person.
        put_off: could not be looked for now.
    """

    looked_for: int = 0
    confirmed: int = 0
    freed: int = 0
    given_up: int = 0
    put_off: int = 0


def reconcile(
    database: Database, clocks: Clocks, registry: Reconcilers, *, batch: int = BATCH, deadline: datetime | None = None
) -> Reconciled:
    """Look for effects in doubt whose work has not settled them, until none is left that is due.

    Args:
        database: each step is a transaction of its own: leases, then the looks outside any, then each settlement.
        clocks: both clocks.
        registry: who looks for which kind.
        batch: how many are taken, and looked for, at once.
        deadline: when to take nothing new any more (real time).

    Raises:
        Transient: the database is away; what was taken is looked for again when its lease has run out.
    """
    results: list[str] = []
    with ThreadPoolExecutor(batch, "reconcile") as pool:
        while deadline is None or clocks.real.now() < deadline:
            with database.transaction(Scope.fleet()) as connection:
                taken = _take(connection, clocks.real.now(), registry.timeout + MARGIN, batch)
            results += pool.map(lambda row: _settle(database, clocks, registry, row), taken)
            if len(taken) < batch:
                break
    return Reconciled(
        looked_for=len(results),
        confirmed=results.count("confirmed"),
        freed=results.count("intent"),
        given_up=results.count("given_up"),
        put_off=results.count("put_off"),
    )


def _take(connection: Connection, now: datetime, window: timedelta, limit: int) -> list[Row[Any]]:
    """Lease the effects that have been in doubt for longest; an attempt whose time is over is known to be unknown."""
    due = (
        select(effect.c.id)
        .where(
            effect.c.state.in_(IN_DOUBT),
            effect.c.given_up_at.is_(None),
            or_(effect.c.attempt_until.is_(None), effect.c.attempt_until <= now),
            func.coalesce(effect.c.look_after, effect.c.attempted_at + GRACE) <= now,
        )
        .order_by(effect.c.attempted_at, effect.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(due).scalars().all()
    values = {"state": "unknown", "attempt_until": now + window, "looks": effect.c.looks + 1}
    taken = update(effect).where(effect.c.id.in_(ids)).values(values).returning(effect)
    return list(connection.execute(taken).all()) if ids else []


def _settle(database: Database, clocks: Clocks, registry: Reconcilers, row: Row[Any]) -> str:
    """Look for one effect and record what came of it; return that in one word."""
    kind = registry.kinds.get(row.kind)
    doubt = Doubt(row.id, row.workspace_id, row.kind, row.key)
    now = clocks.real.now()
    values: dict[str, Any]
    if kind is None:
        outcome, values = "given_up", _given_up(now, "Nobody here knows how to look for this kind of effect.")
    else:
        try:
            found = kind.find(doubt) if kind.find is not None else None
            policy = kind.policy(doubt) if found is None else None
        except Exception as error:  # whatever it is: the provider's, the credentials', or ours
            log.warning("%s %s could not be looked for: %s", row.kind, row.id, mask_text(str(error)))
            outcome, values = _not_looked_for(row, now, error)
        else:
            outcome, values = _looked_for(row, now, found, policy)
    with database.transaction(Scope.fleet()) as connection:
        still_ours = (effect.c.id == row.id, effect.c.state == "unknown", effect.c.attempt_until == row.attempt_until)
        if connection.execute(update(effect).where(*still_ours).values(values)).rowcount == 0:
            return "settled_meanwhile"
        if outcome != "put_off":
            tell_settled(connection, clocks, row, values["state"])
        if outcome == "given_up":
            _ask_for_a_person(connection, clocks, row, values["error"])
    return outcome


def _looked_for(
    row: Row[Any], now: datetime, found: Response | None, policy: Policy | None
) -> tuple[str, dict[str, Any]]:
    if found is not None:
        return "confirmed", {**settled(now, LOOK_UP), "state": "confirmed", "response": dict(found)}
    if policy is Policy.REPEAT or (policy is Policy.ONCE_MORE and row.risks == 0):
        return "intent", {**settled(None, LOOK_UP), "state": "intent", "risks": row.risks + 1}
    return "given_up", _given_up(now, "It was not found, and it may not be risked twice.")


def _not_looked_for(row: Row[Any], now: datetime, error: Exception) -> tuple[str, dict[str, Any]]:
    said = mask_text(str(error))[:1_000] or type(error).__name__
    if now - row.attempted_at >= GIVE_UP_AFTER:
        return "given_up", _given_up(now, f"It could not be looked for: {said}")
    wait = backoff(row.looks, at_least=LOOK_AGAIN)
    return "put_off", {"attempt_until": None, "look_after": now + wait, "error": said}


def _given_up(now: datetime, why: str) -> dict[str, Any]:
    return {"state": "unknown", "attempt_until": None, "look_after": None, "given_up_at": now, "error": why}


def _ask_for_a_person(connection: Connection, clocks: Clocks, row: Row[Any], why: str) -> None:
    request = IncidentRequested(
        dedupe_key=f"effect:{row.kind}",
        title=f"Whether {row.kind} happened is not known",
        description=f"{why} Somebody has to find out and decide: `pilar effects list` shows it.",
        severity="medium",
        component="queue_processing",
    )
    asked = incident(request, key=f"{row.id}:{row.attempts}:{row.looks}", workspace_id=row.workspace_id)
    emit(connection, clocks, [asked], Cause(row.correlation_id) if row.correlation_id else Cause.new())
