"""What is done at a moment of business time, by Meta and by people. What belongs here: keeping moments, noticing them.

Business time may be moved or run quickly, so that no due time in real seconds would stay right: it is looked at anew
whenever anything changes. What is done is the neighbours' here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from provider_sandbox import clock
from provider_sandbox.state import State, Transaction
from provider_sandbox.tasks import Bell, heard

KIND = "meta.agenda"

Doing = Callable[[Transaction, str], None]
"""What is done with the subject whose moment has come."""


def plan(tx: Transaction, what: str, subject: str, at: datetime) -> None:
    """Have something done at a moment of business time, in place of an earlier plan for the same."""
    moment = at.isoformat()
    tx.put(KIND, _identity(what, subject), {"what": what, "subject": subject, "at": moment}, key=moment)


def planned(tx: Transaction, what: str, subject: str) -> bool:
    """Whether it is going to be done."""
    return tx.get(KIND, _identity(what, subject)) is not None


def cancel(tx: Transaction, what: str, subject: str) -> None:
    """Have it not done after all."""
    tx.remove(KIND, _identity(what, subject))


class Agenda:
    """Does what is due."""

    def __init__(self, state: State, bell: Bell, doings: Mapping[str, Doing]) -> None:
        """`doings` by the `what` of a plan."""
        self._state = state
        self._bell = bell
        self._doings = doings

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            ring = self._bell.next()
            await heard(ring, self._catch_up())

    def _catch_up(self) -> float | None:
        """Do what is due by now; return the real seconds to the next moment, None where there is none."""
        with self._state.transaction() as tx:
            now = tx.business_now()
            for row in tx.run("select id from object where kind = ? and key <= ? order by key", KIND, now.isoformat()):
                entry = tx.get(KIND, row["id"])
                if entry:
                    tx.remove(KIND, row["id"])
                    self._doings[entry["what"]](tx, entry["subject"])
            following = tx.run("select min(key) from object where kind = ?", KIND)[0][0]
            kept = tx.setting(clock.SETTING)
        return clock.real_seconds(kept, datetime.fromisoformat(following) - now) if following else None


def _identity(what: str, subject: str) -> str:
    return f"{what}:{subject}"
