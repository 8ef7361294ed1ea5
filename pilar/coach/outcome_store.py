"""The SQL of what became of nudges: when each was sent, when answered. What belongs here: finding and keeping it.

Finding it takes two look-ups of messages per nudge, and a look at engagement takes in each nudge of three months. So
what became of a nudge is kept with it as soon as nothing ordinary changes it any more (ADR 54).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.coach.composing import CAUSE
from pilar.coach.engagement import LOOKED_BACK
from pilar.messaging import states
from pilar.messaging.reactions import AS_TEMPLATE

SETTLED_AFTER = timedelta(days=7)
"""So long after a nudge was due and went, its outcome is kept. Meta brings a webhook again, for days, that we did not
take; what comes later than that is found at the nudge's hour of the day."""

# Of a nudge whose text was refused for a window that had closed, the template that went in its place.
LAST_MESSAGE = """
select m.state, m.attempted_at, m.accepted_at, m.verdict from message m
where m.workspace_id = n.workspace_id and m.cause in (:cause || n.id, :cause || n.id || :as_template)
order by m.cause desc limit 1
"""
CAUSES = {"cause": CAUSE, "as_template": AS_TEMPLATE}

_UNDECIDED = ", ".join(f"'{state}'" for state in (*states.UNSENT, *states.IN_DOUBT))

# `sent_at` is null where the provider did not take it, or failed. Providers tell whole seconds: a quick answer seems to
# come before its question.
OUTCOME = f"""
select sent.at as sent_at, answer.at as answered_at, sent.handed_over, sent.decided
from (
  select case when accepted_at is not null and state <> 'failed' then attempted_at end as at,
         attempted_at as handed_over, state not in ({_UNDECIDED}) as decided
  from ({LAST_MESSAGE}) last) sent
left join lateral (
  select min(a.occurred_at) as at from message a
  where a.workspace_id = n.workspace_id and a.lead_id = n.lead_id and a.direction = 'in'
    and a.occurred_at >= date_trunc('second', sent.at)
    and a.occurred_at <= sent.at + cast(:within as interval)) answer on true
"""

# A nudge has its hour of the day, by its id: then what became of it is kept, and what is kept is compared with the
# messages. So a fleet whose nudges are all unkept, as after an upgrade, is gone through within a day and not at once.
# Who is held by somebody (a merge) is not waited for, and left alone if they were moved meanwhile.
_KEEP = f"""
with open as materialized (
  select n.workspace_id, n.id, n.lead_id, n.outcome_at, n.sent_at, n.answered_at
  from coach_nudge n
  join coach_enrolment e on e.workspace_id = n.workspace_id and e.lead_id = n.lead_id and e.ended_at is null
  where n.workspace_id = any(:studios) and n.message_id is not null
    and n.due_at > :now - cast(:looked_back as interval) and n.due_at <= :now - cast(:settled_after as interval)
    and get_byte(uuid_send(n.id), 15) % 24 = :hour
), found as materialized (
  select n.workspace_id, n.id, n.lead_id, n.outcome_at, o.sent_at, o.answered_at
  from open n cross join lateral ({OUTCOME}) o
  where case when n.outcome_at is not null then (n.sent_at, n.answered_at) is distinct from (o.sent_at, o.answered_at)
        else o.decided and (o.handed_over is null or o.handed_over <= :now - cast(:settled_after as interval)) end
), mine as materialized (
  select n.workspace_id, n.id from coach_nudge n join found f on f.workspace_id = n.workspace_id and f.id = n.id
  where n.lead_id = f.lead_id and n.outcome_at is not distinct from f.outcome_at
  order by 1, 2 for update of n skip locked
)
update coach_nudge n set sent_at = f.sent_at, answered_at = f.answered_at, outcome_at = :now
from mine join found f using (workspace_id, id)
where n.workspace_id = mine.workspace_id and n.id = mine.id
"""

FORGET = (
    "update coach_nudge set sent_at = null, answered_at = null, outcome_at = null"
    " where workspace_id = :w and lead_id = any(:leads) and outcome_at is not null"
)
"""For when messages change hands: what became of these leads' nudges is found anew."""


def keep(connection: Connection, studios: Sequence[UUID], now: datetime, within: timedelta) -> int:
    """Keep what became of those settled nudges of coached leads whose hour it is; return of how many that is news.

    It comes last in its transaction: it waits for nobody, and while it holds nudges nobody else is waited for.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose.
        now: business time; its hour says which nudges have their turn.
        within: how long after a nudge an answer may come.
    """
    values = {
        "studios": list(studios),
        "now": now,
        "hour": int(now.timestamp() // 3600) % 24,
        "within": within,
        "looked_back": LOOKED_BACK,
        "settled_after": SETTLED_AFTER,
    }
    return connection.execute(text(_KEEP), {**values, **CAUSES}).rowcount
