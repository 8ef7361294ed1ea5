"""Connected accounts, transfers, reversals and payouts, as Stripe's own SDK and an affiliate see them."""

from __future__ import annotations

import json
import time

import httpx
import stripe

from tests.provider_sandbox.product import Product
from tests.provider_sandbox.stripe_life import Life, refusal

BACK, AGAIN = "http://127.0.0.1:1/back", "http://127.0.0.1:1/again"


def account(life: Life, *, ready: bool = True, interval: str = "manual") -> str:
    made = life.payments.v1.accounts.create(
        {
            "type": "express",
            "country": "NL",
            "email": "bo@affiliate.example",
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": interval}}},  # type: ignore[typeddict-item]
            "metadata": {"pilar_affiliate": "a-1"},
        }
    )
    assert (made.details_submitted, made.payouts_enabled) == (False, False)
    assert made.requirements is not None
    assert "external_account" in (made.requirements.currently_due or [])
    if ready:
        life.sandbox.complete_onboarding(made.id)
    return made.id


def link(life: Life, to: str) -> stripe.AccountLink:
    return life.payments.v1.account_links.create(
        {"account": to, "return_url": BACK, "refresh_url": AGAIN, "type": "account_onboarding"}
    )


def funds(life: Life, connected: str | None = None) -> tuple[int, int]:
    options: dict = {"stripe_account": connected} if connected else {}
    balance = life.payments.v1.balance.retrieve(options=options)
    return balance.available[0].amount, balance.pending[0].amount


def transferred(life: Life, to: str, amount: int, **more: object) -> stripe.Transfer:
    return life.payments.v1.transfers.create({"destination": to, "amount": amount, "currency": "eur", **more})  # type: ignore[typeddict-item]


def test_an_affiliate_walks_through_the_page_of_a_link_and_can_be_paid(life: Life, product: Product):
    life.sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    life.sandbox.top_up(5000)
    connected = account(life, ready=False)
    refused = refusal(lambda: transferred(life, connected, 100))
    assert (refused.http_status, refused.code) == (400, "insufficient_capabilities_for_transfer")

    first = link(life, connected)
    assert 0 < first.expires_at - time.time() <= 300
    page = httpx.post(first.url, data={"name": "Bo", "iban": "nonsense"}, trust_env=False)
    assert (page.status_code, "IBAN" in page.text) == (400, True)
    assert life.sandbox.walk_onboarding(first.url, name="Bo") == BACK
    assert httpx.get(first.url, trust_env=False).headers["location"] == AGAIN

    ready = life.payments.v1.accounts.retrieve(connected)
    assert (ready.details_submitted, ready.payouts_enabled, ready.charges_enabled) == (True, True, True)
    assert ready.requirements is not None
    assert ready.requirements.currently_due == []
    assert transferred(life, connected, 100).destination == connected
    life.sandbox.wait_idle()
    told = [json.loads(request.body) for request in product.at("/hook")]
    [updated] = {one["id"]: one for one in told if one["type"] == "account.updated"}.values()
    assert (updated["account"], updated["data"]["object"]["payouts_enabled"]) == (connected, True)
    assert updated["data"]["previous_attributes"]["payouts_enabled"] is False
    assert life.sandbox.effects()["stripe.transferred"] == 1


def test_who_saves_for_later_needs_another_link_and_who_is_asked_for_more_gets_nothing(life: Life):
    life.sandbox.top_up(5000)
    connected = account(life, ready=False)
    later = link(life, connected)
    answer = httpx.post(later.url, data={"decision": "later"}, trust_env=False)
    assert answer.headers["location"] == BACK
    assert life.payments.v1.accounts.retrieve(connected).details_submitted is False
    life.sandbox.walk_onboarding(link(life, connected).url)
    life.sandbox.restrict_account(connected, ["individual.id_number"])
    held = life.payments.v1.accounts.retrieve(connected)
    assert held.requirements is not None
    assert (held.payouts_enabled, held.requirements.disabled_reason) == (False, "requirements.past_due")
    assert held.requirements.currently_due == ["individual.id_number"]
    assert refusal(lambda: transferred(life, connected, 1)).code == "insufficient_capabilities_for_transfer"


def test_a_transfer_needs_money_that_is_available(life: Life):
    connected = account(life)
    life.sandbox.sign_up(plan="PRO")
    assert funds(life) == (0, 9900 - 174)
    refused = refusal(lambda: transferred(life, connected, 1000))
    assert (refused.http_status, refused.code) == (400, "balance_insufficient")
    life.passes(days=2)
    assert funds(life) == (9726, 0)
    sent = transferred(life, connected, 1000, transfer_group="payout-1", metadata={"payout": "1"})
    assert (funds(life), funds(life, connected)) == ((8726, 0), (1000, 0))
    assert [one.id for one in life.payments.v1.transfers.list({"transfer_group": "payout-1"}).data] == [sent.id]
    assert refusal(lambda: transferred(life, "acct_unknown", 1)).code == "resource_missing"


def test_a_transfer_out_of_a_charge_becomes_available_with_it_and_is_never_more(life: Life):
    connected = account(life)
    charge = life.sandbox.sign_up(plan="BASIC")["charge"]
    transferred(life, connected, 4000, source_transaction=charge)
    assert funds(life, connected) == (0, 4000)
    assert "900 is left" in str(refusal(lambda: transferred(life, connected, 901, source_transaction=charge)))
    life.passes(days=2)
    assert funds(life, connected) == (4000, 0)


def test_a_reversal_takes_back_what_the_account_still_has(life: Life, product: Product):
    life.sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    life.sandbox.top_up(5000)
    connected = account(life)
    sent = transferred(life, connected, 3000)
    part = life.payments.v1.transfers.reversals.create(sent.id, {"amount": 1000, "metadata": {"why": "refund"}})
    assert (part.amount, part.transfer) == (1000, sent.id)
    assert "2000 left" in str(refusal(lambda: life.payments.v1.transfers.reversals.create(sent.id, {"amount": 2001})))

    at_the_bank = {"stripe_account": connected}
    life.payments.v1.payouts.create({"amount": 1500, "currency": "eur"}, at_the_bank)  # type: ignore[arg-type]
    refused = refusal(lambda: life.payments.v1.transfers.reversals.create(sent.id))
    assert (refused.http_status, refused.code) == (400, "balance_insufficient")
    life.payments.v1.transfers.reversals.create(sent.id, {"amount": 500})
    now = life.payments.v1.transfers.retrieve(sent.id)
    assert (now.amount_reversed, now.reversed, len(now.reversals.data)) == (1500, False, 2)
    assert [one.amount for one in life.payments.v1.transfers.reversals.list(sent.id).data] == [500, 1000]
    assert life.payments.v1.transfers.reversals.retrieve(sent.id, part.id).metadata["why"] == "refund"
    assert (funds(life), funds(life, connected)) == ((3500, 0), (0, 0))
    assert life.sandbox.effects()["stripe.transfer_reversed"] == 2
    life.sandbox.wait_idle()
    told = {json.loads(request.body)["type"] for request in product.at("/hook")}
    assert {"transfer.created", "transfer.reversed", "payout.created"} <= told


def test_money_goes_to_the_bank_each_day_and_comes_back_where_the_bank_refuses_it(life: Life):
    life.sandbox.top_up(5000)
    connected = account(life, interval="daily")
    transferred(life, connected, 3000)
    life.passes(days=1)
    options: dict = {"stripe_account": connected}
    [sent] = life.payments.v1.payouts.list(options=options).data
    assert (sent.amount, sent.status, sent.automatic) == (3000, "in_transit", True)
    assert funds(life, connected) == (0, 0)
    life.sandbox.fail_payout(sent.id)
    failed = life.payments.v1.payouts.retrieve(sent.id, options=options)
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert funds(life, connected) == (3000, 0)
    life.passes(days=2)
    assert life.payments.v1.payouts.list({"status": "paid"}, options).data[0].amount == 3000
    assert life.payments.v1.payouts.list().data == []
    entries = life.payments.v1.balance_transactions.list(options=options).data
    assert sorted(one.net for one in entries) == [-3000, -3000, 3000, 3000]


def test_an_account_has_balances_of_its_own_and_nothing_else(life: Life):
    connected = account(life)
    refused = refusal(lambda: life.payments.v1.customers.list(options={"stripe_account": connected}))
    assert (refused.http_status, connected in str(refused)) == (400, True)
    stranger = refusal(lambda: life.payments.v1.balance.retrieve(options={"stripe_account": "acct_unknown"}))
    assert stranger.error is not None
    assert (stranger.http_status, stranger.error.code) == (403, "account_invalid")
