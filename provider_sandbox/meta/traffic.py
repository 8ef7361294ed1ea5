"""How many messages may go, and to how many people. What belongs here: keeping count by Meta's rules.

Rates go by real time, days by business time. The pace of a pair and the people of a day survive a restart; a number's
pace of a second need not.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from provider_sandbox.meta import accounts, agenda, businesses, errors
from provider_sandbox.meta.limits import UNLIMITED, MetaLimits, next_due
from provider_sandbox.state import Body, Transaction
from provider_sandbox.tasks import TaskQueue

REACHED = "meta.reached"
"""Somebody whom a business wrote to outside their window: by business and person, with when their day began."""
MARKETED = "meta.marketed"
"""A marketing template that somebody got from any business."""
GROWTH = "grow"
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
DELIBERATION = timedelta(hours=6)
"""How long Meta takes to raise the limit of a business that uses half of it."""


class Traffic:
    """Counts what goes out."""

    def __init__(self, limits: MetaLimits, deliveries: TaskQueue) -> None:
        self._limits = limits
        self._deliveries = deliveries
        self._due: dict[str, float] = {}

    def admit(self, tx: Transaction, phone: Body, contact: Body) -> Body:
        """Let a message go at its pace.

        Returns:
            The contact with the pair's pace, to be saved.

        Raises:
            GraphError: 130429, the number is too quick; 131056, this pair is.
        """
        now = tx.now().timestamp()
        limits = self._limits
        upgraded = phone["throughput"]["level"] == "HIGH"
        rate = limits.upgraded_per_second if upgraded else limits.per_second
        of_number = next_due(self._due.get(phone["id"], 0.0), now, 1 / rate, rate)
        if of_number is None:
            raise errors.refused(130429, f"The number has sent {rate} messages within a second.")
        of_pair = next_due(contact.get("paced_until", 0.0), now, limits.pair_seconds, limits.pair_burst)
        if of_pair is None:
            raise errors.refused(131056, "Too many messages to the same person in a short time.")
        self._due[phone["id"]] = of_number
        return contact | {"paced_until": of_pair}

    def opens(self, tx: Transaction, waba: Body, wa_id: str) -> Body | None:
        """Count somebody who is written to outside their window; the error where the business has reached its limit."""
        now = tx.business_now()
        identity = f"{waba['id']}:{wa_id}"
        known = tx.get(REACHED, identity)
        if known and datetime.fromisoformat(known["at"]) > now - DAY:
            return None
        tier = accounts.tier_of(waba)
        size = self._limits.size(tier)
        used = self._reached(tx, waba, now - DAY)
        if size is not None and used >= size:
            return errors.told(131048, f"The business has written to {used} people in 24 hours, as many as it may.")
        tx.put(REACHED, identity, {"at": now.isoformat()}, owner=waba["id"], key=now.isoformat())
        self._consider(tx, waba, tier, size)
        return None

    def markets(self, tx: Transaction, wa_id: str) -> Body | None:
        """Count a marketing template to somebody who doesn't write; the error where they have had enough of them."""
        most = self._limits.marketing_a_day
        if most is None:
            return None
        now = tx.business_now()
        rows = tx.run(
            "select count(*) from object where kind = ? and owner = ? and key > ?",
            *(MARKETED, wa_id, (now - DAY).isoformat()),
        )
        had = int(rows[0][0])
        if had >= most:
            return errors.told(131049, "The person has had enough marketing for a day.")
        moment = now.isoformat()
        tx.put(MARKETED, f"{wa_id} {moment} {had}", {"at": moment}, owner=wa_id, key=moment)
        return None

    def grow(self, tx: Transaction, waba_id: str) -> None:
        """Raise the limit of a business, six hours after it has used half of it."""
        waba = tx.get(accounts.WABA, waba_id)
        above = self._limits.above(accounts.tier_of(waba)) if waba else None
        if waba and above:
            businesses.set_tier(tx, self._deliveries, waba, above, self._limits)

    def _consider(self, tx: Transaction, waba: Body, tier: str, size: int | None) -> None:
        if size is None or tier == UNLIMITED or agenda.planned(tx, GROWTH, waba["id"]):
            return
        now = tx.business_now()
        well = all(phone["quality_rating"] != "RED" for phone in tx.find(accounts.PHONE, owner=waba["id"]))
        if well and 2 * self._reached(tx, waba, now - WEEK) >= size:
            agenda.plan(tx, GROWTH, waba["id"], now + DELIBERATION)

    def _reached(self, tx: Transaction, waba: Body, since: datetime) -> int:
        rows = tx.run(
            "select count(*) from object where kind = ? and owner = ? and key > ?",
            *(REACHED, waba["id"], since.isoformat()),
        )
        return int(rows[0][0])
