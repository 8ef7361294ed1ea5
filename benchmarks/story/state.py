"""What the story comes to: business facts under names that are the same in each telling.

What belongs here: the facts, how they are read, and how two tellings are compared. What does not: promises that hold
whatever is told (`verdict.py`).

Left out, since chance or patience decides them: ids, moments, attempts, which variant of an experiment a lead met,
what a shown status says beyond whether the message went, and incidents, which tell of faults and are no fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilar.database.engine import Database, Scope

State = Mapping[str, str]

_WENT = "case when m.state in ('accepted', 'sent', 'delivered', 'read') then 'went' else m.state end"
_ORIGIN = """case when r.name is not null then 'rule ' || r.name when starts_with(m.origin, 'staff:') then 'staff'
 else m.origin end"""
_MESSAGES = "message m left join ai_rule r on m.origin = 'rule:' || r.id"

_FACTS: Sequence[str] = (
    "select 'studio ' || name, concat_ws(' ', state, plan, country, time_zone) from workspace",
    """
    select 'subscription of ' || w.name, concat_ws(' ', s.status, s.plan, s.amount_minor, s.currency,
           s.cancel_at_period_end)
    from subscription s join workspace w using (workspace_id)
    """,
    """
    select 'provisioning of ' || w.name, j.state || ': ' || string_agg(s.name || ' ' || s.status, ', ' order by ordinal)
    from provisioning_job j join provisioning_step s on s.job_id = j.id
    join workspace w on w.workspace_id = j.workspace_id
    group by w.name, j.state, j.id
    """,
    """
    select i.provider || ' of ' || w.name, i.state || case when i.phone_number is not null then ' with a number' end
    from integration i join workspace w using (workspace_id)
    """,
    """
    select 'templates of ' || w.name || ' ' || t.state, count(*)::text
    from message_template t join workspace w using (workspace_id) group by w.name, t.state
    """,
    """
    select 'conversation with ' || l.phone, concat_ws(' ', c.mode, c.mode_reason, l.lifecycle, l.language)
    from lead l join conversation c on c.workspace_id = l.workspace_id and c.lead_id = l.id
    """,
    """
    select 'written by ' || l.phone, count(*)::text from message m
    join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id where direction = 'in' group by l.phone
    """,
    f"""
    select concat_ws(' ', m.category, {_ORIGIN}, 'to', coalesce(l.phone, '?')),
           string_agg({_WENT}, ', ' order by {_WENT})
    from {_MESSAGES} join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id
    where m.direction = 'out' and m.origin <> 'test' group by 1
    """,
    f"""
    select 'test message of ' || w.name, string_agg({_WENT}, ', ')
    from message m join workspace w using (workspace_id) where m.origin = 'test' group by w.name
    """,
    """
    select concat_ws(' ', 'consent of', l.phone, 'to', c.scope),
           string_agg(c.granted || ' by ' || c.source, ', ' order by c.id)
    from consent c join lead l on l.workspace_id = c.workspace_id and l.id = c.lead_id group by 1
    """,
    f"""
    select concat_ws(' ', n.type, 'for', l.phone, 'on', n.local_day), coalesce(n.skipped, {_WENT}, 'to come')
    from coach_nudge n join lead l on l.workspace_id = n.workspace_id and l.id = n.lead_id
    left join message m on m.workspace_id = n.workspace_id and m.id = n.message_id
    """,
    """
    select 'coaching of ' || l.phone, coalesce(e.ended_reason, 'goes on')
    from coach_enrolment e join lead l on l.workspace_id = e.workspace_id and l.id = e.lead_id
    """,
    """
    select 'experiment ' || e.name, concat(e.state, ', met by ',
           (select count(*) from experiment_exposure x where x.experiment_id = e.id), ', reached by ',
           (select count(*) from experiment_outcome o where o.experiment_id = e.id))
    from experiment e
    """,
    """
    select 'judged experiment ' || name, 'met by ' || sum(exposed) || ', reached by ' || sum(converted)
    from analytics.fleet_experiment_result group by name
    """,
    """
    select 'conversion of ' || coalesce(w.name, '?'), coalesce(v.refused_reason, 'earns')
    from conversion v left join workspace w using (workspace_id)
    """,
    """
    select 'commission for ' || w.name, string_agg(concat_ws(' ', c.base_minor, c.refunded_minor, c.currency,
           c.rate_basis_points, c.amount_minor), ', ' order by c.base_minor, c.refunded_minor, c.amount_minor)
    from commission c join workspace w using (workspace_id) group by w.name
    """,
    """
    select concat_ws(' ', 'ledger:', account, kind, currency), sum(amount_minor)::text from ledger_entry
    group by account, kind, currency
    """,
    "select 'bookings', count(*)::text from booking",
)


MENDED = {"twilio.key_deleted"}
"""Effects that only faults bring about, and that leave what was to be: a key whose secret got lost is deleted."""


def read(database: Database, seen_outside: Mapping[tuple[str, str], int]) -> State:
    """Read it all.

    Args:
        database: the product's.
        seen_outside: how often each effect happened to each key, as the sandbox counts.
    """
    facts: dict[str, str] = {}
    with database.transaction(Scope.fleet()) as connection:
        for query in _FACTS:
            rows = connection.exec_driver_sql(query).all()
            found = {row[0]: row[1] for row in rows}
            if len(found) != len(rows):
                raise ValueError(f"a fact has no name of its own: {query}")
            facts |= found
    kinds = sorted({kind for kind, _ in seen_outside} - MENDED)
    facts |= {f"outside: {kind}": str(sum(one == kind for one, _ in seen_outside)) for kind in kinds}
    return facts


@dataclass(frozen=True)
class Difference:
    """A fact that came out otherwise."""

    fact: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        return f"{self.fact}: {self.expected or 'nothing'} was expected, and there is {self.found or 'nothing'}"


def differences(expected: State, found: State) -> list[Difference]:
    """Where two tellings differ, by the name of the fact."""
    return [
        Difference(fact, expected.get(fact), found.get(fact))
        for fact in sorted({*expected, *found})
        if expected.get(fact) != found.get(fact)
    ]


@dataclass(frozen=True)
class InDoubt:
    """A message whose outcome nobody knows, and which is recorded as that.

    Attributes:
        phone: whom it was written to.
        nudge: the nudge's type that it was made for; None: it is no marketing, and has been risked once more in vain.
    """

    phone: str
    nudge: str | None


def beyond_policy(different: Sequence[Difference], doubts: Sequence[InDoubt]) -> list[Difference]:
    """The differences that no policy allows.

    Allowed is one thing: what is in doubt is left to a person, marketing at once and any other message when it has been
    risked once more. So it may be in doubt in place of sent, and its lead may not have answered it; then a message may
    be missing outside.
    """
    doubtful = {doubt.phone for doubt in doubts}
    nudges = {(doubt.phone, doubt.nudge) for doubt in doubts}
    left = []
    for one in different:
        words = one.fact.split()
        if one.fact == "outside: meta.message_sent" and _fewer(one, len(doubts)):
            continue
        if one.fact.startswith("written by ") and words[-1] in doubtful and _fewer(one, 1):
            continue
        if any(_is_of(words, phone, kind) for phone, kind in nudges) and _only_doubts(one):
            continue
        left.append(one)
    return left


def _is_of(words: Sequence[str], phone: str, nudge: str | None) -> bool:
    """Whether a fact is that nudge of that lead, or the messages of that kind to them."""
    if nudge is None:
        return phone in words and words[0] in {"service", "utility"}
    return phone in words and (words[0] == nudge or f"coach:{nudge}" in words)


def _only_doubts(one: Difference) -> bool:
    """Whether what was to go is in doubt, and nothing else has changed."""
    expected, found = (sorted((text or "").split(", ")) for text in (one.expected, one.found))
    return sorted("went" if state == "unknown" else state for state in found) == expected


def _fewer(one: Difference, at_most: int) -> bool:
    return 0 <= int(one.expected or 0) - int(one.found or 0) <= at_most


def messages_in_doubt(database: Database) -> list[InDoubt]:
    """What was handed over, whose outcome is unknown, and about which a person has been asked.

    That is marketing, and any other message that was risked once more.
    """
    query = """
    select l.phone, case when m.category = 'marketing' then substr(m.origin, 7) end from message m
    join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id
    join effect e on e.kind = 'whatsapp.send' and e.key = m.id::text
    where m.state = 'unknown' and e.state = 'unknown' and e.given_up_at is not null
      and (m.category = 'marketing' or e.risks > 0)
    """
    with database.transaction(Scope.fleet()) as connection:
        rows: Sequence[Any] = connection.exec_driver_sql(query).all()
    return [InDoubt(row[0], row[1]) for row in rows]
