"""What the doors refuse: counted, and told as one security incident where it is too much.

What belongs here: the counts of this process and the watch over them. What does not: why something is refused.

Strangers must not be able to make the database write, so a refusal is counted in memory alone: a row comes of a whole
window of them (docs/adr/0021-what-the-doors-refuse.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from anyio import to_thread

from pilar.app import App
from pilar.backplane.facts import Cause, emit
from pilar.backplane.notices import IncidentRequested, incident
from pilar.database.engine import Scope
from pilar.errors import Transient

log = logging.getLogger(__name__)


class Refusals:
    """Counts what each provider's doors refuse."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._most = app.settings.door_refusals_at_most
        self._seconds = app.settings.door_refusals_window_seconds
        self._window = 0
        self._in_window: Counter[tuple[str, str]] = Counter()
        self._told: set[str] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self.counted: Counter[str] = Counter()
        """Since the process began, by `provider.reason`."""

    def note(self, provider: str, reason: str) -> None:
        """Count one; past the threshold an incident is asked for, once in a window, without anybody waiting for it."""
        self.counted[f"{provider}.{reason}"] += 1
        log.warning("refused a delivery at %s's door: %s", provider, reason)
        now = self._app.clocks.real.now()
        window = int(now.timestamp()) // self._seconds
        if window != self._window:
            self._window = window
            self._in_window.clear()
            self._told.clear()
        self._in_window[provider, reason] += 1
        reasons = {name: count for (of, name), count in self._in_window.items() if of == provider}
        if sum(reasons.values()) > self._most and provider not in self._told:
            self._told.add(provider)
            task = asyncio.get_running_loop().create_task(self._tell(provider, window, reasons))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def settle(self) -> None:
        """Wait until every incident that is being asked for is."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _tell(self, provider: str, window: int, reasons: dict[str, int]) -> None:
        try:
            await to_thread.run_sync(self._ask, provider, window, reasons)
        except Transient as error:
            log.warning("no incident could be asked for about %s's door: %s", provider, error.code)
            if window == self._window:
                self._told.discard(provider)  # the next refusal asks again
        except Exception:
            log.exception("no incident could be asked for about %s's door because of a fault", provider)

    def _ask(self, provider: str, window: int, reasons: dict[str, int]) -> None:
        request = _incident(provider, reasons, self._seconds)
        # The same key in all processes: they see parts of the same knocking.
        event = incident(request, key=f"door:{provider}:{window}:{self._seconds}")
        with self._app.database.transaction(Scope.fleet()) as connection:
            emit(connection, self._app.clocks, [event], Cause.new())


def _incident(provider: str, reasons: dict[str, int], seconds: int) -> IncidentRequested:
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return IncidentRequested(
        dedupe_key=f"door:{provider}",
        title=f"Many deliveries are refused at the door for {provider}",
        description=(
            f"Within {seconds} seconds one process of the web service refused: {told}. Is a secret out of date? Then"
            " genuine deliveries are refused too: compare the secrets with the provider's console. Otherwise a stranger"
            " knocks; nothing of it was let in."
        ),
        severity="high",
        component="security",
    )
