"""What becomes of subscriptions as business time passes, as Stripe's own SDK sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_sandbox.stripe import periods
from tests.provider_sandbox.product import Product
from tests.provider_sandbox.stripe_life import START, Life, refusal


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def subscribed(life: Life, card: str = "pm_card_visa", **more: object) -> stripe.Subscription:
    customer = life.payments.v1.customers.create(
        {"email": "bo@studio.example", "payment_method": card, "invoice_settings": {"default_payment_method": card}}
    )
    wanted = {"customer": customer.id, "items": [{"price": "price_pilar_basic"}], **more}
    return life.payments.v1.subscriptions.create(wanted)  # type: ignore[arg-type]


def test_a_subscription_is_renewed_each_calendar_month_after_an_hour_as_a_draft(life: Life):
    bought = subscribed(life)
    assert (bought.status, moment(bought["items"].data[0].current_period_end)) == (
        "active",
        datetime(2026, 2, 28, 10, tzinfo=UTC),
    )

    life.at(datetime(2026, 2, 28, 10, 30, tzinfo=UTC))
    draft = life.payments.v1.invoices.retrieve(str(life.subscription(bought.id).latest_invoice))
    assert (draft.status, draft.billing_reason, draft.number) == ("draft", "subscription_cycle", None)
    refund = life.payments.v1.refunds.retrieve(life.sandbox.refund(subscription=bought.id, amount=100)["refund"])
    assert (refund.status, refund.amount) == ("succeeded", 100), "of the month that is paid, not of the draft"
    life.passes(minutes=30)
    assert life.payments.v1.invoices.retrieve(draft.id).status == "paid"

    life.at(datetime(2026, 4, 30, 12, tzinfo=UTC))
    paid = life.payments.v1.invoices.list({"customer": str(bought.customer), "status": "paid"}).data
    assert [moment(one.created).date().isoformat() for one in paid] == [
        *("2026-04-30", "2026-03-31", "2026-02-28", "2026-01-31")
    ]
    assert {one.amount_paid for one in paid} == {4900}


def test_a_trial_is_announced_three_days_before_its_end_and_then_paid_for(life: Life):
    ids = life.sandbox.sign_up(plan="PRO", trial_days=14)
    bought = life.subscription(ids["subscription"])
    assert (bought.status, moment(bought.trial_end or 0)) == ("trialing", START + timedelta(days=14))
    first = life.payments.v1.invoices.retrieve(ids["invoice"])
    assert (first.status, first.amount_paid, ids["charge"]) == ("paid", 0, None)

    life.passes(days=20)
    told = dict(life.events())
    assert told["customer.subscription.trial_will_end"] == START + timedelta(days=11)
    assert life.subscription(bought.id).status == "active"
    latest = life.payments.v1.invoices.retrieve(str(life.subscription(bought.id).latest_invoice))
    assert (latest.status, latest.amount_paid, moment(latest.created)) == ("paid", 9900, START + timedelta(days=14))


def test_a_trial_can_end_now_and_a_card_that_only_attaches_fails_then(life: Life):
    good = life.sandbox.sign_up(trial_days=14)["subscription"]
    assert life.sandbox.end_trial(good)["status"] == "active"
    bad = subscribed(life, "pm_card_chargeCustomerFail", trial_period_days=2)
    life.passes(days=2, hours=1)
    assert life.subscription(bad.id).status == "past_due"


def test_a_failed_payment_is_tried_four_times_and_then_the_subscription_ends(life: Life, product: Product):
    bought = life.sandbox.sign_up()["subscription"]
    life.sandbox.fail_payments(bought)
    life.sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    due = moment(life.subscription(bought)["items"].data[0].current_period_end) + timedelta(hours=1)
    life.at(due)
    assert life.subscription(bought).status == "past_due"
    invoice = life.payments.v1.invoices.retrieve(str(life.subscription(bought).latest_invoice))
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert moment(invoice.next_payment_attempt or 0) == due + timedelta(days=3)

    life.at(due + timedelta(days=16))
    failed = [at - due for kind, at in life.events(due) if kind == "invoice.payment_failed"]
    assert [wait.days for wait in failed] == [0, 3, 8, 15]
    ended = life.subscription(bought)
    assert (ended.status, moment(ended.ended_at or 0)) == ("canceled", due + timedelta(days=15))
    assert ended.cancellation_details is not None
    assert ended.cancellation_details.reason == "payment_failed"
    life.passes(days=60)
    assert life.payments.v1.invoices.list({"customer": str(ended.customer)}).data[0].id == invoice.id
    life.sandbox.wait_idle()
    told = {json.loads(request.body)["type"] for request in product.at("/hook")}
    assert {"invoice.payment_failed", "customer.subscription.updated", "customer.subscription.deleted"} <= told


def test_a_subscription_may_stay_unpaid_until_another_card_pays_what_is_open(life: Life):
    life.sandbox.after_last_attempt("unpaid")
    bought = life.sandbox.sign_up()["subscription"]
    life.sandbox.fail_payments(bought)
    life.passes(days=28 + 16)
    assert life.subscription(bought).status == "unpaid"
    assert life.sandbox.recover_payments(bought)["status"] == "active"


def test_a_card_that_works_again_makes_a_subscription_active_before_the_last_attempt(life: Life):
    bought = life.sandbox.sign_up()["subscription"]
    life.sandbox.fail_payments(bought)
    renewed = life.sandbox.renew(bought)
    assert (renewed["paid"], life.subscription(bought).status) == (False, "past_due")
    assert life.payments.v1.charges.retrieve(renewed["charge"]).failure_code == "card_declined"
    assert life.sandbox.recover_payments(bought)["status"] == "active"
    life.passes(days=20)
    assert life.kinds().count("invoice.payment_failed") == 1


def test_a_first_payment_that_never_comes_expires_its_subscription(life: Life):
    bought = subscribed(life, "pm_card_chargeCustomerFail")
    assert bought.status == "incomplete"
    life.passes(hours=23)
    assert life.subscription(bought.id).status == "incomplete_expired"
    assert life.payments.v1.invoices.retrieve(str(bought.latest_invoice)).status == "void"
    refused = refusal(lambda: subscribed(life, "pm_card_chargeCustomerFail", payment_behavior="error_if_incomplete"))
    assert (refused.http_status, refused.code) == (402, "card_declined")
    assert len(life.payments.v1.subscriptions.list({"status": "all"}).data) == 1


def test_a_cancelled_subscription_ends_at_once_or_with_its_period_unless_taken_back(life: Life):
    now, later, kept = (life.sandbox.sign_up(f"Studio {n}")["subscription"] for n in range(3))
    ended = life.payments.v1.subscriptions.cancel(now)
    assert (ended.status, moment(ended.ended_at or 0)) == ("canceled", START)
    for one in (later, kept):
        waiting = life.payments.v1.subscriptions.update(one, {"cancel_at_period_end": True})
        assert (waiting.status, waiting.cancel_at_period_end) == ("active", True)
    assert life.payments.v1.subscriptions.update(kept, {"cancel_at_period_end": False}).cancel_at is None
    life.passes(days=30)
    assert [life.subscription(one).status for one in (later, kept)] == ["canceled", "active"]
    assert refusal(lambda: life.payments.v1.subscriptions.cancel(now)).code == "resource_missing"
    life.payments.v1.subscriptions.update(kept, {"cancel_at": int((life.now + timedelta(days=2)).timestamp())})
    life.passes(days=2)
    assert life.subscription(kept).status == "canceled"


def test_an_upgrade_is_prorated_to_the_cent_and_a_downgrade_becomes_credit(life: Life):
    ids = life.sandbox.sign_up(plan="BASIC")
    item = life.subscription(ids["subscription"])["items"].data[0]
    half = (item.current_period_end - item.current_period_start) // 2
    life.passes(seconds=half)
    wanted = {"items": [{"id": item.id, "price": "price_pilar_pro"}], "proration_behavior": "always_invoice"}
    up = life.payments.v1.subscriptions.update(ids["subscription"], wanted)  # type: ignore[arg-type]
    extra = life.payments.v1.invoices.retrieve(str(up.latest_invoice))
    assert (extra.billing_reason, extra.status, extra.amount_paid) == ("subscription_update", "paid", 2500)
    assert [line.amount for line in extra.lines.data] == [-2450, 4950]

    down = life.sandbox.change_plan(ids["subscription"], "BASIC", proration="always_invoice")
    credit = life.payments.v1.invoices.retrieve(down["invoice"])
    assert (credit.total, credit.amount_due, credit.ending_balance) == (-2500, 0, -2500)
    assert life.payments.v1.customers.retrieve(ids["customer"]).balance == -2500
    life.passes(days=16)
    renewal = life.payments.v1.invoices.retrieve(str(life.subscription(ids["subscription"]).latest_invoice))
    assert (renewal.total, renewal.starting_balance, renewal.amount_paid) == (4900, -2500, 2400)


def test_prorations_wait_for_the_next_invoice_where_nothing_else_is_said(life: Life):
    ids = life.sandbox.sign_up(plan="BASIC")
    life.sandbox.change_plan(ids["subscription"], "PRO")
    assert life.subscription(ids["subscription"]).latest_invoice == ids["invoice"]
    life.passes(days=29)
    renewal = life.payments.v1.invoices.retrieve(str(life.subscription(ids["subscription"]).latest_invoice))
    assert sorted(line.amount for line in renewal.lines.data) == [-4900, 9900, 9900]
    assert renewal.amount_paid == 14900


def test_a_leap_leaves_what_the_same_time_in_steps_leaves(life: Life):
    leapt = life.sandbox.sign_up("Leap", trial_days=7)["subscription"]
    life.sandbox.fail_payments(leapt)
    life.passes(days=45)
    in_one = life.events()
    life.at(START + timedelta(days=1000), skip=True)
    stepped = life.sandbox.sign_up("Steps", trial_days=7)["subscription"]
    life.sandbox.fail_payments(stepped)
    begun = life.now
    for _ in range(15):
        life.passes(days=3)
    in_steps = life.events(begun)
    assert [(kind, at - START) for kind, at in in_one] == [(kind, at - begun) for kind, at in in_steps]


def test_months_that_are_skipped_are_not_charged_and_the_next_one_is(life: Life):
    bought = life.sandbox.sign_up(trial_days=7)["subscription"]
    life.at(datetime(2031, 3, 3, 9, tzinfo=UTC), skip=True)
    skipped = life.subscription(bought)
    assert (skipped.status, moment(skipped["items"].data[0].current_period_end)) == (
        "active",
        datetime(2031, 3, 7, 10, tzinfo=UTC),
    )
    assert life.kinds().count("invoice.paid") == 1
    life.passes(days=5)
    assert life.kinds().count("invoice.paid") == 2


def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(life: Life):
    bought = life.sandbox.sign_up()["subscription"]
    before = life.subscription(bought).to_dict()
    told = {}
    for change, words in (
        ({"items": [{"id": "si_x", "price": "price_pilar_pro"}]}, "si_x"),
        ({"items": [{"price": "price_pilar_pro"}]}, "one item"),
        ({"cancel_at": 1}, "future"),
        ({"trial_end": "now"}, "not in a trial"),
        ({"cancel_at_period_end": "perhaps"}, "true or false"),
        ({"discount": "x"}, "discount"),
    ):
        refused = refusal(lambda wanted=change: life.payments.v1.subscriptions.update(bought, wanted))  # type: ignore[misc]
        assert refused.http_status == 400
        assert words in str(refused)
        told[words] = refused.code
        assert life.subscription(bought).to_dict() == before
    assert (told["si_x"], told["discount"]) == ("resource_missing", "parameter_unknown")


@settings(max_examples=40)
@given(
    amount=st.integers(0, 99_999_999),
    start=st.integers(0, 10**9),
    length=st.integers(1, 10**7),
    part=st.floats(-0.5, 1.5),
)
def test_what_is_used_and_what_is_left_of_a_period_are_the_whole(amount: int, start: int, length: int, part: float):
    at = start + int(length * part)
    left = periods.share(amount, start, start + length, at)
    assert 0 <= left <= amount
    exact = amount * min(max(start + length - at, 0), length) / length
    assert abs(left - exact) <= 0.5 + 1e-6 * amount


@settings(max_examples=25)
@given(
    begun=st.integers(946_684_800, 2_840_140_800),
    interval=st.sampled_from(periods.INTERVALS),
    count=st.integers(1, 3),
)
def test_periods_follow_each_other_without_gap_and_never_drift(begun: int, interval: str, count: int):
    start = begun
    for number in range(1, 14):
        end = periods.end_of(begun, start, interval, count)
        assert start < end == periods.after(begun, interval, count * number)
        start = end
