"""What Stripe does by itself, when its moment has come. What belongs here: the appointments and keeping them.

Appointments are in business time. When the clock is moved they are kept one after the other, each at its own moment, so
that a leap of a month leaves what a month would have left, and a killed sandbox goes on where it was. Webhooks leave in
an order that the moment draws, so that the same life is told the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from provider_sandbox import clock
from provider_sandbox.state import State, Transaction
from provider_sandbox.stripe import billing, checkout, invoices, ledger, transfers
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.tasks import Bell, TaskQueue, heard

Handler = Callable[[Desk, str], None]
HANDLERS: Mapping[str, Handler] = {
    billing.PERIOD: billing.at_period_end,
    billing.TRIAL_WILL_END: billing.trial_will_end,
    billing.CANCEL: billing.at_cancellation,
    billing.EXPIRE: billing.expire,
    invoices.FINALIZE: billing.finalize_and_collect,
    invoices.RETRY: billing.try_again,
    checkout.EXPIRE: checkout.expire,
    ledger.AVAILABLE: ledger.becomes_available,
    ledger.PAY_OUT: transfers.pay_out_daily,
    transfers.ARRIVE: transfers.arrive,
}
AT_ONCE = 50
"""Appointments in one transaction: other requests wait for no more."""


class Agenda:
    """Keeps Stripe's appointments."""

    def __init__(self, state: State, deliveries: TaskQueue, bell: Bell) -> None:
        self._state = state
        self._deliveries = deliveries
        self._bell = bell

    async def catch_up(self, *, skipping: bool = False) -> None:
        """Keep every appointment whose moment has come, in order; other requests get their turn in between.

        Args:
            skipping: let subscriptions be where they would be, with nothing charged for the periods before.
        """
        handlers = {**HANDLERS, billing.PERIOD: billing.skip_periods} if skipping else HANDLERS
        more = self._some(handlers)
        while more:
            await asyncio.sleep(0)
            more = self._some(handlers)

    async def run(self) -> None:
        """Keep appointments as business time passes, for ever."""
        while True:
            bell = self._bell.next()
            await self.catch_up()
            with self._state.transaction() as tx:
                seconds = _seconds_to_next(tx)
            await heard(bell, seconds)

    def _some(self, handlers: Mapping[str, Handler]) -> bool:
        """Keep some that are due, in one transaction; whether there were any."""
        with self._state.transaction() as tx:
            now = int(tx.business_now().timestamp())
            for kept in range(AT_ONCE):
                rows = tx.run("select * from appointment where at <= ? order by at, seq limit 1", now)
                if not rows:
                    return kept > 0
                [due] = rows
                tx.run("delete from appointment where seq = ?", due["seq"])
                desk = Desk(tx, self._deliveries, at=due["at"])
                handlers[due["kind"]](desk, due["id"])
                desk.send(seed=due["at"])
            return True


def _seconds_to_next(tx: Transaction) -> float | None:
    """Seconds of real time until the next appointment; None while none comes nearer."""
    rows = tx.run("select min(at) from appointment")
    if rows[0][0] is None:
        return None
    kept = tx.setting(clock.SETTING)
    rate = clock.from_text(kept).rate if kept else 1.0
    if rate == 0:
        return None
    left = float(rows[0][0]) - tx.business_now().timestamp()
    return max(left / rate, 0.0)
