"""The affiliates' jobs. What belongs here: their payloads."""

from __future__ import annotations

from typing import ClassVar

from pilar.backplane.facts import Payload


class ReconcileInvoice(Payload):
    """Ask Stripe what was paid and what has gone back, and bring the commission in line."""

    type_name: ClassVar[str] = "affiliate.reconcile_invoice"

    invoice_id: str


class ReconcileCharge(Payload):
    """The same, starting at the charge that a refund or a dispute is about."""

    type_name: ClassVar[str] = "affiliate.reconcile_charge"

    charge_id: str
