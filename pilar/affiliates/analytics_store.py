"""Writing what analysts read. What belongs here: the set-based SQL of the two tables, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

_COMMISSIONS = text("""
insert into analytics.workspace_commission (workspace_id, affiliate_id, currency, invoices, base_minor, earned_minor,
  held_minor, payable_minor, clawed_back_minor, refreshed_at)
select c.workspace_id, c.affiliate_id, c.currency, count(*), sum(c.base_minor), sum(c.amount_minor),
       sum(e.held), sum(e.payable), sum(e.clawed_back), :now
from commission c
cross join lateral (
  select coalesce(sum(amount_minor) filter (where account = 'held'), 0) as held,
         coalesce(sum(amount_minor) filter (where account = 'payable'), 0) as payable,
         coalesce(sum(amount_minor) filter (where account = 'programme_expense' and kind <> 'earned'), 0) as clawed_back
  from ledger_entry where affiliate_id = c.affiliate_id and commission_id = c.id
) e
where c.workspace_id = any(:studios)
group by c.workspace_id, c.affiliate_id, c.currency
on conflict (workspace_id, affiliate_id, currency) do update set
  invoices = excluded.invoices, base_minor = excluded.base_minor, earned_minor = excluded.earned_minor,
  held_minor = excluded.held_minor, payable_minor = excluded.payable_minor,
  clawed_back_minor = excluded.clawed_back_minor, refreshed_at = excluded.refreshed_at
""")

# Who has earned nothing yet has a row in the programme's currency.
_BALANCES = text("""
with stands as (
  select affiliate_id, currency,
         coalesce(-sum(amount_minor) filter (where account = 'programme_expense' and kind = 'earned'), 0) as earned,
         coalesce(sum(amount_minor) filter (where account = 'held'), 0) as held,
         coalesce(sum(amount_minor) filter (where account = 'payable'), 0) as payable,
         coalesce(sum(amount_minor) filter (where account = 'programme_expense' and kind <> 'earned'), 0)
           as clawed_back,
         coalesce(sum(amount_minor) filter (where account = 'paid_out'), 0) as paid
  from ledger_entry group by affiliate_id, currency
)
insert into analytics.affiliate_balance (affiliate_id, currency, name, clicks, conversions, earned_minor, held_minor,
  payable_minor, clawed_back_minor, paid_minor, refreshed_at)
select a.affiliate_id, coalesce(s.currency, p.currency), a.name,
       (select count(*) from affiliate_click k where k.affiliate_id = a.affiliate_id),
       (select count(*) from conversion v where v.affiliate_id = a.affiliate_id and v.refused_reason is null),
       coalesce(s.earned, 0), coalesce(s.held, 0), coalesce(s.payable, 0), coalesce(s.clawed_back, 0),
       coalesce(s.paid, 0), :now
from affiliate a
join affiliate_programme p on p.version = a.programme_version
left join stands s on s.affiliate_id = a.affiliate_id
on conflict (affiliate_id, currency) do update set
  name = excluded.name, clicks = excluded.clicks, conversions = excluded.conversions,
  earned_minor = excluded.earned_minor, held_minor = excluded.held_minor, payable_minor = excluded.payable_minor,
  clawed_back_minor = excluded.clawed_back_minor, paid_minor = excluded.paid_minor,
  refreshed_at = excluded.refreshed_at
""")


def write_commissions(connection: Connection, studios: Sequence[UUID], now: datetime) -> int:
    """Write what the studios' payments have earned; return how many rows that were."""
    return connection.execute(_COMMISSIONS, {"studios": list(studios), "now": now}).rowcount


def write_balances(connection: Connection, now: datetime) -> int:
    """Write how every affiliate stands; return how many rows that were."""
    return connection.execute(_BALANCES, {"now": now}).rowcount
