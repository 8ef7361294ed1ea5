"""Looking at each studio's parts, set-based: one statement per component for any number of studios.

What belongs here: what is looked at and when it counts as degraded or failed. What does not: what follows from it
(scores, incidents, remedies).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.clocks import Clocks

EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class ModelSeen:
    """How a language model answered when it was asked.

    Attributes:
        issue: why it did not answer, None where it did.
        tokens: what asking took.
    """

    provider: str
    model: str
    issue: str | None
    milliseconds: int
    tokens: int


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
      select l.resource, (u.used + u.reserved)::numeric / nullif(coalesce(o.amount, l.amount), 0) as share
      from budget_limit l join budget_usage u using (workspace_id, resource, period)
      left join budget_override o on o.workspace_id = l.workspace_id and o.resource = l.resource
        and o.period = l.period and o.ended_at is null and o.starts_at <= :business_now and o.until > :business_now
      where l.workspace_id = s.workspace_id
        and u.window_start = date_trunc(l.period, :business_now at time zone 'UTC') at time zone 'UTC'
      order by share desc nulls last limit 1
    ) b on true
    """,
}

COMPONENTS = tuple(_COMPONENTS)
"""What is looked at every few minutes, for all studios."""

# These read a day of a studio's messages, so they are looked at when somebody asks.
_ON_REQUEST = {
    # The provider tells what became of each message it took; where it tells of none, its webhooks don't reach us.
    "webhooks": """
    select s.workspace_id,
           case when m.untold > 0 and m.told = 0 then 'failed' when m.untold > m.told then 'degraded'
                else 'healthy' end as status,
           jsonb_build_object('messages_told_of', m.told, 'messages_not_told_of', m.untold) as metrics,
           case when m.untold > 0 and m.told = 0 or m.untold > m.told
                then jsonb_build_array('WhatsApp has told nothing about ' || m.untold || ' messages of the last day.')
                else '[]'::jsonb end as issues
    from studio s cross join lateral (
      select count(*) filter (where m.state = 'accepted') as untold,
             count(*) filter (where m.state in ('sent', 'delivered', 'read')) as told
      from message m
      where m.workspace_id = s.workspace_id and m.direction = 'out'
        and m.occurred_at >= :business_now - interval '1 day'
        and m.accepted_at < :real_now - interval '15 minutes'
    ) m
    """,
    # The agent answers by rules, so it has failed where no rule answers; without its model it is degraded.
    "ai_provider": """
    select s.workspace_id,
           case when r.rules = 0 then 'failed' when f.fell_back > f.answered or m.issue is not null then 'degraded'
                else 'healthy' end as status,
           jsonb_build_object('rules', r.rules, 'answered', f.answered, 'fell_back', f.fell_back)
             || case when m.model is null then '{}'::jsonb
                     else jsonb_build_object('model', m.model, 'provider', m.provider, 'model_answers', m.issue is null,
                                             'model_milliseconds', m.milliseconds) end as metrics,
           case when r.rules = 0 then jsonb_build_array('The agent has no rule in force: people answer everything.')
                when f.fell_back > f.answered
                then jsonb_build_array(f.fell_back || ' messages of the last day matched no rule.')
                else '[]'::jsonb end
             || case when m.issue is null then '[]'::jsonb
                     else jsonb_build_array('The model ' || m.model || ' does not answer. ' || m.issue) end as issues
    from studio s cross join lateral (
      select count(*) as rules from ai_rule where workspace_id = s.workspace_id and active
    ) r cross join lateral (
      select count(*) filter (where f.rule_id is not null) as answered,
             count(*) filter (where f.rule_id is null and f.turn_id is null) as fell_back
      from message m join rule_firing f on f.workspace_id = m.workspace_id and f.message_id = m.id
      where m.workspace_id = s.workspace_id and m.direction = 'in'
        and m.occurred_at >= :business_now - interval '1 day'
    ) f left join lateral (
      select document->'agent' as agent from workspace_configuration
      where workspace_id = s.workspace_id order by version desc limit 1
    ) c on true left join jsonb_to_recordset(cast(:models as jsonb))
      as m(provider text, model text, issue text, milliseconds int)
      on m.provider = c.agent->>'provider' and m.model = c.agent->>'model'
    """,
}

ON_REQUEST = tuple(_ON_REQUEST)


def run_checks(
    connection: Connection,
    clocks: Clocks,
    studios: Sequence[UUID] | None = None,
    components: Sequence[str] = COMPONENTS,
    models: Sequence[ModelSeen] = (),
) -> dict[str, int]:
    """Look at studios, and return how many of these parts of theirs are in which state.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: which; None: all.
        components: which of their parts.
        models: those that were asked; a studio whose model was not is judged without it.
    """
    now = clocks.business.now()
    values = {
        "all": studios is None,
        "studios": list(studios or ()),
        "components": list(components),
        "business_now": now,
        "real_now": clocks.real.now(),
        "models": json.dumps([asdict(model) for model in models]),
    }
    for component in components:
        query = {**_COMPONENTS, **_ON_REQUEST}[component]
        statement = f"with studio as materialized ({_STUDIOS}), seen as ({query}) {_UPSERT}"
        # Nobody has planned to look again at what is looked at on request.
        next_check = now + EVERY if component in _COMPONENTS else now
        connection.execute(text(statement), {**values, "component": component, "next_check": next_check})
    rows = connection.execute(
        text(
            "select status, count(*) from health_check where (:all or workspace_id = any(:studios))"
            " and component = any(:components) group by status order by status"
        ),
        {name: values[name] for name in ("all", "studios", "components")},
    ).all()
    return {row[0]: row[1] for row in rows}
