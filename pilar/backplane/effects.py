"""The effect ledger: no outside effect is lost, and none is repeated that must not be.

What belongs here: the life of an effect, `intent → attempted → confirmed | failed | unknown`. What does not: which
effects there are (the rooms name them) and how the provider is called (`providers`).

`attempted` is committed before the call, so that whoever finds it after a crash knows that the provider may have
acted. Such an effect is settled by looking for it at the provider; where it is not there, or can't be looked for,
the kind's policy says whether it may be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane import budgets
from pilar.backplane.tables import effect
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Busy, OutcomeUnknown, Permanent, Transient
from pilar.ids import new_id
from pilar.masking import mask, mask_text

Response = Mapping[str, Any]
MARGIN = timedelta(seconds=5)
"""How much longer than the provider's time-out an attempt is taken to be under way."""

API_CALLS = "api_calls"


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
        patience: how long an unknown outcome is left to a callback that may settle it, before it is looked into.
        on_attempt: called in the transaction that records the attempt; what it raises keeps the attempt from being
            made.
        on_close: called in the transaction that records how it ended, so that both are told as one.
        request: what is asked for; kept masked.
        workspace_id: the studio it is for; its budget of API calls is used.
    """

    kind: str
    key: str
    call: Callable[[], Response]
    find: Callable[[], Response | None] | None = None
    repeatable: bool = True
    patience: timedelta = timedelta(0)
    on_attempt: Callable[[Connection], None] | None = None
    on_close: Callable[[Connection, Closed], None] | None = None
    request: Mapping[str, Any] | None = None
    workspace_id: UUID | None = None
    correlation_id: UUID | None = None


class EffectLedger:
    """Performs effects and remembers them."""

    def __init__(self, database: Database, clocks: Clocks, *, timeout: timedelta) -> None:
        """Take the longest that a call may last; an attempt older than that is over, whatever became of it."""
        self._database = database
        self._clocks = clocks
        self._window = timeout + MARGIN

    def perform(self, wanted: Effect) -> dict[str, Any]:
        """Have an effect exactly once, however often this is called, and return its response.

        Raises:
            Busy: an attempt may be under way; try again after `retry_after`.
            OverBudget: the workspace's API calls are used up; nothing was attempted.
            OutcomeUnknown: the call ended without an answer; the next `perform` settles it.
            Permanent: the provider refused, or the outcome is unknown for good and may not be risked twice.
            Transient: the provider did not act; try again.
        """
        settled = self._settled_or_begin(wanted)
        if settled is not None:
            return settled
        try:
            response = dict(wanted.call())
        except OutcomeUnknown as error:
            self._close(wanted, "unknown", error=error)
            raise
        except Transient:
            self._close(wanted, "intent")  # it did not happen: free to be tried again
            raise
        except Permanent as error:
            self._close(wanted, "failed", error=error)
            raise
        except Exception as error:
            self._close(wanted, "unknown", error=error)
            raise
        self._close(wanted, "confirmed", response=response)
        return response

    def _settled_or_begin(self, wanted: Effect) -> dict[str, Any] | None:
        """The response of an effect that was had already, else None with the attempt recorded as begun."""
        now = self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            _record_intent(connection, wanted, now)
            row = connection.execute(
                select(effect).where(effect.c.kind == wanted.kind, effect.c.key == wanted.key).with_for_update()
            ).one()
            if row.state == "confirmed":
                return dict(row.response or {})
            if row.attempt_until and row.attempt_until > now:
                raise Busy(f"{wanted.kind} may be under way.", retry_after=row.attempt_until - now)
            in_doubt = row.state in ("attempted", "unknown")
            if in_doubt and row.attempted_at + wanted.patience > now:
                left = row.attempted_at + wanted.patience - now
                raise Busy(f"{wanted.kind} may yet be settled by a callback.", retry_after=left)
            self._reserve(connection, wanted)
            if wanted.on_attempt is not None and not in_doubt:
                wanted.on_attempt(connection)
            connection.execute(
                _where(wanted).values(
                    state="attempted", attempts=row.attempts + 1, attempted_at=now, attempt_until=now + self._window
                )
            )
        return self._looked_for(wanted) if in_doubt else None

    def _looked_for(self, wanted: Effect) -> dict[str, Any] | None:
        """The response of an effect in doubt, found at the provider; None where it is to be tried again."""
        try:
            found = wanted.find() if wanted.find is not None else None
            if found is None and wanted.repeatable and wanted.on_attempt is not None:
                with self._database.transaction(Scope.fleet()) as connection:
                    wanted.on_attempt(connection)
        except Exception:
            self._close(wanted, "unknown")
            raise
        if found is not None:
            self._close(wanted, "confirmed", response=dict(found))
            return dict(found)
        if not wanted.repeatable:
            self._close(wanted, "unknown")
            raise Permanent(f"Whether {wanted.kind} happened is not known, and it may not be risked twice.")
        return None

    def _reserve(self, connection: Connection, wanted: Effect) -> None:
        """An attempt uses one API call of the workspace's budget, whether it succeeds or not."""
        if wanted.workspace_id is not None:
            budgets.consume(connection, self._clocks, wanted.workspace_id, API_CALLS, 1)

    def _close(
        self,
        wanted: Effect,
        state: str,
        *,
        response: Response | None = None,
        error: Exception | None = None,
    ) -> None:
        values: dict[str, Any] = {"state": state, "attempt_until": None}
        if response is not None:
            values["response"] = response
        if error is not None:
            values["error"] = mask_text(str(error))[:2_000]
        if state in ("confirmed", "failed"):
            values["settled_at"] = self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            changed = connection.execute(_where(wanted).where(effect.c.state != "confirmed").values(values)).rowcount
            if changed and wanted.on_close is not None:
                wanted.on_close(connection, Closed(state, response, error))


def confirm(connection: Connection, kind: str, key: str, response: Response, now: datetime) -> bool:
    """Settle an effect by what a provider's callback tells; return whether it was in doubt until now."""
    in_doubt = (effect.c.kind == kind, effect.c.key == key, effect.c.state.in_(["attempted", "unknown"]))
    values = {"state": "confirmed", "response": dict(response), "attempt_until": None, "settled_at": now}
    return connection.execute(update(effect).where(*in_doubt).values(values)).rowcount == 1


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
