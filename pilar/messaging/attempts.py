"""One attempt at handing one message over. What belongs here: deciding, calling and recording how it ended.

What does not: when a message is tried, and what follows where it does not go (`sending.py`); the rule (`verdict.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from pilar.backplane import budgets
from pilar.backplane.budgets import Reservation
from pilar.backplane.effects import Closed
from pilar.backplane.handlers import Snooze
from pilar.clocks import Clocks
from pilar.errors import OverBudget, PilarError
from pilar.masking import mask_text
from pilar.messaging import cost_store, facts_store, limit_store, rates, reactions, states, store
from pilar.messaging import facts as facts_of
from pilar.messaging.decisions import Channel, Facts, Verdict
from pilar.messaging.rate_card import Rate
from pilar.messaging.rooms import People
from pilar.messaging.verdict import decide

MESSAGES = "messages"
"""The budget's name."""

RESERVED_FOR = timedelta(minutes=10)
_BEHIND = timedelta(seconds=1)
"""How long a message is put off while an earlier one to the same lead is on its way."""


class Decided(Exception):
    """The verdict is not to send now: nothing was attempted."""

    def __init__(self, facts: Facts, verdict: Verdict) -> None:
        super().__init__(verdict.action)
        self.facts = facts
        self.verdict = verdict


class Rerouted(Exception):
    """The message goes by another channel: nothing was attempted."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.channel = channel


@dataclass(frozen=True)
class Outgoing:
    """What is handed over, as the verdict has it; `number` is the sender's id on WhatsApp, or its number for an SMS.

    `to` is a number, a WhatsApp id or, for an e-mail, an address.
    """

    form: str
    to: str
    number: str
    template: str
    language: str
    words: str


class Attempt:
    """One attempt; the effect ledger calls its three parts."""

    def __init__(
        self,
        clocks: Clocks,
        row: Row[Any],
        hand_over: Callable[[Row[Any], Outgoing], str],
        people: People,
    ) -> None:
        """Take the message, what hands it over and returns the provider's id of it, and who keeps what of leads."""
        self._clocks = clocks
        self._people = people
        self._row = row
        self._hand_over = hand_over
        self._reservation: Reservation | None = None
        self._outgoing: Outgoing | None = None
        self._was_struck = False

    def begin(self, connection: Connection) -> None:
        """Decide, under the lead's lock; raise `Decided` where it is not to go, `Snooze` where another comes first."""
        row = self._row
        message = facts_store.lock(connection, row.workspace_id, row.id)
        found = facts_of.gather(connection, self._clocks, message)
        facts, verdict = found.facts, decide(found.facts)
        if message.state not in (*states.UNSENT, *states.IN_DOUBT):
            raise Decided(facts, verdict)
        if verdict.action == "send" and verdict.channel != message.channel:
            if message.state in states.IN_DOUBT:
                raise Decided(facts, verdict.model_copy(update={"action": "refuse"}))
            raise Rerouted(verdict.channel)
        buckets: dict[str, limit_store.Bucket] = {}
        if verdict.action == "send" and verdict.channel == facts_of.WHATSAPP:
            if found.is_behind and message.state in states.UNSENT:
                raise Snooze(_BEHIND)
            facts, buckets = facts_of.with_limits(connection, self._clocks, message, found, verdict.form)
            verdict = decide(facts)
        if verdict.action == "send":
            try:
                self._reservation = budgets.reserve(
                    connection, self._clocks, row.workspace_id, MESSAGES, 1, expires_in=RESERVED_FOR
                )
            except OverBudget as error:
                resets = facts.now + (error.retry_after or timedelta(0))
                facts = facts.model_copy(update={"over_budget": error.details["overage"], "budget_resets_at": resets})
                verdict = decide(facts)
        if verdict.action != "send":
            raise Decided(facts, verdict)
        if buckets:
            limit_store.keep_buckets(connection, buckets)
            self._was_struck = any(bucket.strikes for bucket in buckets.values())
        self._outgoing = _outgoing(found, verdict, message.text or "")
        store.change_message(
            connection,
            row.workspace_id,
            row.id,
            {
                "state": states.ATTEMPTED,
                "kind": verdict.form,
                **_sent_as(found, verdict),
                "verdict": as_stored(facts, verdict),
                "attempted_at": facts.now,
                "error": None,
                "error_code": None,
            },
        )

    def hold(self, connection: Connection) -> None:
        """Take the locks that `close` needs, in the order in which a status takes them."""
        store.lock_lead(connection, self._row.workspace_id, self._row.lead_id)
        store.lock_message(connection, self._row.workspace_id, self._row.id)

    def begun(self, outgoing: Outgoing, reservation: Reservation | None) -> None:
        """Take what was decided and set aside where many are begun at once, in place of `begin`."""
        self._outgoing, self._reservation = outgoing, reservation

    @property
    def reservation(self) -> Reservation | None:
        """What is set aside for it."""
        return self._reservation

    def call(self) -> Mapping[str, Any]:
        """Hand it over; our id comes back with its statuses."""
        if self._outgoing is None:  # pragma: no cover - the ledger begins before it calls
            raise RuntimeError("an attempt that has not begun")
        return {"id": self._hand_over(self._row, self._outgoing)}

    def close(self, connection: Connection, closed: Closed) -> None:
        """Record how it ended, and the budget with it."""
        row = self._row
        lead = store.lock_lead(connection, row.workspace_id, row.lead_id)
        message = store.lock_message(connection, row.workspace_id, row.id)
        values: dict[str, Any] = {}
        code = closed.error.details.get("provider_code") if isinstance(closed.error, PilarError) else None
        if closed.state == "confirmed" and closed.response is not None:
            values = {
                "state": states.fold(message.state, states.ACCEPTED),
                "provider_message_id": closed.response["id"],
                "accepted_at": message.accepted_at or self._clocks.real.now(),
                **cost(connection, message, lead, self._outgoing.words if self._outgoing else ""),
            }
            if self._was_struck:
                reactions.forget_strikes(connection, self._clocks, message)
        elif closed.state == "intent":
            values = {"state": states.QUEUED}
        elif closed.state == "unknown" and message.state == states.ATTEMPTED:
            values = {"state": states.UNKNOWN}
        elif closed.state == "failed":
            text = mask_text(str(closed.error))[:500]
            values = {"state": states.FAILED, "error": text, "error_code": str(code) if code else None}
        if values:
            store.change_message(connection, row.workspace_id, row.id, values)
        if code and closed.state in ("failed", "intent"):
            reactions.react(connection, self._clocks, message, lead, str(code), self._people)
        # After the buckets, as when it was begun: whoever takes the two the other way round would wait in a circle.
        self._settle_budget(connection, used=0 if closed.state in ("intent", "failed") else 1)

    def _settle_budget(self, connection: Connection, *, used: int) -> None:
        if self._reservation is not None:
            reservation, self._reservation = self._reservation, None
            budgets.close(connection, reservation, used)


def _outgoing(found: facts_of.Found, verdict: Verdict, text: str) -> Outgoing:
    to, number, words = {
        facts_of.WHATSAPP: (found.to, found.number_id, text),
        facts_of.SMS: (found.to, found.sms_number, found.sms_text),
        facts_of.EMAIL: (found.email, "", found.email_text),
    }[verdict.channel]
    return Outgoing(
        form=verdict.form or "text",
        to=to,
        number=number,
        template=found.template_name,
        language=found.template_language,
        words=words,
    )


def _sent_as(found: facts_of.Found, verdict: Verdict) -> dict[str, str | None]:
    """Another wording may stand in for the one that was wanted: the message says what it is sent with."""
    if verdict.form != "template":
        return {"template_language": None}
    return {"template_name": found.template_name, "template_language": found.template_language}


def cost(connection: Connection, message: Row[Any], lead: Row[Any], words: str = "") -> dict[str, Any]:
    """What a message costs that a provider took, as columns; nothing where that is known already."""
    return cost_among(cost_store.rates(connection), message, lead.country, words)


def cost_among(known: Sequence[Rate], message: Row[Any], country: str | None, words: str = "") -> dict[str, Any]:
    """The same by prices that were read already, for a lead of a country."""
    if message.cost_currency is not None or message.attempted_at is None:
        return {}
    price = rates.cost_among(
        known,
        channel=message.channel,
        category=message.category,
        form=message.kind,
        country=country,
        day=message.attempted_at.date(),
        sms_text=words or message.text or "",
    )
    return {"cost_micro": price.micro, "cost_currency": price.currency}


def as_stored(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    """Facts and decision as they are kept with the message."""
    return {"facts": facts.model_dump(mode="json"), "decision": verdict.model_dump(mode="json")}


def as_json(facts: Facts, verdict: Verdict) -> str:
    """The same as text: quicker where many are kept."""
    return f'{{"facts":{facts.model_dump_json()},"decision":{verdict.model_dump_json()}}}'
