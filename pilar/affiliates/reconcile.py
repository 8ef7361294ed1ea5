"""From payments to commissions. What belongs here: asking Stripe for the truth, and bringing our books in line.

Driven by state and not by events: whichever event comes first, last or twice, what was paid and what has gone back
is read from Stripe, and the difference to what stands is posted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from pilar.affiliates import commission, ledger, store
from pilar.affiliates.attribution import attribute, click_in
from pilar.affiliates.events import ReconcileCharge, ReconcileInvoice
from pilar.affiliates.ledger import Account, Kind, Transaction
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.providers.stripe.client import StripeCheckout, StripeGateway
from pilar.providers.stripe.payments import StripeInvoice


class Reconciler:
    """Reconciles payments with what we have made of them."""

    def __init__(self, database: Database, clocks: Clocks, stripe: StripeGateway) -> None:
        self._database = database
        self._clocks = clocks
        self._stripe = stripe

    def reconcile_invoice(self, work: Work[ReconcileInvoice]) -> dict[str, Any]:
        """Bring the commission of an invoice in line."""
        return self._reconcile(work.content.invoice_id)

    def reconcile_charge(self, work: Work[ReconcileCharge]) -> dict[str, Any]:
        """Bring the commission of the invoice in line that a charge has paid."""
        charge = self._stripe.charge(work.content.charge_id)
        invoice_id = self._stripe.invoice_of_payment(charge.payment_intent_id) if charge.payment_intent_id else None
        if invoice_id is None:
            return {"skipped": "the charge has paid no invoice"}
        return self._reconcile(invoice_id)

    def _reconcile(self, invoice_id: str) -> dict[str, Any]:
        read_at = self._clocks.real.now()
        invoice = self._stripe.invoice(invoice_id)
        if invoice.subscription_id is None or invoice.paid_at is None or invoice.amount_paid.minor <= 0:
            return {"skipped": "nothing was paid for a subscription"}
        with self._database.transaction(Scope.fleet()) as connection:
            is_known = store.conversion_of(connection, invoice.subscription_id) is not None
        checkout = None if is_known else self._stripe.checkout_of(invoice.subscription_id)
        if not is_known and click_in(checkout.client_reference_id if checkout else None) is None:
            return {"skipped": "no link led to the signup"}
        charge = self._stripe.charge_of_invoice(invoice_id)
        gone_back = charge.gone_back.minor if charge else 0
        with self._database.transaction(Scope.fleet()) as connection:
            conversion = self._conversion(connection, invoice, checkout, invoice.subscription_id, invoice.paid_at)
            if conversion is None:
                return {"skipped": "the link is none of ours"}
            if conversion.refused_reason is not None:
                return {"refused": conversion.refused_reason}
            if invoice.paid_at >= commission.months_after(conversion.converted_at, conversion.reward_months):
                return {"skipped": "the months that earn commission are over"}
            earned = self._earn(connection, conversion, invoice, read_at)
            moved = self._adjust(connection, invoice_id, gone_back, read_at)
        return {"affiliate": str(conversion.affiliate_id), "earned": earned, "taken_back_minor": moved}

    def _conversion(
        self,
        connection: Connection,
        invoice: StripeInvoice,
        checkout: StripeCheckout | None,
        subscription_id: str,
        paid_at: datetime,
    ) -> Row[Any] | None:
        click_id = click_in(checkout.client_reference_id) if checkout else None
        if checkout is None or click_id is None:
            return store.conversion_of(connection, subscription_id)
        return attribute(
            connection,
            click_id,
            subscription_id=subscription_id,
            customer_id=invoice.customer_id,
            payer_email=checkout.email,
            signed_up_at=checkout.created or paid_at,
        )

    def _earn(self, connection: Connection, conversion: Row[Any], invoice: StripeInvoice, read_at: datetime) -> bool:
        """Keep the commission and post it, unless the invoice has one; return whether it is new."""
        now = self._clocks.business.now()
        base, rate = invoice.amount_paid, conversion.rate_basis_points
        amount = commission.commission_on(base.minor, rate)
        values = {
            "affiliate_id": conversion.affiliate_id,
            "id": new_id(),
            "conversion_id": conversion.id,
            "workspace_id": conversion.workspace_id or store.studio_of(connection, conversion.stripe_subscription_id),
            "stripe_invoice_id": invoice.id,
            "base_minor": base.minor,
            "refunded_minor": 0,
            "currency": base.currency,
            "rate_basis_points": rate,
            "amount_minor": amount,
            "held_until": now + timedelta(days=conversion.hold_days),
            "created_at": now,
            "read_at": read_at,
        }
        if not store.insert_commission(connection, values):
            return False
        if amount:
            entry = Transaction(
                affiliate_id=conversion.affiliate_id,
                commission_id=values["id"],
                kind=Kind.EARNED,
                cause=f"earned:{invoice.id}",
                amount_minor=amount,
                currency=base.currency,
                source=Account.PROGRAMME_EXPENSE,
                to=Account.HELD,
                posted_at=now,
            )
            ledger.post(connection, [entry])
        return True

    def _adjust(self, connection: Connection, invoice_id: str, gone_back: int, read_at: datetime) -> int:
        """Post what has to be taken back (or given back, then negative) now; return how much that was."""
        kept = store.hold_commission(connection, invoice_id)
        if kept.read_at > read_at:
            return 0  # somebody has asked Stripe after us and was here before us: they know more
        refunded = min(gone_back, kept.base_minor)
        store.set_refunded(connection, kept.affiliate_id, kept.id, refunded, read_at)
        accounts = store.standing(connection, kept.affiliate_id, kept.id)
        stands = -accounts.get(Account.PROGRAMME_EXPENSE, 0)
        moved = commission.to_take_back(stands, kept.base_minor, refunded, kept.rate_basis_points)
        if moved:
            own = Account.PAYABLE if Account.PAYABLE in accounts else Account.HELD
            expense = Account.PROGRAMME_EXPENSE
            number = store.corrections(connection, kept.affiliate_id, kept.id) + 1
            entry = Transaction(
                affiliate_id=kept.affiliate_id,
                commission_id=kept.id,
                kind=Kind.CLAWED_BACK if moved > 0 else Kind.RESTORED,
                cause=f"corrected:{invoice_id}:{number}",
                amount_minor=abs(moved),
                currency=kept.currency,
                source=own if moved > 0 else expense,
                to=expense if moved > 0 else own,
                posted_at=self._clocks.business.now(),
            )
            ledger.post(connection, [entry])
        return moved
