"""The effect ledger: no outside effect is lost, and none is repeated that must not be.

What belongs here: the life of an effect, `intent → attempted → confirmed | failed | unknown`. What does not: which
effects there are (the rooms name them) and how the provider is called (`providers`).

`attempted` is committed before the call, so that whoever finds it after a crash knows that the provider may have
acted. Such an effect is settled by looking for it at the provider; where it is not there, or can't be looked for,
the kind's policy says whether it may be done again. That happens when its work comes back, or in the background where
it doesn't (`reconciling.py`); what neither can settle is listed here and decided by a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane import audit, budgets, effect_store
from pilar.backplane.facts import Cause, Event, Payload, emit
from pilar.backplane.tables import effect
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Busy, CircuitOpen, Conflict, NotFound, OutcomeUnknown, Permanent, Transient
from pilar.ids import new_id
from pilar.masking import mask, mask_text

Response = Mapping[str, Any]
MARGIN = timedelta(seconds=5)
"""How much longer than the provider's time-out an attempt is taken to be under way."""

API_CALLS = "api_calls"

Verdict = Literal["happened", "did_not_happen"]
IN_DOUBT = ("attempted", "unknown")
LOOK_UP = "look_up"
CALLBACK = "callback"
LET_GO = "let_go"


class EffectSettled(Payload):
    """An effect in doubt was settled without its work: confirmed, back at intent, or unknown until somebody decides.

    The room that owns the kind goes on from here: what waits for the effect is woken, or told what became of it.
    """

    type_name: ClassVar[str] = "effect.settled"

    effect_id: UUID
    kind: str
    state: Literal["confirmed", "intent", "unknown"]


@dataclass(frozen=True)
class Closed:
    """How an attempt ended.

    Attributes:
        state: confirmed, failed, unknown, or intent: it did not happen and may be tried again.
        response: of a confirmed one.
        error: what was raised.
    """

    state: str
    response: Response | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Effect:
    """An effect to be had once.

    Attributes:
        kind: what is done, as `twilio.buy_number`.
        key: the same kind and key is the same effect, for good.
        call: does it and returns what later steps need, without secrets. It runs outside any transaction.
        find: looks for it at the provider, and returns what `call` would have, or None where it is not there.
        repeatable: whether it may be done again where its outcome is unknown and `find` can't tell or finds nothing.
            False for what must never be done twice and can't be looked up.
        risks: how often it may be done again so; None: always, since what `find` doesn't find did not happen, or a
            second one does no harm.
        patience: how long an unknown outcome is left to a callback that may settle it, before it is looked into.
        on_attempt: called in the transaction that records the attempt; what it raises keeps the attempt from being
            made.
        on_close: called in the transaction that records how it ended, so that both are told as one.
        hold: called before that, to take the locks that `on_close` needs: a callback that settles the effect holds
            them already when it comes to the effect's row.
        request: what is asked for; kept masked.
        workspace_id: the studio it is for.
        is_budgeted: whether its budget of API calls is used; False for what has to be done though that is used up.
    """

    kind: str
    key: str
    call: Callable[[], Response]
    find: Callable[[], Response | None] | None = None
    repeatable: bool = True
    risks: int | None = None
    patience: timedelta = timedelta(0)
    on_attempt: Callable[[Connection], None] | None = None
    on_close: Callable[[Connection, Closed], None] | None = None
    hold: Callable[[Connection], object] | None = None
    request: Mapping[str, Any] | None = None
    workspace_id: UUID | None = None
    is_budgeted: bool = True
    correlation_id: UUID | None = None


class EffectLedger:
    """Performs effects and remembers them."""

    def __init__(
        self, database: Database, clocks: Clocks, *, timeout: timedelta, ready: Callable[[str], None] | None = None
    ) -> None:
        """Take the longest that a call may last; an attempt older than that is over, whatever became of it.

        And what is asked before an effect of a kind is attempted: it raises `CircuitOpen` where its provider is left
        alone for now.
        """
        self._ready = ready
        self._database = database
        self._clocks = clocks
        self._window = timeout + MARGIN

    def perform(self, wanted: Effect) -> dict[str, Any]:
        """Have an effect exactly once, however often this is called, and return its response.

        Raises:
            Busy: an attempt may be under way; try again after `retry_after`.
            CircuitOpen: the provider is left alone for now; nothing was attempted.
            OverBudget: the workspace's API calls are used up; nothing was attempted.
            OutcomeUnknown: the call ended without an answer; the next `perform` settles it.
            Permanent: the provider refused, or the outcome is unknown for good and may not be risked twice.
            Transient: the provider did not act; try again.
        """
        self._wait_for_provider(wanted)
        settled = self._settled_or_begin(wanted)
        if settled is not None:
            return settled
        try:
            response = dict(wanted.call())
        except Exception as error:
            self.fail(wanted, error)
            raise
        self.confirm(wanted, response)
        return response

    def wait_for_provider(self, kind: str) -> None:
        """Raise `CircuitOpen` while a kind's provider is left alone."""
        if self._ready is not None:
            self._ready(kind)

    def begin_new(self, connection: Connection, kind: str, wanted: Sequence[Effect]) -> set[str]:
        """Record as attempted, in the caller's transaction, those of these effects that nobody has asked for before.

        All of one kind; the callbacks are not called, and no budget is used: who begins many does that for them all.

        Returns:
            The keys of those. Any other has a history, and is for `perform`.
        """
        now = self._clocks.real.now()
        return effect_store.insert_attempted(
            connection,
            kind,
            [
                effect_store.New(
                    one.key, one.workspace_id, json.dumps(mask(dict(one.request or {}))), one.correlation_id
                )
                for one in wanted
            ],
            now,
            now + self._window,
        )

    def confirm_new(self, connection: Connection, kind: str, responses: Mapping[str, str]) -> None:
        """Record in the caller's transaction that effects were had, each with the provider's id of what it made."""
        effect_store.confirm(connection, kind, responses, self._clocks.real.now())

    def confirm(self, wanted: Effect, response: Response) -> None:
        """Record that an attempt succeeded."""
        self._close(wanted, "confirmed", response=response)

    def fail(self, wanted: Effect, error: Exception) -> None:
        """Record what an attempt's error says of it."""
        if isinstance(error, Permanent):
            self._close(wanted, "failed", error=error)
        elif isinstance(error, Transient) and not isinstance(error, OutcomeUnknown):
            self._close(wanted, "intent", error=error)  # it did not happen: free to be tried again
        else:
            self._close(wanted, "unknown", error=error)

    def _wait_for_provider(self, wanted: Effect) -> None:
        """Raise `CircuitOpen` before anything is attempted: the intent is noted, and uses up no call of the budget."""
        try:
            self.wait_for_provider(wanted.kind)
        except CircuitOpen:
            with self._database.transaction(Scope.fleet()) as connection:
                _record_intent(connection, wanted, self._clocks.real.now())
            raise

    def _settled_or_begin(self, wanted: Effect) -> dict[str, Any] | None:
        """The response of an effect that was had already, else None with the attempt recorded as begun."""
        now = self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            _record_intent(connection, wanted, now)
            row = connection.execute(
                select(effect).where(effect.c.kind == wanted.kind, effect.c.key == wanted.key).with_for_update()
            ).one()
            if row.state != "confirmed":
                self._begin(connection, wanted, row, now)
        if row.state == "confirmed":
            return dict(row.response) if row.response is not None else self._told_of(wanted)
        return self._looked_for(wanted, row) if row.state in IN_DOUBT else None

    def _begin(self, connection: Connection, wanted: Effect, row: Row[Any], now: datetime) -> None:
        if row.attempt_until and row.attempt_until > now:
            raise Busy(f"{wanted.kind} may be under way.", retry_after=row.attempt_until - now)
        in_doubt = row.state in IN_DOUBT
        if in_doubt and row.attempted_at + wanted.patience > now:
            left = row.attempted_at + wanted.patience - now
            raise Busy(f"{wanted.kind} may yet be settled by a callback.", retry_after=left)
        if wanted.on_attempt is not None and not in_doubt:
            wanted.on_attempt(connection)
        # After what the attempt locks, as where many are begun at once: else the two would wait in a circle.
        self._reserve(connection, wanted)
        connection.execute(
            _where(wanted).values(
                state="attempted",
                attempts=row.attempts + 1,
                attempted_at=now,
                attempt_until=now + self._window,
                look_after=None,
                given_up_at=None,
            )
        )

    def _told_of(self, wanted: Effect) -> dict[str, Any]:
        """The response of an effect that somebody has told us of; what later steps need of it is read back."""
        if wanted.find is None:
            return {}
        found = wanted.find()
        if found is None:
            raise Permanent(f"Somebody decided that {wanted.kind} happened, and the provider doesn't show it.")
        with self._database.transaction(Scope.fleet()) as connection:
            connection.execute(_where(wanted).where(effect.c.state == "confirmed").values(response=dict(found)))
        return dict(found)

    def _looked_for(self, wanted: Effect, doubted: Row[Any]) -> dict[str, Any] | None:
        """The response of an effect in doubt, found at the provider; None where it is to be tried again."""
        may_repeat = wanted.repeatable and (wanted.risks is None or doubted.risks < wanted.risks)
        try:
            found = wanted.find() if wanted.find is not None else None
            if found is None and may_repeat:
                with self._database.transaction(Scope.fleet()) as connection:
                    if wanted.on_attempt is not None:
                        wanted.on_attempt(connection)
                    connection.execute(_where(wanted).values(risks=effect.c.risks + 1))
        except Exception:
            self._close(wanted, "unknown")
            raise
        if found is not None:
            self._close(wanted, "confirmed", response=dict(found), settled_by=LOOK_UP)
            return dict(found)
        if not may_repeat:
            self._close(wanted, "unknown")
            raise Permanent(f"Whether {wanted.kind} happened is not known, and it may not be risked twice.")
        return None

    def _reserve(self, connection: Connection, wanted: Effect) -> None:
        """An attempt uses one API call of the workspace's budget, whether it succeeds or not."""
        if wanted.workspace_id is not None and wanted.is_budgeted:
            budgets.consume(connection, self._clocks, wanted.workspace_id, API_CALLS, 1)

    def _close(
        self,
        wanted: Effect,
        state: str,
        *,
        response: Response | None = None,
        error: Exception | None = None,
        settled_by: str | None = None,
    ) -> None:
        values: dict[str, Any] = {"state": state, "attempt_until": None}
        if response is not None:
            values["response"] = response
        if error is not None:
            values["error"] = mask_text(str(error))[:2_000]
        if state in ("confirmed", "failed"):
            values |= {"settled_at": self._clocks.real.now(), "settled_by": settled_by, "given_up_at": None}
        with self._database.transaction(Scope.fleet()) as connection:
            if wanted.hold is not None:
                wanted.hold(connection)
            changed = connection.execute(_where(wanted).where(effect.c.state != "confirmed").values(values)).rowcount
            if changed and wanted.on_close is not None:
                wanted.on_close(connection, Closed(state, response, error))


def confirm(connection: Connection, kind: str, key: str, response: Response, now: datetime) -> bool:
    """Settle an effect by what a provider's callback tells; return whether it was in doubt until now."""
    in_doubt = (effect.c.kind == kind, effect.c.key == key, effect.c.state.in_(["attempted", "unknown"]))
    values = {**settled(now, CALLBACK), "state": "confirmed", "response": dict(response)}
    return connection.execute(update(effect).where(*in_doubt).values(values)).rowcount == 1


def let_go(connection: Connection, kind: str, key: str, why: str, now: datetime) -> bool:
    """Record that an effect which was refused for a while is not wanted any more; return whether there was one.

    Only what did not happen is let go: what is in doubt is still settled.

    Args:
        connection: in the transaction that finds out that nobody wants it.
        kind: the effect's.
        key: the effect's.
        why: a sentence.
        now: real time.
    """
    idle = (effect.c.kind == kind, effect.c.key == key, effect.c.state == "intent")
    values = {**settled(now, LET_GO), "state": "failed", "error": why}
    return connection.execute(update(effect).where(*idle).values(values)).rowcount == 1


def decide(connection: Connection, clocks: Clocks, effect_id: UUID, verdict: Verdict, actor: str, note: str) -> None:
    """Settle an effect in doubt by what somebody knows; its owner's work goes on from there.

    Args:
        connection: a transaction of the fleet's.
        clocks: both clocks.
        effect_id: which.
        verdict: `happened` confirms it (what later steps need of it is looked up then); `did_not_happen` lets its
            owner's work try again.
        actor: who decides, as in the audit log.
        note: why; masked here.

    Raises:
        NotFound: there is no such effect.
        Conflict: it is settled already, or an attempt or a look at it is under way.
    """
    row = get_effect(connection, effect_id, lock=True)
    now = clocks.real.now()
    if row.state not in IN_DOUBT:
        raise Conflict(f"This effect is not in doubt: its state is {row.state}.")
    if row.attempt_until is not None and row.attempt_until > now:
        raise Conflict("This effect is being attempted or looked for just now; try again in a moment.")
    state = "confirmed" if verdict == "happened" else "intent"
    values = {**settled(now if verdict == "happened" else None, actor), "state": state, "note": mask_text(note)[:2_000]}
    connection.execute(update(effect).where(effect.c.id == effect_id).values(values))
    audit.record(
        connection,
        actor=actor,
        action="effect.decided",
        subject=f"effect:{effect_id}",
        now=now,
        workspace_id=row.workspace_id,
        correlation_id=row.correlation_id,
        details={"kind": row.kind, "verdict": verdict, "note": note},
    )
    tell_settled(connection, clocks, row, state)


def get_effect(connection: Connection, effect_id: UUID, *, lock: bool = False) -> Row[Any]:
    """An effect's row, locked if wanted; raise `NotFound` where this scope sees none."""
    query = select(effect).where(effect.c.id == effect_id)
    found = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise NotFound("There is no such effect.")
    return found


def settled(at: datetime | None, by: str) -> dict[str, Any]:
    """What changes in the row of an effect that is no longer in doubt; `at` is None where it is to be tried again."""
    return {"attempt_until": None, "look_after": None, "given_up_at": None, "settled_at": at, "settled_by": by}


def tell_settled(connection: Connection, clocks: Clocks, row: Row[Any], state: str) -> None:
    """Have the room that owns an effect go on, in the transaction that settles it."""
    event = Event(
        payload=EffectSettled.model_validate({"effect_id": row.id, "kind": row.kind, "state": state}),
        key=f"{row.id}:{row.attempts}:{row.looks}:{state}",
        aggregate=("effect", str(row.id)),
        workspace_id=row.workspace_id,
    )
    emit(connection, clocks, [event], Cause(row.correlation_id) if row.correlation_id else Cause.new())


def _record_intent(connection: Connection, wanted: Effect, now: datetime) -> None:
    statement = upsert(effect).values(
        id=new_id(),
        workspace_id=wanted.workspace_id,
        kind=wanted.kind,
        key=wanted.key,
        state="intent",
        attempts=0,
        request=mask(dict(wanted.request or {})),
        correlation_id=wanted.correlation_id,
        created_at=now,
    )
    connection.execute(statement.on_conflict_do_nothing(index_elements=["kind", "key"]))


def _where(wanted: Effect) -> Any:
    return update(effect).where(effect.c.kind == wanted.kind, effect.c.key == wanted.key)
