"""The SQL of what a verdict rests on. What belongs here: one statement that gathers it for a message.

It was a dozen statements, and each costs more on our side than in the database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from pilar.errors import NotFound
from pilar.messaging.purposes import VERSION

_LOCK = text(
    """
    select l.id as locked_lead, m.* from lead l join message m on m.workspace_id = l.workspace_id and m.lead_id = l.id
    where m.workspace_id = :workspace_id and m.id = :message_id
    for update of l, m
    """
)

# Locks are taken by a statement of their own before: what this one sees of other tables is as old as its beginning.
_GATHER = text(
    """
    select w.state as studio_state, w.time_zone as studio_zone,
           l.phone, l.provider_user_id, l.language, l.country, l.time_zone,
           c.mode, c.last_inbound_at,
           wa.state as number_state, wa.phone_number_id,
           tw.external_id as sms_account, tw.phone_number as sms_number,
           ns.messaging_limit, ns.throughput, ns.marketing_frozen_until, ns.restricted, ns.restricted_until,
           ns.workspace_id is not null as has_standing,
           r.unreachable_since, r.marketing_waits_until, r.sms_refused,
           (select jsonb_agg(jsonb_build_object('name', t.name, 'language', t.language, 'state', t.state,
                                                'body', t.body, 'paused_until', t.paused_until))
            from message_template t where m.template_name is not null and t.workspace_id = m.workspace_id
              and (t.name = m.template_name
                   or regexp_replace(t.name, :version, '') = regexp_replace(m.template_name, :version, ''))
           ) as templates,
           (select cast(document as text) from workspace_configuration g where g.workspace_id = m.workspace_id
            order by version desc limit 1) as configuration,
           (select jsonb_object_agg(scope, granted) from (
              select distinct on (scope) scope, granted from consent s
              where s.workspace_id = m.workspace_id and s.lead_id = m.lead_id order by scope, s.id desc) as newest
           ) as consents,
           (select jsonb_agg(jsonb_build_object('kind', kind, 'channel', channel, 'reason', reason,
                                                'is_fleet', x.workspace_id is null) order by began_at, id)
            from send_control x where x.ended_at is null
              and (x.workspace_id is null or x.workspace_id = m.workspace_id)) as controls,
           exists (select from country_block b where b.workspace_id = m.workspace_id and b.country = l.country
                     and b.blocked_at > :blocked) as country_blocked,
           (select count(*) from message o where o.workspace_id = m.workspace_id and o.direction = 'out'
              and o.attempted_at >= :day) as sent_today,
           case when m.category = 'marketing' then array(
             select o.attempted_at from message o where o.workspace_id = m.workspace_id and o.lead_id = m.lead_id
               and o.category = 'marketing' and o.attempted_at > :week and o.id <> m.id
               and o.state in ('attempted', 'unknown', 'accepted', 'sent', 'delivered', 'read')
             order by o.attempted_at)
           end as marketing_sent,
           exists (select from message o where o.workspace_id = m.workspace_id and o.lead_id = m.lead_id
             and o.direction = 'out' and o.id < m.id and o.occurred_at > :lately
             and (o.state in ('queued', 'attempted')
                  or (o.state = 'held' and o.verdict -> 'decision' ->> 'real_until' is not null))) as is_behind
    from message m
    join workspace w on w.workspace_id = m.workspace_id
    join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id
    left join conversation c on c.workspace_id = m.workspace_id and c.lead_id = m.lead_id
    left join integration wa on wa.workspace_id = m.workspace_id and wa.provider = 'whatsapp'
    left join integration tw on tw.workspace_id = m.workspace_id and tw.provider = 'twilio'
    left join number_standing ns on ns.workspace_id = m.workspace_id
    left join lead_reach r on r.workspace_id = m.workspace_id and r.lead_id = m.lead_id
    where m.workspace_id = :workspace_id and m.id = :message_id
    for share of w
    """
)


def lock(connection: Connection, workspace_id: UUID, message_id: UUID) -> Row[Any]:
    """A message's row, held with its lead's until the transaction ends; raise `NotFound` where there is none."""
    values = {"workspace_id": workspace_id, "message_id": message_id}
    row = connection.execute(_LOCK, values).one_or_none()
    if row is None:
        raise NotFound("There is no such message.")
    return row


def gather(
    connection: Connection,
    workspace_id: UUID,
    message_id: UUID,
    *,
    day: datetime,
    week: datetime,
    lately: datetime,
    blocked: datetime,
) -> Row[Any]:
    """What a verdict on a message rests on, as it is now; its studio's state stays so until the transaction ends.

    Args:
        connection: a transaction in the fleet's scope that holds message and lead.
        workspace_id: the studio's.
        message_id: which.
        day: since when the studio's messages count, in business time.
        week: since when marketing to the lead counts, likewise.
        lately: an earlier message from before is not waited for, likewise.
        blocked: a country that was blocked before is tried again, likewise.
    """
    values = {
        "workspace_id": workspace_id,
        "message_id": message_id,
        "day": day,
        "week": week,
        "lately": lately,
        "blocked": blocked,
        "version": VERSION.pattern,
    }
    return connection.execute(_GATHER, values).one()
