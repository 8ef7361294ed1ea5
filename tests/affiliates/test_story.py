"""From a click to a payable commission, through webhooks as they come: mixed up, doubled, late."""

from __future__ import annotations

import hashlib
import hmac
import json
from itertools import permutations

import httpx
import pytest

from pilar.affiliates.events import ReconcileCharge, ReconcileInvoice
from pilar.affiliates.maturing import refresh_balances
from pilar.affiliates.reconcile import Reconciler
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Scope
from pilar.errors import Transient
from pilar.providers.stripe.client import StripeGateway
from tests.affiliates.conftest import Referrals
from tests.fixtures.system import System

PRO, SHARE = 9900, 1980


def test_a_click_becomes_a_commission_that_is_held_then_payable_and_a_refund_takes_its_share(
    system: System, referrals: Referrals
) -> None:
    ids = referrals.sign_up(studio="Studio Noord", plan="PRO")
    system.settle()
    assert referrals.balances() == {"programme_expense": -SHARE, "held": SHARE}
    [entry] = referrals.ledger().entries
    assert (entry.kind, entry.account, str(entry.amount), entry.studio_name) == (
        "earned",
        "held",
        "19.80 EUR",
        "Studio Noord",
    )
    assert entry.invoice_id == ids["invoice"]

    referrals.forward(29)
    assert referrals.refresh().matured == 0
    referrals.forward(1.1)
    assert referrals.refresh().matured == 1
    assert referrals.refresh().matured == 0
    assert referrals.balances() == {"programme_expense": -SHARE, "payable": SHARE}

    system.sandbox.refund(invoice=ids["invoice"], amount=3333)
    system.settle()
    # 20 % of 65.67
    assert referrals.balances() == {"programme_expense": -1313, "payable": 1313}
    last = referrals.ledger().entries[0]
    assert (last.kind, last.account, last.amount.minor) == ("clawed_back", "payable", 1313 - SHARE)
    [studio] = system.column("select workspace_id from workspace")
    referrals.refresh()
    assert system.rows(
        "select workspace_id, affiliate_id, currency, invoices, base_minor, earned_minor, held_minor, payable_minor,"
        " clawed_back_minor from analytics.workspace_commission"
    ) == [(studio, referrals.affiliate_id, "EUR", 1, PRO, SHARE, 0, 1313, SHARE - 1313)]
    referrals.assert_promises_hold()


def test_partial_refunds_end_in_the_cents_of_one_refund_and_all_of_it_in_nothing(
    system: System, referrals: Referrals
) -> None:
    ids = referrals.sign_up()
    for number, amount in enumerate((1, 1, 1, 2, 333, 1234)):
        system.sandbox.refund(invoice=ids["invoice"], amount=amount, seed=number)
        system.settle()
        referrals.assert_promises_hold()
    assert referrals.balances()["held"] == round((PRO - 1572) * 0.2)
    system.sandbox.refund(invoice=ids["invoice"])
    system.settle()
    assert referrals.balances() == {}
    referrals.forward(31)
    assert referrals.refresh().matured == 0
    referrals.assert_promises_hold()


def test_each_month_earns_until_the_months_are_over(system: System, referrals: Referrals) -> None:
    ids = referrals.sign_up()
    for seed in range(2):
        system.sandbox.renew(ids["subscription"], seed=seed)
    system.settle()
    assert referrals.balances()["held"] == 3 * SHARE
    assert system.column("select count(*) from conversion") == [1]
    with system.database.engine.begin() as connection:
        connection.exec_driver_sql("update conversion set converted_at = converted_at - interval '12 months'")
    system.sandbox.renew(ids["subscription"])
    system.settle()
    assert referrals.balances()["held"] == 3 * SHARE
    referrals.assert_promises_hold()


@pytest.mark.parametrize("order", list(permutations(("invoice", "charge", "again"))))
def test_the_order_of_the_news_does_not_matter(order: tuple[str, ...], system: System, referrals: Referrals) -> None:
    system.sandbox.set_targets(stripe_webhook_url=f"{system.public_url}/api/health/autopilot")  # which takes no POST
    ids = referrals.sign_up()
    system.sandbox.refund(invoice=ids["invoice"], amount=4000)
    news = {
        "invoice": ReconcileInvoice(invoice_id=ids["invoice"]),
        "charge": ReconcileCharge(charge_id=ids["charge"]),
        "again": ReconcileInvoice(invoice_id=ids["invoice"]),
    }
    for name in order:
        with system.database.transaction(Scope.fleet()) as connection:
            enqueue(connection, system.app.clocks, [Job(payload=news[name], key=name)], Cause.new())
        system._drain_once(None)
        assert referrals.balances() == {"programme_expense": -1180, "held": 1180}
    assert system.column("select kind from ledger_entry where account = 'held' order by id") == [
        "earned",
        "clawed_back",
    ]


def test_an_answer_that_is_older_than_what_is_known_changes_nothing(
    system: System, referrals: Referrals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One job asks Stripe before a refund and is slow; the refund's own job asks later and is done first."""
    ids = referrals.sign_up()
    system.settle()
    stale = system.app.gateways.stripe.charge_of_invoice(ids["invoice"])
    read_at = system.clock.now()
    system.sandbox.refund(invoice=ids["invoice"], amount=5000)
    system.settle()
    assert referrals.balances()["held"] == 980
    monkeypatch.setattr(StripeGateway, "charge_of_invoice", lambda *_: stale)
    clocks = Clocks(business=system.business, real=ManualClock(read_at))
    Reconciler(system.database, clocks, system.app.gateways.stripe)._reconcile(ids["invoice"])
    assert referrals.balances()["held"] == 980


def test_a_dispute_takes_the_commission_back_and_its_end_in_our_favour_gives_it_again(
    system: System, referrals: Referrals
) -> None:
    ids = referrals.sign_up()
    system.settle()
    system.sandbox.dispute(invoice=ids["invoice"], amount=5000)
    system.settle()
    assert referrals.balances()["held"] == 980
    system.sandbox.dispute(invoice=ids["invoice"], status="won")
    system.settle()
    assert referrals.balances()["held"] == SHARE
    system.sandbox.dispute(invoice=ids["invoice"], status="lost")
    system.settle()
    assert referrals.balances()["held"] == 980
    kinds = [one.kind for one in referrals.ledger().entries]
    assert kinds == ["clawed_back", "restored", "clawed_back", "earned"]
    referrals.assert_promises_hold()


def test_a_signup_without_a_link_or_with_a_made_up_reference_earns_nobody_anything(
    system: System, referrals: Referrals
) -> None:
    for number, reference in enumerate((None, "order-4711", "00000000-0000-7000-8000-000000000000")):
        system.sandbox.sign_up(f"Studio {number}", email=f"o{number}@s.example", client_reference_id=reference)
    system.settle()
    assert system.column("select count(*) from conversion") == [0]
    assert referrals.balances() == {}
    assert system.column("select error from dead_letter") == []


def test_ones_own_signup_earns_nothing(system: System, referrals: Referrals) -> None:
    ids = referrals.sign_up(email="Bram@Blog.example")
    system.sandbox.renew(ids["subscription"])
    system.settle()
    assert system.column("select refused_reason from conversion") == ["self_referral"]
    assert referrals.balances() == {}
    assert referrals.ledger().affiliate.conversions == 0


def test_a_click_of_long_ago_earns_nothing(system: System, referrals: Referrals) -> None:
    click = referrals.click()
    with system.database.engine.begin() as connection:
        connection.exec_driver_sql("update affiliate_click set clicked_at = clicked_at - interval '61 days'")
    system.sandbox.sign_up(client_reference_id=click)
    system.settle()
    assert system.column("select refused_reason from conversion") == ["click_too_old"]
    assert referrals.balances() == {}


def test_events_that_are_delivered_again_post_nothing_again(system: System, referrals: Referrals) -> None:
    ids = referrals.sign_up()
    system.sandbox.refund(invoice=ids["invoice"], amount=1000)
    system.settle()
    before = system.rows("select * from ledger_entry order by id")
    for number, (kind, about) in enumerate(
        (
            ("invoice.paid", {"object": "invoice", "id": ids["invoice"]}),
            ("charge.refunded", {"object": "charge", "id": ids["charge"]}),
            ("charge.refund.updated", {"object": "refund", "id": "re_1", "charge": ids["charge"]}),
        )
    ):
        _deliver(system, {"id": f"evt_again_{number}", "type": kind, "data": {"object": about}})
    system.settle()
    assert system.rows("select * from ledger_entry order by id") == before


def test_stripe_that_is_away_for_a_while_is_asked_again(
    system: System, referrals: Referrals, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, asked = StripeGateway.invoice, []

    def away(self: StripeGateway, invoice_id: str) -> object:
        asked.append(invoice_id)
        if len(asked) < 3:
            raise Transient("no answer")
        return original(self, invoice_id)

    monkeypatch.setattr(StripeGateway, "invoice", away)
    referrals.sign_up()
    system.settle()
    assert referrals.balances()["held"] == SHARE


def test_balances_of_all_affiliates_are_written_for_analysts(system: System, referrals: Referrals) -> None:
    ids = referrals.sign_up()
    referrals.click()
    system.sandbox.refund(invoice=ids["invoice"], amount=4950)
    system.settle()
    for _ in range(2):
        with system.database.transaction(Scope.fleet()) as connection:
            assert refresh_balances(connection, system.app.clocks) == 1
    with system.database.transaction(Scope.analyst()) as connection:
        found = connection.exec_driver_sql(
            "select name, currency, clicks, conversions, earned_minor, held_minor, payable_minor, clawed_back_minor,"
            " paid_minor from analytics.affiliate_balance"
        ).all()
    assert found == [("Bram Blogger", "EUR", 2, 1, SHARE, 990, 0, 990, 0)]


def _deliver(system: System, event: dict[str, object]) -> None:
    body = json.dumps(event).encode()
    stamp = int(system.clock.now().timestamp())
    secret = system.sandbox.config.stripe_webhook_secret
    signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    answer = httpx.post(
        f"{system.public_url}/api/webhooks/stripe",
        content=body,
        headers={"stripe-signature": f"t={stamp},v1={signature}"},
        trust_env=False,
    )
    assert answer.status_code == 200
