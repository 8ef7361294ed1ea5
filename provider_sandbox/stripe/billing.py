"""What Stripe does to subscriptions by itself. What belongs here: periods, trials, failed payments, ends.

The rules are those of Stripe Billing with its usual settings: a renewal is a draft for an hour, then it is charged;
a payment that failed is tried again, at most four times in all; after that the subscription ends, or stays unpaid where
the account is set so. Everything happens at its own moment of business time, however late the clock gets there.
"""

from __future__ import annotations

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing_objects, errors, invoices, periods
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.periods import DAY

PERIOD = "subscription.period"
"""The appointment at a period's end, a trial's included."""
TRIAL_WILL_END = "subscription.trial_will_end"
CANCEL = "subscription.cancel"
EXPIRE = "subscription.expire"
"""The appointment at which a subscription whose first payment never came is given up."""

NOTICE = 3 * DAY
DRAFT_LASTS = 3600
COMPLETE_WITHIN = 23 * 3600
PAUSES = (3 * DAY, 5 * DAY, 7 * DAY)
"""Between one attempt to have an invoice paid and the next; when they are used up, the payment has failed."""
ENDED = frozenset({"canceled", "incomplete_expired"})

AFTER_LAST_ATTEMPT = "stripe_after_last_attempt"
"""The remembered setting: `canceled` or `unpaid`."""


def changed(desk: Desk, bought: Body, **fields: object) -> Body:
    """Keep what a subscription has become, and tell of it."""
    before = dict(bought)
    bought |= fields
    desk.change(bought)
    desk.tell("customer.subscription.updated", bought, before=before)
    return bought


def begin(desk: Desk, bought: Body, payer: Body, *, trial_end: int | None = None) -> Body:
    """Begin a subscription whose items are there: a trial, or the first paid period. Return its first invoice."""
    if trial_end:
        bought |= {"status": "trialing", "trial_start": desk.at, "trial_end": trial_end}
        bought["billing_cycle_anchor"] = trial_end
        _plan_notice(desk, bought)
    end = trial_end or _period_end(bought, desk.at)
    for item in bought["items"]["data"]:
        item |= {"current_period_start": desk.at, "current_period_end": end}
    desk.save(bought, owner=payer["id"])
    desk.tell("customer.subscription.created", bought)
    invoice = invoices.draw_up(
        desk, payer, _lines(bought, free=bool(trial_end)), "subscription_create", bought["currency"], bought
    )
    invoices.finalize(desk, invoice)
    desk.plan(PERIOD, bought["id"], end)
    return invoice


def pay_first(desk: Desk, bought: Body, invoice: Body) -> bool:
    """Have the first invoice paid: the subscription is active, or it is given up after a day without a payment."""
    if bought["status"] == "trialing" or invoices.collect(desk, invoice):
        if bought["status"] == "incomplete":
            bought["status"] = "active"
            desk.change(bought)
        return True
    desk.plan(EXPIRE, bought["id"], desk.at + COMPLETE_WITHIN)
    return False


def next_period(desk: Desk, bought: Body, payer: Body) -> Body:
    """Begin a subscription's next period; its invoice is a draft."""
    start = period_of(bought)[1]
    before = dict(bought)
    items = [dict(item) for item in bought["items"]["data"]]
    end = _period_end(bought, start)
    for item in items:
        item |= {"current_period_start": start, "current_period_end": end}
    bought["items"] = {**bought["items"], "data": items}
    if bought["status"] == "trialing":
        bought["status"] = "active"
        desk.cancel(TRIAL_WILL_END, bought["id"])
    invoice = invoices.draw_up(desk, payer, _lines(bought), "subscription_cycle", bought["currency"], bought)
    desk.plan(PERIOD, bought["id"], end)
    desk.tell("customer.subscription.updated", bought, before=before)
    return invoice


def collect(desk: Desk, invoice: Body, named: str | None = None) -> bool:
    """Try to have an invoice paid, and let its subscription stand or fall by it."""
    paid = invoices.collect(desk, invoice, named)
    about = invoices.subscription_of(invoice)
    bought = desk.existing("subscription", about) if about else None
    if paid:
        if bought and bought["latest_invoice"] == invoice["id"] and bought["status"] in _OWING:
            desk.cancel(EXPIRE, bought["id"])
            changed(desk, bought, status="active")
        return True
    if bought is None or bought["status"] in ENDED | {"incomplete", "unpaid"}:
        return False
    tried = invoice["attempt_count"]
    if tried <= len(PAUSES):
        again = desk.at + PAUSES[tried - 1]
        desk.change(invoice | {"next_payment_attempt": again})
        invoice["next_payment_attempt"] = again
        desk.plan(invoices.RETRY, invoice["id"], again)
        if bought["status"] != "past_due":
            changed(desk, bought, status="past_due")
    elif (desk.tx.setting(AFTER_LAST_ATTEMPT) or "canceled") == "unpaid":
        changed(desk, bought, status="unpaid")
    else:
        end(desk, bought, "payment_failed")
    return False


def end(desk: Desk, bought: Body, reason: str) -> Body:
    """End a subscription now; `reason` is Stripe's."""
    bought["cancellation_details"] = {**bought["cancellation_details"], "reason": reason}
    bought |= {
        "status": "canceled",
        "canceled_at": bought["canceled_at"] or desk.at,
        "ended_at": desk.at,
    }
    for kind in (PERIOD, TRIAL_WILL_END, CANCEL, EXPIRE):
        desk.cancel(kind, bought["id"])
    if bought["latest_invoice"]:
        desk.cancel(invoices.RETRY, bought["latest_invoice"])
    desk.change(bought)
    desk.tell("customer.subscription.deleted", bought)
    return bought


def period_of(bought: Body) -> tuple[int, int]:
    """The present period's beginning and end."""
    item = bought["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def at_period_end(desk: Desk, identity: str) -> None:
    """A period, or a trial, has come to its end."""
    bought = desk.existing("subscription", identity)
    if bought["status"] in ENDED or period_of(bought)[1] != desk.at:
        return
    if bought["cancel_at_period_end"]:
        end(desk, bought, bought["cancellation_details"]["reason"] or "cancellation_requested")
        return
    payer = desk.existing("customer", bought["customer"])
    invoice = next_period(desk, bought, payer)
    if bought["status"] == "unpaid":
        # Nothing more is charged for what is not paid as it is: the drafts wait.
        desk.change(invoice | {"auto_advance": False})
    else:
        desk.plan(invoices.FINALIZE, invoice["id"], desk.at + DRAFT_LASTS)


def skip_periods(desk: Desk, identity: str) -> None:
    """Let a subscription be in the period of the present moment, with nothing charged for those before it."""
    bought = desk.existing("subscription", identity)
    start, end_of_it = period_of(bought)
    if bought["cancel_at_period_end"] or bought["status"] in ENDED or end_of_it != desk.at:
        at_period_end(desk, identity)
        return
    now = int(desk.tx.business_now().timestamp())
    while end_of_it <= now:
        start, end_of_it = end_of_it, _period_end(bought, end_of_it)
    for item in bought["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end_of_it}
    if bought["status"] == "trialing":
        bought["status"] = "active"
    desk.change(bought)
    desk.plan(PERIOD, identity, end_of_it)


def trial_will_end(desk: Desk, identity: str) -> None:
    """Three days are left of a trial."""
    bought = desk.existing("subscription", identity)
    if bought["status"] == "trialing":
        desk.tell("customer.subscription.trial_will_end", bought)


def at_cancellation(desk: Desk, identity: str) -> None:
    """The moment has come that was set for the end."""
    bought = desk.existing("subscription", identity)
    if bought["status"] not in ENDED and bought["cancel_at"] == desk.at:
        end(desk, bought, "cancellation_requested")


def expire(desk: Desk, identity: str) -> None:
    """The first payment never came."""
    bought = desk.existing("subscription", identity)
    if bought["status"] != "incomplete":
        return
    invoice = desk.existing("invoice", bought["latest_invoice"])
    if invoice["status"] == "open":
        invoices.void(desk, invoice)
    desk.cancel(PERIOD, identity)
    changed(desk, bought, status="incomplete_expired", ended_at=desk.at)


def finalize_and_collect(desk: Desk, identity: str) -> None:
    """A draft's hour is over."""
    invoice = desk.existing("invoice", identity)
    if invoice["status"] == "draft" and invoice["auto_advance"] and _is_wanted(desk, invoice):
        collect(desk, invoices.finalize(desk, invoice))


def try_again(desk: Desk, identity: str) -> None:
    """A payment that failed is tried again."""
    invoice = desk.existing("invoice", identity)
    if invoice["status"] == "open" and _is_wanted(desk, invoice):
        collect(desk, invoice)


def plan_trial(desk: Desk, bought: Body, trial_end: int) -> None:
    """Let a trial end at another moment."""
    items = [{**item, "current_period_end": trial_end} for item in bought["items"]["data"]]
    bought |= {
        "trial_end": trial_end,
        "billing_cycle_anchor": trial_end,
        "items": {**bought["items"], "data": items},
    }
    _plan_notice(desk, bought)
    desk.plan(PERIOD, bought["id"], trial_end)


def _is_wanted(desk: Desk, invoice: Body) -> bool:
    """Whether Stripe goes on with an invoice by itself: not for whom, or what, is gone."""
    about = invoices.subscription_of(invoice)
    if about and desk.existing("subscription", about)["status"] in ENDED:
        return False
    return not desk.existing("customer", invoice["customer"]).get("deleted")


_OWING = frozenset({"past_due", "unpaid", "incomplete"})


def _plan_notice(desk: Desk, bought: Body) -> None:
    desk.plan(TRIAL_WILL_END, bought["id"], max(bought["trial_end"] - NOTICE, desk.at))


def _lines(bought: Body, *, free: bool = False) -> list[Body]:
    return [billing_objects.item_line(bought, item, free=free) for item in bought["items"]["data"]]


def _period_end(bought: Body, start: int) -> int:
    recurring = bought["items"]["data"][0]["price"]["recurring"]
    if recurring is None:
        raise errors.refused("A subscription needs a price that recurs.", param="items[0][price]")
    return periods.end_of(bought["billing_cycle_anchor"], start, recurring["interval"], recurring["interval_count"])
