"""Handing a message to its provider, at most once.

What belongs here: the last verdict, the attempt, and how it ended, each in one transaction with the effect ledger's
record of it. What does not: the rule (`verdict.py`) and what a provider's refusal asks of us (`reactions.py`).

The verdict is made under the lead's lock in the transaction that records the attempt: an opt-out that was committed
before it is seen by it, and one that comes after finds the message gone. WhatsApp has no idempotency key: a send whose
outcome is unknown is settled by the status that carries our message's id back; without one marketing is never
repeated, and anything else once more after the wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from pilar.backplane import budgets
from pilar.backplane.budgets import Reservation
from pilar.backplane.effects import Closed, Effect, EffectLedger
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import OverBudget, Permanent, PilarError, Transient
from pilar.masking import mask_text
from pilar.messaging import facts as facts_of
from pilar.messaging import states, store, template_store
from pilar.messaging.events import SendMessage
from pilar.messaging.outbox import ask_to_send
from pilar.messaging.reactions import react
from pilar.messaging.rooms import People
from pilar.messaging.verdict import Facts, Verdict, decide
from pilar.providers.whatsapp.client import GraphClient
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

EFFECT = "whatsapp.send"
MARKETING = "marketing"
MESSAGES = "messages"
"""The budget's name."""

_CALLBACK_PATIENCE = timedelta(minutes=1)
"""How long a status may take that settles a send whose outcome is unknown: they come within seconds."""
_RESERVED_FOR = timedelta(minutes=10)


class _Decided(Exception):
    """The verdict is not to send now: nothing was attempted."""

    def __init__(self, facts: Facts, verdict: Verdict) -> None:
        super().__init__(verdict.action)
        self.facts = facts
        self.verdict = verdict


class Sender:
    """Hands messages over."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        graph: GraphClient,
        ledger: EffectLedger,
        box: SecretBox,
        people: People | None = None,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._ledger = ledger
        self._box = box
        self._people = people

    def send(self, work: Work[SendMessage]) -> dict[str, Any]:
        """Send a message if the verdict allows it, and record what came of it.

        Raises:
            Transient: the provider did not take it now; the queue tries again.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.find_message(connection, work.content.message_id)
            if row is None or row.state not in (*states.UNSENT, *states.IN_DOUBT):
                return {"state": row.state if row else "gone"}
            connected = workspaces.get_integration(connection, row.workspace_id, "whatsapp")
        # A studio without credentials gets as far as the verdict, which says so.
        is_sealed = connected is not None and connected.sealed_credentials is not None
        token = unseal(self._box, connected)["access_token"] if is_sealed else ""
        attempt = _Attempt(self._clocks, self._graph, row, token, self._people)
        try:
            self._ledger.perform(
                Effect(
                    kind=EFFECT,
                    key=str(row.id),
                    call=attempt.call,
                    find=lambda: self._told(row),
                    repeatable=row.category != MARKETING,
                    risks=1,
                    patience=_CALLBACK_PATIENCE,
                    on_attempt=attempt.begin,
                    on_close=attempt.close,
                    request={"form": row.kind, "origin": row.origin},
                    workspace_id=row.workspace_id,
                    correlation_id=row.correlation_id,
                )
            )
        except _Decided as decided:
            return self._keep(row, decided, work)
        except Transient as error:
            if work.attempts < work.max_attempts:
                raise
            return self._give_up(row, error)
        except Permanent as error:
            return {"state": states.FAILED, "error": mask_text(error.message)}
        return {"state": states.ACCEPTED}

    def _told(self, row: Row[Any]) -> Mapping[str, Any] | None:
        """What a status has told meanwhile of a send in doubt."""
        with self._database.transaction(Scope.fleet()) as connection:
            now = store.get_message(connection, row.workspace_id, row.id)
        return {"id": now.provider_message_id} if now.provider_message_id else None

    def _keep(self, row: Row[Any], decided: _Decided, work: Work[SendMessage]) -> dict[str, Any]:
        """Record a verdict that was not to send; what is kept back until a moment is asked for again then."""
        state = {"refuse": states.REFUSED, "hold": states.HELD, "dry_run": states.DRY_RUN}[decided.verdict.action]
        with self._database.transaction(Scope.fleet()) as connection:
            current = store.lock_message(connection, row.workspace_id, row.id)
            if current.state not in (*states.UNSENT, *states.IN_DOUBT):
                return {"state": current.state}  # withdrawn meanwhile
            store.change_message(
                connection,
                row.workspace_id,
                row.id,
                {"state": state, "verdict": as_stored(decided.facts, decided.verdict)},
            )
            if decided.verdict.until is not None:
                until = decided.verdict.until
                ask_to_send(
                    connection, self._clocks, row.workspace_id, row.id, work.cause,
                    occasion=f"until:{until.isoformat()}", not_before=until,
                )  # fmt: skip
        return {"state": state, "reasons": [reason.code for reason in decided.verdict.reasons]}

    def _give_up(self, row: Row[Any], error: Transient) -> dict[str, Any]:
        values = {"state": states.FAILED, "error": mask_text(error.message), "error_code": error.code}
        with self._database.transaction(Scope.fleet()) as connection:
            current = store.lock_message(connection, row.workspace_id, row.id)
            if current.state in states.IN_DOUBT:
                values["state"] = states.UNKNOWN
            store.change_message(connection, row.workspace_id, row.id, values)
        return {"state": values["state"], "error": values["error"]}


class _Attempt:
    """One attempt at handing one message over; the effect ledger calls its three parts."""

    def __init__(self, clocks: Clocks, graph: GraphClient, row: Row[Any], token: str, people: People | None) -> None:
        self._people = people
        self._clocks = clocks
        self._graph = graph
        self._row = row
        self._token = token
        self._reservation: Reservation | None = None
        self._form: str | None = None
        self._to = ""
        self._number_id = ""
        self._language = ""

    def begin(self, connection: Connection) -> None:
        """Decide, under the lead's lock; raise `_Decided` where it is not to go."""
        row = self._row
        lead = store.lock_lead(connection, row.workspace_id, row.lead_id)
        message = store.lock_message(connection, row.workspace_id, row.id)
        facts = facts_of.gather(connection, message, lead, self._clocks.business.now())
        verdict = decide(facts)
        if message.state not in (*states.UNSENT, *states.IN_DOUBT):
            raise _Decided(facts, verdict)
        if verdict.action == "send":
            try:
                self._reservation = budgets.reserve(
                    connection, self._clocks, row.workspace_id, MESSAGES, 1, expires_in=_RESERVED_FOR
                )
            except OverBudget as error:
                resets = facts.now + (error.retry_after or timedelta(0))
                facts = facts.model_copy(update={"over_budget": error.details["overage"], "budget_resets_at": resets})
                verdict = decide(facts)
        if verdict.action != "send":
            raise _Decided(facts, verdict)
        number = workspaces.get_integration(connection, row.workspace_id, "whatsapp")
        self._number_id = (number.phone_number_id if number else None) or ""
        self._to = lead.phone or lead.provider_user_id
        self._form = verdict.form
        if verdict.form == "template":
            sibling = template_store.best_sibling(connection, row.workspace_id, row.template_name, lead.language)
            self._language = sibling.language if sibling else lead.language
        store.change_message(
            connection,
            row.workspace_id,
            row.id,
            {
                "state": states.ATTEMPTED,
                "kind": verdict.form,
                "template_language": self._language or None,
                "verdict": as_stored(facts, verdict),
                "attempted_at": facts.now,
                "error": None,
                "error_code": None,
            },
        )

    def call(self) -> Mapping[str, Any]:
        """Hand it over; our id comes back with its statuses."""
        callback, row = str(self._row.id), self._row
        if self._form == "text":
            wamid = self._graph.send_text(self._token, self._number_id, self._to, row.text, callback=callback)
        else:
            wamid = self._graph.send_template(
                self._token,
                self._number_id,
                self._to,
                row.template_name,
                self._language,
                row.template_parameters or [],
                callback=callback,
            )
        return {"id": wamid}

    def close(self, connection: Connection, closed: Closed) -> None:
        """Record how it ended, and the budget with it."""
        row = self._row
        lead = store.lock_lead(connection, row.workspace_id, row.lead_id)
        message = store.lock_message(connection, row.workspace_id, row.id)
        self._settle_budget(connection, used=0 if closed.state in ("intent", "failed") else 1)
        values: dict[str, Any] = {}
        if closed.state == "confirmed" and closed.response is not None:
            values = {
                "state": states.fold(message.state, states.ACCEPTED),
                "provider_message_id": closed.response["id"],
                "accepted_at": message.accepted_at or self._clocks.real.now(),
            }
        elif closed.state == "intent":
            values = {"state": states.QUEUED}
        elif closed.state == "unknown" and message.state == states.ATTEMPTED:
            values = {"state": states.UNKNOWN}
        elif closed.state == "failed":
            code = closed.error.details.get("provider_code") if isinstance(closed.error, PilarError) else None
            text = mask_text(str(closed.error))[:500]
            values = {"state": states.FAILED, "error": text, "error_code": str(code) if code else None}
        if values:
            store.change_message(connection, row.workspace_id, row.id, values)
        if values.get("error_code"):
            react(connection, self._clocks, message, lead, values["error_code"], self._people)

    def _settle_budget(self, connection: Connection, *, used: int) -> None:
        if self._reservation is not None:
            reservation, self._reservation = self._reservation, None
            budgets.close(connection, reservation, used)


def as_stored(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    """Facts and decision as they are kept with the message."""
    return {"facts": facts.model_dump(mode="json"), "decision": verdict.model_dump(mode="json")}
