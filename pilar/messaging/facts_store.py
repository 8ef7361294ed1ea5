"""The SQL of what a verdict rests on. What belongs here: locking messages, and gathering for any number of them.

One statement tells what is the studio's and one what is the message's: statements cost more on our side than in the
database, and a studio's configuration is read once however many of its messages go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from pilar.errors import NotFound

_LOCK = text(
    """
    select l.id as locked_lead, m.* from lead l join message m on m.workspace_id = l.workspace_id and m.lead_id = l.id
    where m.workspace_id = :workspace_id and m.id = :message_id
    for update of l, m
    """
)

_GIVEN = "unnest(cast(:studios as uuid[]), cast(:messages as uuid[])) as given (workspace_id, id)"

# Whose lead somebody else holds just now is left to be taken alone: waiting for one would hold up all the others.
_LOCK_FREE = text(
    f"""
    select l.country as lead_country, m.* from {_GIVEN}
    join message m on m.workspace_id = given.workspace_id and m.id = given.id
    join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id
    order by l.workspace_id, l.id, m.id
    for update of l, m skip locked
    """
)

# Locks are taken by a statement of their own before: what these see of other tables is as old as their beginning.
_STUDIOS = text(
    """
    select w.workspace_id, w.state as studio_state, w.time_zone as studio_zone,
           wa.state as number_state, wa.phone_number_id,
           tw.external_id as sms_account, tw.phone_number as sms_number,
           ns.messaging_limit, ns.throughput, ns.marketing_frozen_until, ns.restricted, ns.restricted_until,
           ns.workspace_id is not null as has_standing,
           (select cast(document as text) from workspace_configuration g where g.workspace_id = w.workspace_id
            order by version desc limit 1) as configuration,
           (select jsonb_agg(jsonb_build_object('kind', kind, 'channel', channel, 'reason', reason,
                                                'is_fleet', x.workspace_id is null) order by began_at, id)
            from send_control x where x.ended_at is null
              and (x.workspace_id is null or x.workspace_id = w.workspace_id)) as controls,
           (select count(*) from message o where o.workspace_id = w.workspace_id and o.direction = 'out'
              and o.attempted_at >= :day) as sent_today,
           (select jsonb_agg(jsonb_build_object('name', t.name, 'language', t.language, 'state', t.state,
                                                'body', t.body, 'paused_until', t.paused_until))
            from message_template t where t.workspace_id = w.workspace_id and t.unusable is null) as templates
    from workspace w
    left join integration wa on wa.workspace_id = w.workspace_id and wa.provider = 'whatsapp'
    left join integration tw on tw.workspace_id = w.workspace_id and tw.provider = 'twilio'
    left join number_standing ns on ns.workspace_id = w.workspace_id
    where w.workspace_id = any(:studios)
    order by w.workspace_id
    for share of w
    """
)

_MESSAGES = text(
    f"""
    select m.workspace_id, m.id, l.phone, l.provider_user_id, l.language, l.country, l.time_zone,
           l.email, l.email_refused,
           c.mode, c.last_inbound_at,
           r.unreachable_since, r.marketing_waits_until, r.sms_refused,
           (select jsonb_object_agg(scope, granted) from (
              select distinct on (scope) scope, granted from consent s
              where s.workspace_id = m.workspace_id and s.lead_id = m.lead_id order by scope, s.id desc) as newest
           ) as consents,
           (select min(q.since) from refusal_question q where q.workspace_id = m.workspace_id
              and q.lead_id = m.lead_id and q.settled_at is null) as unclear_since,
           exists (select from country_block b where b.workspace_id = m.workspace_id and b.country = l.country
                     and b.blocked_at > :blocked) as country_blocked,
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
    from {_GIVEN}
    join message m on m.workspace_id = given.workspace_id and m.id = given.id
    join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id
    left join conversation c on c.workspace_id = m.workspace_id and c.lead_id = m.lead_id
    left join lead_reach r on r.workspace_id = m.workspace_id and r.lead_id = m.lead_id
    """
)


class Since(NamedTuple):
    """From when on what counts, in business time.

    Attributes:
        day: the studio's messages.
        week: marketing to the lead.
        lately: an earlier message that is waited for.
        blocked: a country that was blocked; before, it is tried again.
    """

    day: datetime
    week: datetime
    lately: datetime
    blocked: datetime


def lock(connection: Connection, workspace_id: UUID, message_id: UUID) -> Row[Any]:
    """A message's row, held with its lead's until the transaction ends; raise `NotFound` where there is none."""
    values = {"workspace_id": workspace_id, "message_id": message_id}
    row = connection.execute(_LOCK, values).one_or_none()
    if row is None:
        raise NotFound("There is no such message.")
    return row


def lock_free(connection: Connection, keys: Collection[tuple[UUID, UUID]]) -> Sequence[Row[Any]]:
    """Those of these messages, by studio and id, whose rows and leads nobody holds; held until the transaction ends.

    Each with its lead's country as `lead_country`, a lead's in the order of their ids.
    """
    return connection.execute(_LOCK_FREE, _given(keys)).all()


def studios(connection: Connection, ids: Collection[UUID], since: Since) -> dict[UUID, Row[Any]]:
    """What verdicts rest on that is the studio's; its state stays so until the transaction ends."""
    rows = connection.execute(_STUDIOS, {"studios": list(ids), "day": since.day})
    return {row.workspace_id: row for row in rows}


def messages(connection: Connection, keys: Collection[tuple[UUID, UUID]], since: Since) -> dict[UUID, Row[Any]]:
    """What verdicts rest on that is the message's or its lead's, by the message's id.

    Args:
        connection: a transaction in the fleet's scope that holds the messages and their leads.
        keys: studio and id of each.
        since: from when on what counts.
    """
    values = {**_given(keys), "week": since.week, "lately": since.lately, "blocked": since.blocked}
    return {row.id: row for row in connection.execute(_MESSAGES, values)}


def _given(keys: Collection[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"studios": [studio for studio, _ in keys], "messages": [message for _, message in keys]}
