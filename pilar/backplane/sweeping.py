"""The queue's dead rows. What belongs here: when the table is vacuumed, and by whom.

A queue is emptied as fast as it is filled, and each piece that comes and goes leaves dead rows behind. The server's own
autovacuum looks once a minute where nobody has told it otherwise: half a million pieces later. So whoever drains has it
vacuumed after a certain number of pieces, whatever the server's settings are. A vacuum that is under way already is
enough; autovacuum remains for whatever is drained by hands that do not stay.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing

import psycopg

log = logging.getLogger(__name__)

AFTER = 25_000
"""Settled pieces after which it is worth while."""
_SHARE = 0.2
"""Of the rows that wait: their indexes are read as a whole each time."""

_PATIENCE_SECONDS = 10.0

# Giving the end of the file back to the system would take a lock that all others wait for, for space that is needed
# again at once.
_VACUUM = "vacuum (skip_locked, truncate false) queue, scheduled"
_WAITING = "select greatest(reltuples, 0) from pg_class where oid = 'queue'::regclass"


class Sweeper:
    """Vacuums in a thread of its own, as often as what is settled makes it worth while."""

    def __init__(self, url: str) -> None:
        """Take the database's URL, with the login that owns the tables."""
        self._url = url
        self._settled = 0
        self._after = float(AFTER)
        self._thread: threading.Thread | None = None

    def settled(self, count: int) -> None:
        """Take note of pieces that were settled; called by one thread at a time."""
        self._settled += count
        if self._settled >= self._after and not (self._thread and self._thread.is_alive()):
            self._settled = 0
            self._thread = threading.Thread(target=self._sweep, name="sweeper", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for a vacuum that is under way, for a moment: nothing is lost with it."""
        if self._thread:
            self._thread.join(_PATIENCE_SECONDS)

    def _sweep(self) -> None:
        try:
            with closing(psycopg.connect(self._url, autocommit=True, connect_timeout=5)) as connection:
                connection.execute(_VACUUM)
                waiting = connection.execute(_WAITING).fetchone()
                self._after = max(AFTER, _SHARE * waiting[0]) if waiting else AFTER
        except psycopg.Error as error:
            # It is tried again after as many pieces; till then the server sees to it.
            log.warning("the queue was not vacuumed: %s", error)
