"""Fields that nobody asks the sandbox for. What belongs here: those of each kind, as they are while nothing is set.

They are added when an object is kept, so that whoever reads one finds every field of the current API; what the sandbox
does give a meaning to is in the files of objects.
"""

from __future__ import annotations

import copy
from typing import Any

NO_TAX = {"enabled": False, "liability": None, "status": None}


def _none(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names)


UNSET: dict[str, dict[str, Any]] = {
    "customer": {
        **_none("discount", "invoice_prefix"),
        "next_invoice_sequence": 1,
    },
    "product": _none("package_dimensions", "shippable", "statement_descriptor", "tax_code", "unit_label"),
    "price": _none("custom_unit_amount", "transform_quantity"),
    "payment_method": _none("customer_account"),
    "subscription": {
        **_none("application", "application_fee_percent", "billing_cycle_anchor_config", "billing_thresholds"),
        **_none("customer_account", "days_until_due", "default_source", "next_pending_invoice_item_invoice"),
        **_none("on_behalf_of", "pending_invoice_item_interval", "pending_setup_intent", "pending_update"),
        **_none("transfer_data"),
        "automatic_tax": NO_TAX,
        "default_tax_rates": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "payment_settings": {"payment_method_types": None, "save_default_payment_method": "off"},
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    },
    "invoice": {
        **_none("account_tax_ids", "application", "automatically_finalizes_at", "custom_fields", "customer_account"),
        **_none("customer_shipping", "default_source", "effective_at", "footer", "from_invoice"),
        **_none("last_finalization_error", "latest_revision", "on_behalf_of", "receipt_number", "rendering"),
        **_none(
            "shipping_cost", "shipping_details", "statement_descriptor", "test_clock", "total_pretax_credit_amounts"
        ),
        **_none("webhooks_delivered_at"),
        "amount_overpaid": 0,
        "amount_shipping": 0,
        "automatic_tax": NO_TAX,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "total_discount_amounts": [],
        "total_taxes": [],
    },
    "invoiceitem": _none("customer_account"),
    "payment_intent": {
        **_none("application", "application_fee_amount", "automatic_payment_methods", "customer_account"),
        **_none("on_behalf_of", "payment_method_configuration_details", "processing", "review"),
        **_none("setup_future_usage", "shipping", "source", "statement_descriptor", "statement_descriptor_suffix"),
        **_none("transfer_data"),
        "amount_details": {"tip": {}},
        "payment_method_options": {},
    },
    "charge": {
        **_none("application", "application_fee", "application_fee_amount", "calculated_statement_descriptor"),
        **_none("failure_balance_transaction", "on_behalf_of", "receipt_number", "receipt_url", "review"),
        **_none("shipping", "source", "statement_descriptor", "statement_descriptor_suffix", "transfer_data"),
        "fraud_details": {},
    },
    "dispute": {"enhanced_eligibility_types": []},
    "checkout.session": {
        **_none("after_expiration", "allow_promotion_codes", "billing_address_collection", "client_secret"),
        **_none("collected_information", "consent", "consent_collection", "currency_conversion", "invoice_creation"),
        **_none("payment_method_collection", "payment_method_configuration_details", "recovered_from"),
        **_none("saved_payment_method_options", "setup_intent", "shipping_address_collection", "shipping_cost"),
        **_none("submit_type"),
        "adaptive_pricing": {"enabled": False},
        "automatic_tax": NO_TAX,
        "custom_text": {},
        "discounts": [],
        "payment_method_options": {},
        "shipping_options": [],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    },
    "payout": _none("application_fee", "application_fee_amount", "payout_method", "trace_id"),
}


def fill(body: dict[str, Any]) -> None:
    """Give an object the fields of its kind that it lacks."""
    for name, value in copy.deepcopy(UNSET.get(str(body["object"]), {})).items():
        body.setdefault(name, value)
