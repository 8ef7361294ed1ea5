"""Looking at each studio's parts, set-based: one statement per component for any number of studios.

What belongs here: what is looked at and when it counts as degraded or failed. What does not: what follows from it
(scores, incidents, remedies).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.clocks import Clocks

EVERY = timedelta(minutes=5)

_UPSERT = """
insert into health_check (workspace_id, component, status, metrics, issues, last_check, next_check,
                          consecutive_failures)
select workspace_id, :component, status, metrics, issues, :business_now, :next_check,
       case status when 'failed' then 1 else 0 end
from seen
on conflict (workspace_id, component) do update set
  status = excluded.status, metrics = excluded.metrics, issues = excluded.issues,
  last_check = excluded.last_check, next_check = excluded.next_check,
  consecutive_failures = case excluded.status when 'failed' then health_check.consecutive_failures + 1 else 0 end
"""

_STUDIOS = "select workspace_id from workspace where state <> 'closed' and (:all or workspace_id = any(:studios))"


def _integration(provider: str) -> str:
    return f"""
    select s.workspace_id,
           case i.state when 'connected' then 'healthy' when 'failed' then 'failed' else 'degraded' end as status,
           jsonb_build_object('state', coalesce(i.state, 'absent')) as metrics,
           case when i.state = 'connected' then '[]'::jsonb
                else jsonb_build_array('The {provider} account is ' || coalesce(i.state, 'absent') || '.') end as issues
    from studio s left join integration i on i.workspace_id = s.workspace_id and i.provider = '{provider}'
    """


_COMPONENTS = {
    "twilio_integration": _integration("twilio"),
    "whatsapp_integration": _integration("whatsapp"),
    "queue_processing": """
    select s.workspace_id,
           case when coalesce(d.dead, 0) > 0 then 'failed'
                when q.oldest < :real_now - interval '5 minutes' then 'degraded' else 'healthy' end as status,
           jsonb_build_object('waiting', coalesce(q.waiting, 0), 'dead_letters', coalesce(d.dead, 0)) as metrics,
           case when coalesce(d.dead, 0) > 0 then jsonb_build_array(d.dead || ' pieces of work need help.')
                when q.oldest < :real_now - interval '5 minutes'
                then jsonb_build_array('Work has waited for more than five minutes.') else '[]'::jsonb end as issues
    from studio s
    left join (select workspace_id, count(*) as waiting, min(due_at) as oldest from queue group by 1) q
      using (workspace_id)
    left join (select workspace_id, count(*) as dead from dead_letter group by 1) d using (workspace_id)
    """,
    "rate_limits": """
    select s.workspace_id,
           case when coalesce(b.share, 0) >= 1 then 'failed' when b.share >= 0.8 then 'degraded' else 'healthy' end
             as status,
           jsonb_build_object('budget_utilization', round(coalesce(b.share, 0), 3)) as metrics,
           case when b.share >= 0.8
                then jsonb_build_array(round(b.share * 100) || ' % of the budget of ' || b.resource || ' is used.')
                else '[]'::jsonb end as issues
    from studio s left join lateral (
      select l.resource, (u.used + u.reserved)::numeric / nullif(l.amount, 0) as share
      from budget_limit l join budget_usage u using (workspace_id, resource, period)
      where l.workspace_id = s.workspace_id
        and u.window_start = date_trunc(l.period, :business_now at time zone 'UTC') at time zone 'UTC'
      order by share desc nulls last limit 1
    ) b on true
    """,
}

COMPONENTS = tuple(_COMPONENTS)


def run_checks(connection: Connection, clocks: Clocks, studios: Sequence[UUID] | None = None) -> dict[str, int]:
    """Look at the given studios (None: all), and return how many of their parts are in which state.

    Needs the fleet's scope.
    """
    now = clocks.business.now()
    values = {
        "all": studios is None,
        "studios": list(studios or ()),
        "business_now": now,
        "real_now": clocks.real.now(),
        "next_check": now + EVERY,
    }
    for component, query in _COMPONENTS.items():
        statement = f"with studio as materialized ({_STUDIOS}), seen as ({query}) {_UPSERT}"
        connection.execute(text(statement), {**values, "component": component})
    rows = connection.execute(
        text(
            "select status, count(*) from health_check where :all or workspace_id = any(:studios)"
            " group by status order by status"
        ),
        {"all": values["all"], "studios": values["studios"]},
    ).all()
    return {row[0]: row[1] for row in rows}
