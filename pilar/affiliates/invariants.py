"""What the affiliates' books promise, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "ledger_sums_to_zero",
        "Each transaction in the affiliates' ledger sums to zero.",
        """
        select affiliate_id, transaction_id, currency, sum(amount_minor) as off_by from ledger_entry
        group by affiliate_id, transaction_id, currency having sum(amount_minor) <> 0
        """,
    ),
    Invariant(
        "commissions_are_their_rate",
        "Each commission stands in the ledger at its rate on what was paid and has not gone back, to the cent.",
        # Half to even, in whole numbers, as `commission.py` has it.
        """
        with due as (
          select affiliate_id, id, base_minor, refunded_minor,
                 div((base_minor - refunded_minor)::numeric * rate_basis_points, 10000) as whole,
                 mod((base_minor - refunded_minor)::numeric * rate_basis_points, 10000) as rest
          from commission
        ), stands as (
          select affiliate_id, commission_id, -sum(amount_minor) as amount from ledger_entry
          where account = 'programme_expense' and commission_id is not null group by affiliate_id, commission_id
        )
        select d.affiliate_id, d.id, coalesce(s.amount, 0) as stands
        from due d left join stands s on s.affiliate_id = d.affiliate_id and s.commission_id = d.id
        where d.refunded_minor not between 0 and d.base_minor
           or coalesce(s.amount, 0)
              <> d.whole + case when d.rest > 5000 or (d.rest = 5000 and mod(d.whole, 2) = 1) then 1 else 0 end
        """,
    ),
    Invariant(
        "one_commission_per_invoice",
        "No invoice earns two commissions, and none for a signup that was refused.",
        """
        select stripe_invoice_id, count(*) from commission group by stripe_invoice_id having count(*) > 1
        union all
        select c.stripe_invoice_id, 1 from commission c
        join conversion v on v.affiliate_id = c.affiliate_id and v.id = c.conversion_id
        where v.refused_reason is not null
        """,
    ),
    Invariant(
        "nothing_payable_too_early",
        "No commission becomes payable before its holding period is over.",
        """
        select e.affiliate_id, e.commission_id, e.posted_at, c.held_until from ledger_entry e
        join commission c on c.affiliate_id = e.affiliate_id and c.id = e.commission_id
        where e.kind = 'matured' and e.posted_at < c.held_until
        """,
    ),
)
