"""Beginning the attempts of many messages at once. What belongs here: which may go, in one transaction for all of them.

Where there is anything to say about a message but that it goes, nothing is said here: it is left as it was, to be
decided on alone. Locks are taken in the order in which one message alone takes them: effect, lead and message, studio,
paces, budgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import budgets, effect_store
from pilar.backplane.budgets import Reservation
from pilar.backplane.effects import API_CALLS, Effect, EffectLedger
from pilar.clocks import Clocks
from pilar.messaging import facts as facts_of
from pilar.messaging import facts_store, limit_store, pace, states, together_store
from pilar.messaging.attempts import MESSAGES, RESERVED_FOR, Attempt, Outgoing, as_json
from pilar.messaging.decisions import Facts, Verdict
from pilar.messaging.facts import Found
from pilar.messaging.limit_store import Bucket
from pilar.messaging.together_store import Attempted
from pilar.messaging.verdict import decide

_DAY = timedelta(days=1)


class Begun(NamedTuple):
    """An attempt at a message, and the effect that it is part of."""

    row: Row[Any]
    attempt: Attempt
    effect: Effect


class _Going(NamedTuple):
    """A message that may go: its row, held, and what was found and decided."""

    message: Row[Any]
    found: Found
    facts: Facts
    verdict: Verdict
    reservation: Reservation | None = None


@dataclass
class _Paces:
    """How paces and people stand, message by message."""

    buckets: dict[str, Bucket]
    reached: dict[UUID, tuple[int, set[UUID]]]
    changed: dict[str, Bucket] = field(default_factory=dict)

    def now(self, subject: str) -> Bucket:
        """How a pace stands after what goes before."""
        return self.changed.get(subject) or self.buckets[subject]


def begin(connection: Connection, clocks: Clocks, ledger: EffectLedger, wanted: Sequence[Begun]) -> list[Begun]:
    """Record the attempts of those messages that simply may go, and return them; the others are as they were.

    Args:
        connection: a transaction of its own, committed before any of them is handed over.
        clocks: both clocks.
        ledger: of effects.
        wanted: messages of any number of studios.
    """
    if not wanted:
        return []
    kind = wanted[0].effect.kind
    fresh = ledger.begin_new(connection, kind, [one.effect for one in wanted])
    wanted = [one for one in wanted if one.effect.key in fresh]
    going = {one.message.id: one for one in _within_budgets(connection, clocks, _decide(connection, clocks, wanted))}
    together_store.keep_attempted(connection, [_as_kept(one) for one in going.values()])
    effect_store.forget(connection, kind, [one.effect.key for one in wanted if one.row.id not in going])
    begun = [one for one in wanted if one.row.id in going]
    for one in begun:
        of = going[one.row.id]
        one.attempt.begun(_outgoing(of), of.reservation)
    return begun


def _decide(connection: Connection, clocks: Clocks, wanted: Sequence[Begun]) -> list[_Going]:
    """Which messages may go, studio by studio and each as if those before had gone."""
    held = facts_store.lock_free(connection, [(one.row.workspace_id, one.row.id) for one in wanted])
    # The first of each lead: the next waits until it is with the provider.
    first = {(one.workspace_id, one.lead_id): one for one in reversed(held) if one.state in states.UNSENT}
    if not first:
        return []
    found = facts_of.gather_many(connection, clocks, list(first.values()))
    may_go = []
    sent: dict[UUID, int] = {}
    for message in first.values():
        before = sent.get(message.workspace_id, 0)
        facts = found[message.id].facts
        facts = facts.model_copy(update={"sent_today": facts.sent_today + before}) if before else facts
        verdict = decide(facts)
        if verdict.action == "send" and verdict.channel == facts_of.WHATSAPP and not found[message.id].is_behind:
            sent[message.workspace_id] = before + 1
            may_go.append(_Going(message, found[message.id], facts, verdict))
    return _within_limits(connection, clocks, may_go)


def _within_limits(connection: Connection, clocks: Clocks, may_go: Sequence[_Going]) -> list[_Going]:
    """Those that paces and portfolio let go now."""
    if not may_go:
        return []
    real_now, now = clocks.real.now(), may_go[0].facts.now
    subjects = {subject for one in may_go for subject in _subjects(one.message)}
    buckets = limit_store.hold_buckets(connection, sorted(subjects), real_now)
    studios = {one.message.workspace_id for one in may_go}
    leads = [one.message.lead_id for one in may_go]
    paces = _Paces(buckets, limit_store.reached_by_studio(connection, sorted(studios), leads, now - _DAY))
    going = []
    for one in may_go:
        facts = _limited(one, paces, real_now)
        if facts is None:
            continue
        verdict = decide(facts)
        if verdict.action == "send":
            going.append(one._replace(facts=facts, verdict=verdict))
            _take(one, paces, real_now)
    limit_store.keep_buckets(connection, paces.changed)
    return going


def _limited(one: _Going, paces: _Paces, real_now: datetime) -> Facts | None:
    """The facts with what rates and portfolio allow; None where there is more to say than a count."""
    number, pair = _subjects(one.message)
    if paces.now(number).strikes or paces.now(pair).strikes:
        return None  # that it went well is news then
    free = [pace.of_number(one.found.throughput).free_at(paces.now(number).due_at or real_now)]
    of_app = paces.buckets.get(limit_store.APP)
    if of_app is not None and of_app.due_at is not None:
        free.append(pace.APP.free_at(of_app.due_at))
    update: dict[str, Any] = {
        "real_now": real_now,
        "number_free_at": max(free),
        "pair_free_at": pace.PAIR.free_at(paces.now(pair).due_at or real_now),
    }
    if one.verdict.form == "template" and one.facts.people_limit is not None:
        people, known = paces.reached.get(one.message.workspace_id, (0, set()))
        is_reached = one.message.lead_id in known
        others = people - is_reached
        if others >= one.facts.people_limit:
            return None
        update |= {"people_reached": others, "is_reached": is_reached, "people_free_at": None}
    return one.facts.model_copy(update=update)


def _take(one: _Going, paces: _Paces, real_now: datetime) -> None:
    """Count a message that goes."""
    number, pair = _subjects(one.message)
    of_number = pace.of_number(one.found.throughput)
    paces.changed[number] = paces.now(number)._replace(due_at=of_number.after(paces.now(number).due_at, real_now))
    paces.changed[pair] = paces.now(pair)._replace(due_at=pace.PAIR.after(paces.now(pair).due_at, real_now))
    if one.verdict.form == "template":
        people, known = paces.reached.get(one.message.workspace_id, (0, set()))
        is_new = one.message.lead_id not in known
        paces.reached[one.message.workspace_id] = people + is_new, known | {one.message.lead_id}


def _within_budgets(connection: Connection, clocks: Clocks, going: Sequence[_Going]) -> list[_Going]:
    """Those that fit into their studio's budgets, each with what was set aside for it.

    The pace of one that does not fit has been counted: its number is that much slower for once.
    """
    wanted = [(one.message.workspace_id, 1) for one in going]
    shares = budgets.reserve_many(connection, clocks, MESSAGES, wanted, expires_in=RESERVED_FOR)
    going = [
        one._replace(reservation=share.reservation)
        for one, share in zip(going, shares, strict=True)
        if share.reservation is not None
    ]
    calls = budgets.consume_many(connection, clocks, API_CALLS, [(one.message.workspace_id, 1) for one in going])
    fits = [one for one, share in zip(going, calls, strict=True) if share.fits]
    over = [one for one, share in zip(going, calls, strict=True) if not share.fits]
    budgets.close_many(connection, [(one.reservation, 0) for one in over if one.reservation is not None])
    return fits


def _subjects(message: Row[Any]) -> tuple[str, str]:
    """The names of the paces of a message's number and of its pair."""
    return (
        limit_store.number_bucket(message.workspace_id),
        limit_store.pair_bucket(message.workspace_id, message.lead_id),
    )


def _outgoing(one: _Going) -> Outgoing:
    form = one.verdict.form or "text"
    return Outgoing(
        form=form,
        to=one.found.to,
        number=one.found.number_id,
        template=one.found.template_name,
        language=one.found.template_language,
        words=one.message.text or "",
    )


def _as_kept(one: _Going) -> Attempted:
    form = one.verdict.form or "text"
    name, language = one.message.template_name, None
    if form == "template":
        name, language = one.found.template_name, one.found.template_language
    verdict = as_json(one.facts, one.verdict)
    return Attempted(one.message.workspace_id, one.message.id, form, name, language, verdict, one.facts.now)
