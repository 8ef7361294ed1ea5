"""Webhooks on their way to the product. What belongs here: sending one and judging the answer.

How a delivery is addressed and signed is its provider's (`stripe/webhooks.py`, `twilio/messages.py`,
`meta/webhooks.py`) and is decided anew at each attempt: signatures carry the real time, and the product may have
moved. When and how often it is tried is `tasks.py`. Only a 2xx answer ends it, so it arrives at least once, unless a
fault (`faults/mishaps.py`) befalls it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from provider_sandbox.faults.mishaps import Mishaps
from provider_sandbox.state import Transaction
from provider_sandbox.tasks import NotDone

QUEUE = "delivery"
WIDTH = 16


@dataclass(frozen=True)
class Outgoing:
    """One HTTP request to the product."""

    url: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


Signer = Callable[[sqlite3.Row], Outgoing]
"""Makes the request of a queued delivery; raises `NotDone` while it has no address, `Dropped` when it never will."""


class Courier:
    """Sends deliveries, each signed as its provider would."""

    def __init__(self, client: httpx.AsyncClient, signers: Mapping[str, Signer], mishaps: Mishaps) -> None:
        self._client = client
        self._signers = signers
        self._mishaps = mishaps

    async def deliver(self, task: sqlite3.Row) -> int:
        """Send once; return the 2xx status, or raise `NotDone` with any other.

        Raises:
            Postponed: a fault holds it back.
            Dropped: a fault has lost it, or it has no address any more.
        """
        self._mishaps.befall(task)
        outgoing = self._signers[task["topic"]](task)
        answer = await self._client.request(
            outgoing.method, outgoing.url, content=outgoing.content, headers=outgoing.headers
        )
        if not answer.is_success:
            raise NotDone(f"{outgoing.url} answered {answer.status_code}", answer.status_code)
        self._mishaps.arrived(task)
        return answer.status_code


def counted(tx: Transaction) -> dict[str, dict[str, int]]:
    """How deliveries fared, by provider: taken in, taken in without repetitions, under way, lost by a fault.

    A repetition is what has the same content: Meta gives its deliveries no names.
    """
    rows = tx.run(
        "select topic, count(*) filter (where state = 'done') as accepted,"
        " count(distinct body) filter (where state = 'done') as different,"
        " count(*) filter (where state = 'pending') as pending,"
        " count(*) filter (where state = 'dropped') as dropped from task where queue = ? group by topic order by topic",
        QUEUE,
    )
    return {row["topic"]: {name: row[name] for name in ("accepted", "different", "pending", "dropped")} for row in rows}
