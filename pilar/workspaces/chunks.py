"""Work on many studios at once, of which a bad one fails alone. What belongs here: cutting and isolating, no work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from pilar.database.engine import Database, Scope
from pilar.errors import Transient
from pilar.masking import mask_text

log = logging.getLogger(__name__)

MOST_FAILED = 100
"""When more studios fail, the work is at fault and not the studios."""

Result = TypeVar("Result")


@dataclass
class Chunked(Generic[Result]):
    """What came of it: the results of the chunks that were done, and the studios that failed, with the reason."""

    results: list[Result] = field(default_factory=list)
    failed: dict[UUID, str] = field(default_factory=dict)


def in_chunks(
    database: Database,
    studios: Sequence[UUID],
    work: Callable[[Connection, Sequence[UUID]], Result],
    *,
    size: int = 1_000,
) -> Chunked[Result]:
    """Do set-based work on studios, a transaction per chunk; one that fails is halved until the bad ones stand alone.

    Args:
        database: where; the transactions have the fleet's scope.
        studios: on which.
        work: does a chunk; it may be called again with a part of it, after a rollback.
        size: studios per chunk.

    Raises:
        Transient: the database is away.
        OperationalError, InterfaceError: the same, noticed in the midst of it.
        Exception: what the work raised, when it fails for more than `MOST_FAILED` studios.
    """
    done: Chunked[Result] = Chunked()
    waiting = [list(studios[start : start + size]) for start in range(0, len(studios), size)][::-1]
    while waiting:
        chunk = waiting.pop()
        try:
            with database.transaction(Scope.fleet()) as connection:
                result = work(connection, chunk)
        except (Transient, OperationalError, InterfaceError):
            raise
        except Exception as error:
            if len(chunk) > 1:
                half = len(chunk) // 2
                waiting += [chunk[half:], chunk[:half]]
                continue
            log.warning("studio %s failed", chunk[0], exc_info=error)
            done.failed[chunk[0]] = mask_text(str(getattr(error, "orig", None) or error))[:500]
            if len(done.failed) > MOST_FAILED:
                raise
        else:
            done.results.append(result)
    return done
