"""What is in the lanes, counted for all who ask. What belongs here: when it is counted anew, and who waits for that.

What does not: counting it (`pilar/backplane/lanes.py`). Where little waits it is counted for everybody who asks. Where
much does, that would keep a processor busy and the page waiting just when others need both: one count then serves all
for a while, and says of what moment it is.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from pilar.app import App
from pilar.backplane.lanes import Counted, count_work
from pilar.database.engine import Scope

FEW = 10_000
"""So many pieces are counted in some milliseconds."""

_RESTS = 20
"""So many times as long as a count took, none is made, so that little of a processor goes into it."""
_RESTS_AT_MOST_SECONDS = 10.0
_TOO_OLD_SECONDS = 30.0
"""Nobody has asked for so long: whoever does now waits for a new one."""


class QueueDepth:
    """Counts what is in the lanes."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._last: Counted | None = None
        self._counted_at = self._rests_until = float("-inf")
        self._under_way: Future[Counted] | None = None

    def look(self) -> Counted:
        """What is in the lanes, or was at the moment that it says.

        Raises:
            Transient: the database is away.
        """
        last = self._last
        if last is None or last.total <= FEW:
            return self._count()
        with self._lock:
            moment = time.monotonic()
            is_too_old = moment - self._counted_at > _TOO_OLD_SECONDS
            under_way = self._under_way
            if under_way is None and (moment >= self._rests_until or is_too_old):
                # The count may be made, and under way no more, before the next line is reached.
                under_way = self._under_way = Future()
                threading.Thread(target=self._count_for, args=(under_way,), name="depth", daemon=True).start()
        return under_way.result() if is_too_old and under_way is not None else last

    def _count_for(self, under_way: Future[Counted]) -> None:
        try:
            counted = self._count()
        except Exception as error:
            # The next who asks has it counted again; who waits for it is told.
            self._under_way = None
            under_way.set_exception(error)
        else:
            self._under_way = None
            under_way.set_result(counted)

    def _count(self) -> Counted:
        began = time.monotonic()
        with self._app.database.transaction(Scope.fleet()) as connection:
            counted = count_work(connection, self._app.clocks.real.now())
        ended = time.monotonic()
        self._last, self._counted_at = counted, ended
        self._rests_until = ended + min(_RESTS * (ended - began), _RESTS_AT_MOST_SECONDS)
        return counted
