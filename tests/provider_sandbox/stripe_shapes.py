"""What Stripe's objects look like. What belongs here: the fields of each kind with their types, and checking them.

Written from the field names and types that Stripe publishes for its current API. One word stands for each field:
`name` a text, `name#` a whole number, `name!` true or false, `name[]` a list, `name{}` an object; with a `?` after it
the field may be null. A further field is no mistake, as Stripe adds them without notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FIELDS = {
    "customer": """id created# address{}? balance# currency? default_source? delinquent! description? email? livemode!
        discount{}? invoice_prefix? invoice_settings{} metadata{} name? phone? preferred_locales[] shipping{}?
        tax_exempt next_invoice_sequence# test_clock?""",
    "product": """id active! created# default_price? description? images[] livemode! marketing_features[] metadata{}
        name package_dimensions{}? shippable!? statement_descriptor? tax_code? type unit_label? updated# url?""",
    "price": """id active! billing_scheme created# currency custom_unit_amount{}? livemode! lookup_key? metadata{}
        nickname? product recurring{}? tax_behavior tiers_mode? transform_quantity{}? type unit_amount#
        unit_amount_decimal""",
    "payment_method": "id allow_redisplay billing_details{} card{} created# customer? livemode! metadata{} type",
    "subscription": """id application? automatic_tax{} billing_cycle_anchor# cancel_at#? cancel_at_period_end!
        canceled_at#? cancellation_details{} collection_method created# currency customer days_until_due#?
        default_payment_method? default_source? default_tax_rates[] description? discounts[] ended_at#? items{}
        invoice_settings{} latest_invoice? livemode! metadata{} next_pending_invoice_item_invoice#? on_behalf_of?
        pause_collection{}? payment_settings{} pending_setup_intent? pending_update{}? schedule? start_date# status
        test_clock? transfer_data{}? trial_end#? trial_settings{} trial_start#?""",
    "subscription_item": """id created# current_period_end# current_period_start# discounts[] metadata{} price{}
        quantity# subscription tax_rates[]""",
    "invoice": """id account_country account_name? amount_due# amount_overpaid# amount_paid# amount_remaining#
        amount_shipping# application? attempt_count# attempted! auto_advance! automatic_tax{} billing_reason
        collection_method created# currency custom_fields[]? customer customer_address{}? customer_email?
        customer_name? customer_phone? customer_tax_exempt customer_tax_ids[] default_payment_method?
        default_tax_rates[] description? discounts[] due_date#? effective_at#? ending_balance#? footer?
        hosted_invoice_url? invoice_pdf? issuer{} lines{} livemode! metadata{} next_payment_attempt#? number?
        on_behalf_of? parent{}? payment_settings{} period_end# period_start# post_payment_credit_notes_amount#
        pre_payment_credit_notes_amount# receipt_number? starting_balance# statement_descriptor? status
        status_transitions{} subtotal# test_clock? total# total_discount_amounts[] total_taxes[]
        webhooks_delivered_at#?""",
    "line_item": """id amount# currency description? discount_amounts[] discountable! discounts[] invoice livemode!
        metadata{} parent{}? period{} pricing{}? quantity# taxes[]?""",
    "invoiceitem": """id amount# currency customer date# description? discountable! discounts[] invoice? livemode!
        metadata{} parent{}? period{} pricing{}? proration! quantity# tax_rates[] test_clock?""",
    "invoice_payment": """id amount_paid#? amount_requested# created# currency invoice is_default! livemode! payment{}
        status status_transitions{}""",
    "payment_intent": """id amount# amount_capturable# amount_details{} amount_received# application?
        canceled_at#? cancellation_reason? capture_method client_secret confirmation_method created# currency customer?
        description? last_payment_error{}? latest_charge? livemode! metadata{} next_action{}? on_behalf_of?
        payment_method? payment_method_options{} payment_method_types[] processing{}? receipt_email? review?
        setup_future_usage? shipping{}? statement_descriptor? status transfer_data{}? transfer_group?""",
    "charge": """id amount# amount_captured# amount_refunded# application? application_fee? balance_transaction?
        billing_details{} calculated_statement_descriptor? captured! created# currency customer? description? disputed!
        failure_balance_transaction? failure_code? failure_message? fraud_details{} livemode! metadata{} on_behalf_of?
        outcome{} paid! payment_intent payment_method payment_method_details{} receipt_email? receipt_number?
        receipt_url? refunded! review? shipping{}? source_transfer? statement_descriptor? status transfer_data{}?
        transfer_group?""",
    "refund": """id amount# balance_transaction charge created# currency destination_details{} metadata{} payment_intent
        reason? receipt_number? source_transfer_reversal? status transfer_reversal?""",
    "dispute": """id amount# balance_transactions[] charge created# currency enhanced_eligibility_types[] evidence{}
        evidence_details{} is_charge_refundable! livemode! metadata{} payment_intent payment_method_details{} reason
        status""",
    "checkout.session": """id amount_subtotal# amount_total# automatic_tax{} cancel_url? client_reference_id? created#
        consent{}? currency custom_fields[] custom_text{} customer? customer_creation? customer_details{}?
        customer_email? discounts[] expires_at# invoice? livemode! locale? metadata{} mode payment_intent?
        payment_link? payment_method_collection? payment_method_options{} payment_method_types[] payment_status
        phone_number_collection{} recovered_from? setup_intent? shipping_options[] status submit_type? subscription?
        success_url? total_details{} ui_mode url?""",
    "account": """id business_profile{} business_type? capabilities{} charges_enabled! controller{} country created#
        default_currency details_submitted! email? external_accounts{} future_requirements{} metadata{}
        payouts_enabled! requirements{} settings{} tos_acceptance{} type""",
    "account_link": "created# expires_at# url",
    "bank_account": "id account account_holder_name? bank_name? country currency last4 status metadata{}",
    "transfer": """id amount# amount_reversed# balance_transaction created# currency description? destination
        destination_payment livemode! metadata{} reversals{} reversed! source_transaction? source_type
        transfer_group?""",
    "transfer_reversal": """id amount# balance_transaction created# currency destination_payment_refund? metadata{}
        source_refund? transfer""",
    "payout": """id amount# application_fee? arrival_date# automatic! balance_transaction created# currency
        description? destination failure_balance_transaction? failure_code? failure_message? livemode! metadata{}
        method original_payout? reconciliation_status reversed_by? source_type statement_descriptor? status
        trace_id{}? type""",
    "balance": "available[] livemode! pending[]",
    "balance_transaction": """id amount# available_on# balance_type created# currency description? exchange_rate#? fee#
        fee_details[] net# reporting_category source status type""",
    "event": "id api_version created# data{} livemode! pending_webhooks# request{} type",
    "list": "data[] has_more! url",
    "item": "id amount_discount# amount_subtotal# amount_tax# amount_total# currency description? price{} quantity#",
}
TYPES: dict[str, type] = {"#": int, "!": bool, "[]": list, "{}": dict}


def faults(document: Any, place: str = "") -> Iterator[str]:
    """What is wrong with a document, and with every object inside it."""
    if isinstance(document, list):
        for number, inner in enumerate(document):
            yield from faults(inner, f"{place}[{number}]")
    if not isinstance(document, dict):
        return
    kind = document.get("object")
    if isinstance(kind, str) and not document.get("deleted"):
        if kind not in FIELDS:
            yield f"{place}: nobody knows a {kind}"
        else:
            for word in FIELDS[kind].split():
                yield from _fault(document, word, f"{place} ({kind})")
    for name, inner in document.items():
        # What changed, and an error inside an intent, are parts of objects, not whole ones.
        if name not in {"previous_attributes", "last_payment_error"}:
            yield from faults(inner, f"{place}.{name}")


def _fault(document: dict[str, Any], word: str, place: str) -> Iterator[str]:
    may_be_null = word.endswith("?")
    word = word.removesuffix("?")
    sign = next((sign for sign in TYPES if word.endswith(sign)), "")
    name = word.removesuffix(sign)
    if name not in document:
        yield f"{place}: {name} is missing"
        return
    value = document[name]
    wanted = TYPES.get(sign, str)
    if value is None:
        if not may_be_null:
            yield f"{place}: {name} is null"
        return
    # An id stands for its object, which stands there where it was expanded.
    is_expanded = wanted is str and isinstance(value, dict) and "object" in value
    is_right = isinstance(value, wanted) and not (isinstance(value, bool) and wanted is int)
    if not is_right and not is_expanded:
        yield f"{place}: {name} is {value!r}"
