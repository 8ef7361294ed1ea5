"""Our clients and checks against the sandbox: each studio's way, as far as providers are concerned, walked for real."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from pilar.errors import BadSignature, Conflict, CredentialsRefused, InsufficientFunds, Invalid, NotFound, Permanent
from pilar.money import Money
from pilar.providers.email.client import Mailer
from pilar.providers.stripe import signature as stripe_signature
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.stripe.events import subject_of
from pilar.providers.twilio import signature as twilio_signature
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import AUTH_TOKEN, KEY_SECRET, KEY_SID, TwilioCredentials, of_account
from tests.contract.world import BACK, World, bought_number, code_from_accepting

# Stripe


def test_a_paid_signup_is_read_from_its_events_to_its_checkout(world: World) -> None:
    world.sandbox.set_targets(stripe_webhook_url=f"{world.hooks.base}/stripe")
    ids = world.sandbox.sign_up("Studio Zon", email="owner@zon.example", country="NL", plan="PRO")
    world.sandbox.wait_idle()

    subjects = []
    for request in world.hooks.requests:
        header = request.headers["stripe-signature"]
        stripe_signature.verify(request.body, header, [world.sandbox.config.stripe_webhook_secret], datetime.now(UTC))
        with pytest.raises(BadSignature):
            stripe_signature.verify(request.body + b" ", header, [], datetime.now(UTC))
        subjects.append(subject_of(json.loads(request.body)))
    assert {subject.customer_id for subject in subjects} == {ids["customer"]}
    about_it = {subject.type for subject in subjects if subject.subscription_id == ids["subscription"]}
    assert about_it == {"checkout.session.completed", "customer.subscription.created", "invoice.paid"}

    subscription = world.stripe.subscription(ids["subscription"])
    assert subscription.status == "active"
    assert subscription.customer.id == ids["customer"]
    assert subscription.customer.email == "owner@zon.example"
    assert isinstance(subscription.amount, Money)
    assert subscription.current_period_end is not None

    checkout = world.stripe.checkout_of(ids["subscription"])
    assert checkout is not None
    assert (checkout.id, checkout.studio_name) == (ids["checkout_session"], "Studio Zon")
    assert (checkout.country, checkout.time_zone) == ("NL", "Europe/Amsterdam")


def test_a_payment_is_followed_from_its_invoice_to_what_has_gone_back(world: World) -> None:
    ids = world.sandbox.sign_up(plan="BASIC", client_reference_id="click-1")
    checkout = world.stripe.checkout_of(ids["subscription"])
    assert checkout is not None
    assert checkout.client_reference_id == "click-1"
    assert checkout.created is not None

    invoice = world.stripe.invoice(ids["invoice"])
    assert (invoice.subscription_id, invoice.customer_id) == (ids["subscription"], ids["customer"])
    assert (invoice.amount_paid, invoice.billing_reason) == (Money(4900, "EUR"), "subscription_create")
    assert invoice.paid_at is not None
    charge = world.stripe.charge_of_invoice(invoice.id)
    assert charge is not None
    assert (charge.id, charge.amount, charge.gone_back.minor) == (ids["charge"], Money(4900, "EUR"), 0)
    assert charge.payment_intent_id is not None
    assert world.stripe.invoice_of_payment(charge.payment_intent_id) == invoice.id
    assert world.stripe.invoice_of_payment("pi_unknown") is None

    world.sandbox.refund(invoice=invoice.id, amount=1000)
    world.sandbox.dispute(invoice=invoice.id, amount=3000)
    charge = world.stripe.charge(charge.id)
    assert (charge.amount_refunded.minor, charge.amount_disputed.minor) == (1000, 3000)
    world.sandbox.refund(invoice=invoice.id, amount=900)
    assert world.stripe.charge(charge.id).gone_back == Money(4900, "EUR")
    world.sandbox.dispute(invoice=invoice.id, status="won")
    assert world.stripe.charge(charge.id).gone_back == Money(1900, "EUR")
    with pytest.raises(NotFound):
        world.stripe.charge("ch_unknown")
    with pytest.raises(NotFound):
        world.stripe.invoice("in_unknown")


def test_the_events_of_a_refund_name_its_charge(world: World) -> None:
    ids = world.sandbox.sign_up()
    world.sandbox.set_targets(stripe_webhook_url=f"{world.hooks.base}/stripe")
    world.sandbox.refund(invoice=ids["invoice"], amount=1)
    world.sandbox.dispute(invoice=ids["invoice"], status="lost")
    world.sandbox.wait_idle()
    subjects = [subject_of(json.loads(request.body)) for request in world.hooks.requests]
    named = {subject.type for subject in subjects if subject.charge_id == ids["charge"]}
    assert named == {
        *("charge.refunded", "refund.created"),
        *("charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"),
    }
    assert {subject.invoice_id for subject in subjects} == {None, ids["invoice"]}


def test_a_workspace_is_noted_once_however_often_it_is_said(world: World) -> None:
    ids = world.sandbox.sign_up()
    for _ in range(2):
        world.stripe.name_workspace(ids["customer"], "w-1", "name-w-1")
    assert world.stripe.subscription(ids["subscription"]).customer.metadata["pilar_workspace"] == "w-1"
    with pytest.raises(Conflict):
        world.stripe.name_workspace(ids["customer"], "w-2", "name-w-1")


def test_stripe_refuses_what_is_not_there_and_whom_it_does_not_know(world: World) -> None:
    with pytest.raises(NotFound):
        world.stripe.subscription("sub_unknown")
    stranger = StripeGateway(world.settings.model_copy(update={"stripe_api_key": "sk_test_stranger"}))
    with pytest.raises(CredentialsRefused):
        stranger.subscription("sub_unknown")
    stranger.close()


def test_an_affiliate_is_paid_and_what_was_too_much_comes_back(world: World) -> None:
    connect = world.stripe.connect
    account = connect.create_account("a-1", "bo@affiliate.example", "NL", "account-a-1").id
    page = connect.onboarding_link(account, return_url=BACK, refresh_url=BACK)
    assert world.sandbox.walk_onboarding(page.url) == BACK
    ready = connect.account(account)
    assert (ready.can_receive, ready.payouts_enabled, ready.due, ready.affiliate) == (True, True, (), "a-1")

    fifty = Money(5000, "EUR")
    with pytest.raises(InsufficientFunds):
        connect.transfer(account, fifty, "payout-1", group="payout-1")
    world.sandbox.top_up(6000)
    # Stripe repeats its refusal under the same key: another attempt is another effect.
    with pytest.raises(InsufficientFunds):
        connect.transfer(account, fifty, "payout-1", group="payout-1")
    sent = connect.transfer(account, fifty, "payout-1:2", group="payout-1", metadata={"payout": "1"})
    assert connect.transfer(account, fifty, "payout-1:2", group="payout-1", metadata={"payout": "1"}) == sent
    assert connect.transfers_in("payout-1") == [sent] == [connect.sent(sent.id)]
    assert (connect.balance().available, connect.balance(account).available) == ((Money(1000, "EUR"),), (fifty,))

    taken = connect.reverse(sent.id, Money(1500, "EUR"), "clawback-1", metadata={"cause": "refund"})
    assert connect.reversals_of(sent.id) == [taken]
    assert connect.sent(sent.id).reversed == Money(1500, "EUR")
    with pytest.raises(Permanent):
        connect.reverse(sent.id, Money(3501, "EUR"), "clawback-2")
    assert world.sandbox.effects()["stripe.transferred"] == world.sandbox.effects()["stripe.transfer_reversed"] == 1

    world.sandbox.restrict_account(account)
    held = connect.account(account)
    assert (held.can_receive, held.due) == (False, ("individual.id_number",))
    with pytest.raises(CredentialsRefused):
        connect.balance("acct_unknown")


# Twilio


def test_a_subaccount_and_its_number_are_found_again(world: World) -> None:
    opened = world.twilio.create_subaccount("w-1")
    assert world.twilio.find_subaccount("w-1") == opened
    assert world.twilio.find_subaccount("w-2") is None

    account = opened.credentials
    offered = world.twilio.available_numbers(account, "US", limit=3)
    assert len(offered) == 3
    bought = world.twilio.buy_number(account, offered[0], "w-1:number", *world.webhooks)
    assert bought.phone_number == offered[0]
    assert world.twilio.find_number(account, "w-1:number") == bought
    assert world.twilio.find_number(account, "w-1:another") is None
    world.twilio.set_webhooks(account, bought.sid, *world.webhooks)

    rival = world.twilio.create_subaccount("w-2").credentials
    with pytest.raises(Conflict):
        world.twilio.buy_number(rival, offered[0], "w-2:number", *world.webhooks)
    assert offered[0] not in world.twilio.available_numbers(rival, "US", limit=3)
    assert world.twilio.available_numbers(account, "ZZ", limit=3) == []
    assert world.sandbox.effects()["twilio.subaccount_created"] == 2


def test_a_key_speaks_for_its_account_until_it_is_deleted(world: World) -> None:
    opened, twilio = world.twilio.create_subaccount("w-1"), world.twilio
    owner = opened.credentials
    made = twilio.create_key(owner, "w-1:key")
    assert twilio.keys_of(owner) == {made.sid: "w-1:key"}
    account = of_account(opened.sid, {AUTH_TOKEN: opened.auth_token, KEY_SID: made.sid, KEY_SECRET: made.secret})
    (offered,) = twilio.available_numbers(account, "US", limit=1)
    bought = twilio.buy_number(account, offered, "w-1:number", *world.webhooks)
    assert twilio.find_number(owner, "w-1:number") == bought
    for managed in (
        lambda: twilio.create_key(account, "w-1:another"),
        lambda: twilio.keys_of(account),
        lambda: twilio.has_key(account, made.sid),
        lambda: twilio.delete_key(account, made.sid),
    ):
        with pytest.raises(CredentialsRefused):
            managed()
    assert twilio.has_key(owner, made.sid)
    for _ in range(2):
        twilio.delete_key(owner, made.sid)
    assert not twilio.has_key(owner, made.sid)
    with pytest.raises(CredentialsRefused):
        twilio.owns_number(account, bought.sid)
    assert twilio.owns_number(owner, bought.sid)
    with pytest.raises(CredentialsRefused):
        twilio.create_key(TwilioCredentials(opened.sid, "stranger"), "w-1:key")


def test_twilio_refuses_whom_it_does_not_know(world: World) -> None:
    stranger = TwilioGateway(world.settings.model_copy(update={"twilio_auth_token": "stranger"}))
    with pytest.raises(CredentialsRefused):
        stranger.create_subaccount("w-1")
    stranger.close()


def test_an_incoming_sms_carries_a_valid_signature(world: World) -> None:
    account, number = bought_number(world)
    world.sandbox.receive_sms(to=number, sender="+31612345678", text="Grüße & mehr")
    world.sandbox.wait_idle()
    (request,) = world.hooks.requests
    url, header = f"{world.hooks.base}/sms", request.headers["x-twilio-signature"]
    form = parse_qsl(request.body.decode(), keep_blank_values=True)
    twilio_signature.verify(url, form, header, [account.auth_token])
    with pytest.raises(BadSignature):
        twilio_signature.verify(url, form, header, [world.sandbox.config.twilio_auth_token])
    assert dict(form)["Body"] == "Grüße & mehr"


# Meta


def test_a_studio_is_connected_from_its_owners_consent_to_its_first_webhook(world: World) -> None:
    token = world.graph.exchange_code(code_from_accepting(world, "s-1"), BACK)
    (waba_id,) = world.graph.granted_accounts(token)
    assert world.graph.phone_numbers(token, waba_id) == []

    _, number = bought_number(world)
    phone_id = world.graph.add_phone_number(token, waba_id, number, "Studio Zon")
    (listed,) = world.graph.phone_numbers(token, waba_id)
    assert listed == world.graph.phone_number(token, phone_id)
    assert (listed.id, listed.phone_number, listed.code_verified) == (phone_id, number, False)

    with pytest.raises(Permanent):
        world.graph.register(token, phone_id, "654321")
    world.graph.request_code(token, phone_id, "en_US")
    world.sandbox.wait_idle()
    code = re.search(r"(\d{3})-(\d{3})", world.hooks.requests[-1].form["Body"])
    assert code is not None
    world.graph.verify_code(token, phone_id, "".join(code.groups()))
    world.graph.register(token, phone_id, "654321")
    connected = world.graph.phone_number(token, phone_id)
    assert (connected.code_verified, connected.status) == (True, "CONNECTED")

    assert world.graph.subscribed(token, waba_id) is False
    world.graph.subscribe_app(token, waba_id)
    assert world.graph.subscribed(token, waba_id) is True


def test_a_code_is_good_once_and_a_token_for_its_own_studio(world: World) -> None:
    code = code_from_accepting(world, "s-1")
    token = world.graph.exchange_code(code, BACK)
    with pytest.raises(Invalid):
        world.graph.exchange_code(code, BACK)
    (waba_id,) = world.graph.granted_accounts(token)
    other = world.graph.exchange_code(code_from_accepting(world, "s-2"), BACK)
    with pytest.raises(Permanent):
        world.graph.phone_numbers(other, waba_id)
    with pytest.raises(CredentialsRefused):
        world.graph.phone_numbers("EAAstranger", waba_id)
    with pytest.raises(CredentialsRefused):
        world.graph.granted_accounts("EAAstranger")


# Mail


def test_a_mail_arrives(world: World) -> None:
    Mailer(world.settings).send("owner@zon.example", "Één link", "Hier – klik", "<p>Hier</p>", "mail-1")
    (arrived,) = world.sandbox.mails("owner@zon.example")
    assert (arrived["subject"], arrived["text"].strip(), arrived["html"].strip()) == (
        "Één link",
        "Hier – klik",
        "<p>Hier</p>",
    )
