"""A batch of claimed work: told apart by who does it, run in one transaction, settled in the same.

What belongs here: what happens to a batch between its claim and its commit. What does not: when one is claimed
(`drain.py`), and what an error means (`outcomes.py`).

The pieces of a batch share savepoints, since each costs two statements. Where a piece fails, the ones before it under
the same savepoint are undone with it and run again: a transactional handler may be run more than once before what it
does is committed, and keeps nothing in memory. That a piece is still its holder's is seen when it is settled, at the
end; one that is not has the whole batch undone and run again with its pieces held.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from pydantic import ValidationError
from sqlalchemy import Connection

from pilar.backplane import outcomes, store
from pilar.backplane.facts import Kind, emit
from pilar.backplane.handlers import ALONE, Delivery, Outside, Registry, Transactional, UnknownType, Work
from pilar.backplane.received import note_subjects
from pilar.backplane.store import SettledRow
from pilar.clocks import Clocks
from pilar.database.engine import raw
from pilar.errors import PilarError
from pilar.ids import FLEET
from pilar.masking import masked_traceback

log = logging.getLogger(__name__)

UNDER_ONE_SAVEPOINT = 100

SAVEPOINT = "savepoint batch"
"""Sent with what opens a batch's transaction (`settle_batch`): the first handler need not wait for it."""
_KEEP = b"release savepoint batch; savepoint batch"
_UNDO = b"rollback to savepoint batch"

Piece = tuple[Work[Any], Transactional]

_KINDS = {kind.value: kind for kind in Kind}


class WorkerDied(PilarError):
    """Whoever worked on this died again and again: it is kept from taking the next worker along."""

    code = "worker_died"


class LeaseLost(Exception):
    """Some of the batch is another worker's by now: what was done must not be committed."""


@dataclass
class Batch:
    """Claimed work, told apart.

    Attributes:
        claimed_at: when it was (real time).
        transactional: to be run in the batch's transaction.
        outside: to be run in threads.
        fans: facts with several handlers, or none, as (work, names): each handler gets a piece of its own.
        refused: what can't be given to a handler, with the reason.
        together: how many pieces were done with others of their handler, once it has run.
    """

    claimed_at: datetime
    transactional: list[Piece] = field(default_factory=list)
    outside: list[tuple[Work[Any], Outside]] = field(default_factory=list)
    fans: list[tuple[Work[Any], list[str]]] = field(default_factory=list)
    refused: list[tuple[Work[Any], Exception]] = field(default_factory=list)
    together: int = 0


def tell_apart(rows: Sequence[Any], registry: Registry, now: datetime) -> Batch:
    """Find out who does what of the claimed rows; nothing is raised for a row that nobody can do."""
    batch = Batch(claimed_at=now)
    for row in rows:
        try:
            handlers = _handlers(row, registry)
            if len(handlers) != 1:
                batch.fans.append((_work(row, None, now), list(handlers)))
                continue
            (handler,) = handlers.values()
            work = _work(row, _content(row, registry), now)
        except (UnknownType, WorkerDied, ValidationError, ValueError) as error:
            batch.refused.append((_work(row, None, now), error))
            continue
        if isinstance(handler, Transactional):
            batch.transactional.append((work, handler))
        else:
            batch.outside.append((work, handler))
    return batch


def settle_batch(connection: Connection, batch: Batch, clocks: Clocks, worker: str, *, held: bool = False) -> None:
    """Run what is transactional, and settle all but what runs outside.

    Args:
        connection: the batch's transaction, opened with `SAVEPOINT`; going by indexes from here on.
        batch: what was claimed.
        clocks: both.
        worker: who claimed it.
        held: whether the pieces are locked first, so that none is lost meanwhile.

    Raises:
        LeaseLost: roll back, and do it again with the pieces held.
    """
    pieces = batch.transactional
    if held:
        ours = store.hold(connection, worker, [claim_of(work) for work, _ in pieces])
        pieces = [piece for piece in pieces if piece[0].fencing_token in ours]
    ran, batch.together = _run(connection, pieces, clocks)
    rest = [SettledRow(work.position, work.fencing_token, "fanned_out") for work, _ in batch.fans]
    rest += [_fail(connection, clocks, work, error) for work, error in batch.refused]
    # Also of those that failed: they are the ones that somebody will look for.
    note_subjects(connection, (work for work, _ in pieces))
    store.by_index(connection)
    fans = ((work.position, name) for work, names in batch.fans for name in names)
    rows = [*ran, *rest]
    settled = store.settle(connection, worker, rows, claimed_at=batch.claimed_at, now=clocks.real.now(), fans=fans)
    if settled < len(rows) and not held:
        raise LeaseLost


def settle_outside(
    connection: Connection,
    clocks: Clocks,
    worker: str,
    works: Sequence[Work[Any]],
    ended: Sequence[SettledRow | Exception],
) -> int:
    """Settle attempts of one claim made outside, in a transaction that goes by indexes; return how many were ours."""
    rows = [
        _fail(connection, clocks, work, outcome) if isinstance(outcome, Exception) else outcome
        for work, outcome in zip(works, ended, strict=True)
    ]
    return store.settle(connection, worker, rows, claimed_at=works[0].claimed_at, now=clocks.real.now())


def in_groups(pieces: Sequence[tuple[Work[Any], Outside]]) -> Iterator[tuple[Outside, list[Work[Any]]]]:
    """What runs outside: each piece alone, or with those that its handler does together; a studio's stay together."""
    found: dict[int, tuple[Outside, list[Work[Any]]]] = {}
    for work, handler in pieces:
        if handler.together is None:
            yield handler, [work]
        else:
            found.setdefault(id(handler), (handler, []))[1].append(work)
    for handler, works in found.values():
        works.sort(key=lambda work: (work.workspace_id or FLEET, work.position))
        for start in range(0, len(works), handler.at_once):
            yield handler, works[start : start + handler.at_once]


def claim_of(work: Work[Any]) -> store.Held:
    """What names a claimed piece."""
    return work.position, work.fencing_token


def _run(connection: Connection, pieces: Sequence[Piece], clocks: Clocks) -> tuple[list[SettledRow], int]:
    """Run all; what became of each, and how many were done together."""
    rows = list(_run_alone(connection, [piece for piece in pieces if piece[1].together is None], clocks))
    groups: dict[int, list[Piece]] = {}
    for piece in pieces:
        if piece[1].together is not None:
            groups.setdefault(id(piece[1]), []).append(piece)
    together = 0
    for group in groups.values():
        done, rest = _run_group(connection, group)
        together += len(done)
        rows += [*done, *_run_alone(connection, rest, clocks)]
    return rows, together


def _run_alone(connection: Connection, pieces: Sequence[Piece], clocks: Clocks) -> Iterator[SettledRow]:
    for start in range(0, len(pieces), UNDER_ONE_SAVEPOINT):
        yield from _run_under_one(connection, pieces[start : start + UNDER_ONE_SAVEPOINT], clocks)


def _run_group(connection: Connection, pieces: Sequence[Piece]) -> tuple[list[SettledRow], Sequence[Piece]]:
    """Run pieces of one handler together; what became of them, and those that are left to be done alone.

    Where the group fails, that is all of them, so that the bad one fails alone.
    """
    works = [work for work, _ in pieces]
    together = pieces[0][1].together
    if together is None or len(pieces) == 1:
        return [], pieces
    try:
        said = list(zip(pieces, together(connection, works), strict=True))
        rows = [outcomes.done(piece[0], one) for piece, one in said if one is not ALONE]
        _send(connection, _KEEP)
    except Exception as error:
        log.warning("%d %s are done one by one: %s", len(works), works[0].type, masked_traceback(error))
        _send(connection, _UNDO)
        return [], pieces
    return rows, [piece for piece, one in said if one is ALONE]


def _run_under_one(connection: Connection, pieces: Sequence[Piece], clocks: Clocks) -> list[SettledRow]:
    """Run pieces behind a savepoint that is set anew when they have run."""
    rows: list[SettledRow] = []
    if not pieces:
        return rows
    for number, (work, handler) in enumerate(pieces):
        try:
            rows.append(outcomes.done(work, handler.run(connection, work)))
        except Exception as error:
            _send(connection, _UNDO)
            before = _run_under_one(connection, pieces[:number], clocks)
            failed = _fail_and_keep(connection, clocks, work, error)
            return [*before, failed, *_run_under_one(connection, pieces[number + 1 :], clocks)]
    try:
        _send(connection, _KEEP)  # refused where a handler has swallowed an error of the database
    except psycopg.Error as error:
        _send(connection, _UNDO)
        if len(pieces) == 1:
            return [_fail_and_keep(connection, clocks, pieces[0][0], error)]
        return [row for piece in pieces for row in _run_under_one(connection, [piece], clocks)]
    return rows


def _fail_and_keep(connection: Connection, clocks: Clocks, work: Work[Any], error: Exception) -> SettledRow:
    row = _fail(connection, clocks, work, error)
    _send(connection, _KEEP)
    return row


def _send(connection: Connection, statements: bytes) -> None:
    raw(connection).execute(statements, prepare=False)


def _fail(connection: Connection, clocks: Clocks, work: Work[Any], error: Exception) -> SettledRow:
    row = outcomes.failed(work, error, clocks.real.now())
    if event := outcomes.notice(work, row):
        emit(connection, clocks, [event], work.cause)
    return row


def _handlers(row: Any, registry: Registry) -> dict[str, Transactional | Outside]:
    if row.attempts > row.max_attempts:
        raise WorkerDied(f"Whoever worked on this died {row.max_attempts} times.")
    handlers = registry.handlers_of(_KINDS[row.kind], row.type)
    if not row.handler:
        return handlers
    if row.handler not in handlers:
        raise UnknownType(f"{row.type} has no handler named {row.handler!r} any more.")
    return {row.handler: handlers[row.handler]}


def _content(row: Any, registry: Registry) -> object:
    kind = _KINDS[row.kind]
    if kind is Kind.DELIVERY:
        return Delivery(row.type, row.external_id, row.headers, bytes(row.body))
    return registry.parse(kind, row.type, row.payload)


def _work(row: Any, content: object, now: datetime) -> Work[Any]:
    return Work(
        row.position,
        row.handler,
        _KINDS[row.kind],
        row.id,
        None if row.workspace_id == FLEET else row.workspace_id,
        row.type,
        content,
        row.attempts,
        row.max_attempts,
        row.fencing_token,
        row.correlation_id or row.id,
        row.recorded_at,
        now,
    )
