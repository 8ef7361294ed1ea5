"""What holds at the end whatever was told: promises, nothing stuck, no effect lost, none repeated beyond policy.

What belongs here: these looks, and how often each kind of effect may have been done. What does not: what the story
comes to (`state.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from pilar.app import App
from pilar.backplane.breaches import find_breaches
from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Database, Scope

SAME = {
    "twilio.subaccount_created": "twilio.create_subaccount",
    "twilio.key_created": "twilio.create_key",
    "twilio.number_bought": "twilio.buy_number",
    "meta.number_added": "whatsapp.add_number",
    "meta.number_registered": "whatsapp.register_number",
    "meta.app_subscribed": "whatsapp.subscribe_app",
    "meta.template_submitted": "whatsapp.submit_template",
    "meta.number_verified": "whatsapp.verify_code",
    "meta.code_requested": "whatsapp.request_code",
    "mail.sent": "mail.setup_link",
    "meta.message_sent": "whatsapp.send",
}
"""Effects by the sandbox's name and by ours."""

ONCE = (
    "twilio.subaccount_created",
    "twilio.number_bought",
    "meta.number_added",
    "meta.number_registered",
    "meta.number_verified",
    "meta.app_subscribed",
    "meta.template_submitted",
)
"""What the provider tells of when it is asked: looked for before it is tried again, so never done twice."""

MAIL, CODE, SENT = "mail.sent", "meta.code_requested", "meta.message_sent"

_STUCK = """
select concat_ws(' ', type, handler, status, 'after', attempts, 'attempts', error) from live_work
where not (business_time and due_at > :business_now)
"""
_DARK = """
select concat_ws(' ', kind, e.state, error) from effect e left join provisioning_job j using (workspace_id)
where (e.state in ('intent', 'attempted') or (e.state = 'unknown' and given_up_at is null))
  and not (kind in ('mail.setup_link', 'mail.setup_reminder', 'twilio.remind_owner') and j.state = 'completed'
           and (e.state <> 'intent' or kind = 'mail.setup_link'))
"""
"""A set-up mail or reminder that may be lost is sent again by what waits for its reader: who has read it, moves on. A
reminder that was refused meanwhile is let go."""
_FAILED = "select concat_ws(' ', 'step', name, 'failed:', error) from provisioning_step where status = 'failed'"
_UNSETTLED = """
select concat_ws(' ', origin, state, error) from message
where direction = 'out' and (state in ('queued', 'held', 'attempted', 'failed')
      or (state = 'unknown' and category <> 'marketing' and not exists (
            select from effect e where e.kind = 'whatsapp.send' and e.key = message.id::text and e.state = 'unknown'
            and e.given_up_at is not null and e.risks > 0)))
"""
"""A message that was risked once more in vain is settled: a person has been asked."""
_RISKS = "select kind, sum(risks) from effect group by kind"
_SENDS = """
select e.key, case when m.category = 'marketing' then 0 else e.risks end from effect e
join message m on m.id::text = e.key where e.kind = 'whatsapp.send'
"""
_MAILS = """
select p.email, count(*) + sum(e.risks) from effect e
join membership m on m.workspace_id::text = coalesce(e.workspace_id::text, split_part(e.key, ':', 1))
join person p on p.id = m.person_id where m.role = 'owner' and e.kind like 'mail.%%' group by p.email
"""
_CONFIRMED = "select kind, count(*) from effect where state = 'confirmed' group by kind"


def broken_promises(app: App) -> list[str]:
    """The invariants of all rooms that have a breach, by the drain's real time and by the machine's."""
    broken = []
    for real in (app.clocks.real.now(), datetime.now(UTC)):
        clocks = Clocks(business=app.clocks.business, real=ManualClock(real))
        for invariant in app.invariants:
            with app.database.transaction(Scope.fleet()) as connection:
                found = find_breaches(connection, clocks, invariant)
            if found.rows:
                broken.append(f"{invariant.promise} {found.rows[:3]}")
    return list(dict.fromkeys(broken))


def stuck(app: App) -> list[str]:
    """Work that is not merely to come, effects that nobody has settled or asked a person about, unsettled messages."""
    with app.database.transaction(Scope.fleet()) as connection:
        work = connection.execute(text(_STUCK), {"business_now": app.clocks.business.now()}).scalars().all()
        return [*work, *(one for query in (_DARK, _FAILED, _UNSETTLED) for one in _told(connection, query))]


def lost_effects(database: Database, seen: Mapping[tuple[str, str], int]) -> list[str]:
    """Effects that we have on record as done and the provider has not seen so often."""
    with database.transaction(Scope.fleet()) as connection:
        confirmed = {row[0]: int(row[1]) for row in connection.exec_driver_sql(_CONFIRMED)}
    lost = []
    for theirs, ours in SAME.items():
        happened = sum(count for (kind, _), count in seen.items() if kind == theirs)
        if happened < confirmed.get(ours, 0):
            lost.append(f"{ours}: {confirmed[ours]} are on record, and {happened} happened")
    return lost


def repeated_effects(database: Database, seen: Mapping[tuple[str, str], int]) -> list[str]:
    """Effects that happened more often than policy allows.

    A mail is sent for each time that the owner has to be asked, reminded or told; it can't be looked for and carries
    the same Message-ID each time it is risked again. A code that has not come is asked for again; a send that is no
    marketing is risked once more when no status has told of it. Each only as often as the ledger has taken the risk.
    An API key whose secret got lost is deleted and made anew, however often: what counts is how many live.
    """
    with database.transaction(Scope.fleet()) as connection:
        risks = {row[0]: int(row[1]) for row in connection.exec_driver_sql(_RISKS)}
        mails = {row[0]: int(row[1]) for row in connection.exec_driver_sql(_MAILS)}
        sends = {row[0]: int(row[1]) for row in connection.exec_driver_sql(_SENDS)}
    beyond = []
    for (kind, key), count in seen.items():
        if kind in ONCE:
            allowed = 1
        elif kind == MAIL:
            allowed = mails.get(key, 0)
        elif kind == CODE:
            allowed = 1 + risks.get(SAME[kind], 0)
        elif kind == SENT:
            allowed = 1 + min(sends.get(key, 0), 1)
        elif kind == "meta.message_after_stop":
            allowed = 0
        else:
            continue
        if count > allowed:
            beyond.append(f"{kind} happened {count} times to {key}, and {allowed} are allowed")
    return beyond


def _told(connection: Connection, query: str) -> Sequence[str]:
    return [row[0] for row in connection.exec_driver_sql(query)]
