"""What answered a lead, and which times they were offered. What belongs here: what `pilar/people.py` asks of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.people import About, Moment, Room, told

_OF = "where workspace_id = :w and lead_id = :lead"

# A lead has one turn that collects: of two the one of who stays goes on, with what the other collected.
_BOTH = """
from model_turn o join model_turn k on k.workspace_id = o.workspace_id and k.lead_id = :to and k.state = 'collecting'
where o.workspace_id = :w and o.lead_id = :lead and o.state = 'collecting'
"""
_MOVE = (
    f"""
    update rule_firing f set turn_id = both_of.stays
    from (select o.workspace_id, o.id as goes, k.id as stays {_BOTH}) both_of
    where f.workspace_id = both_of.workspace_id and f.turn_id = both_of.goes
    """,
    f"""
    update model_turn t set message_id = both_of.newest
    from (
      select k.workspace_id, k.id, (
        select m.id from message m where m.workspace_id = k.workspace_id and m.id in (o.message_id, k.message_id)
        order by m.occurred_at desc, m.id desc limit 1) as newest
      {_BOTH}) both_of
    where t.workspace_id = both_of.workspace_id and t.id = both_of.id
    """,
    f"""
    update model_turn t set state = 'dropped', reason = 'merged', ended_at = :now
    from (select o.workspace_id, o.id {_BOTH}) both_of
    where t.workspace_id = both_of.workspace_id and t.id = both_of.id
    """,
    f"update model_turn set lead_id = :to {_OF}",
    f"update rule_firing set lead_id = :to {_OF}",
    f"update slot_offer set lead_id = :to {_OF}",
)


def _move(about: About, to: UUID) -> None:
    for statement in _MOVE:
        about.connection.execute(text(statement), {**about.key, "to": to})


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    queries = {
        "rule_firings": f"select * from rule_firing {_OF} order by fired_at",
        "model_turns": f"select * from model_turn {_OF} order by opened_at",
        "slot_offers": f"select * from slot_offer {_OF} order by made_at",
    }
    return {name: told(about.connection.execute(text(query), about.key)) for name, query in queries.items()}


def _erase(about: About) -> None:
    """Nothing is put to a model or offered any more; that there were turns stays, and says nothing of them."""
    statement = (
        f"update model_turn set state = 'dropped', reason = 'erased', ended_at = :now {_OF} and ended_at is null"
    )
    for one in (statement, f"delete from slot_offer {_OF}"):
        about.connection.execute(text(one), about.key)


def _moments(about: About, limit: int) -> list[Moment]:
    """Turns that a model did not answer: an answer is shown as the message that it is."""
    statement = text(
        f"select * from model_turn {_OF} and ended_at is not null and state <> 'answered'"
        " order by ended_at desc limit :n"
    )
    rows = about.connection.execute(statement, {**about.key, "n": limit})
    return [
        Moment(row.ended_at, "model", "The model did not answer", f"{_ENDS.get(row.state, row.state)}: {row.reason}")
        for row in rows
    ]


_ENDS = {"handed_over": "a person was asked to", "dropped": "nothing more was said by it"}

ROOM = Room(
    "agents", frozenset({"rule_firing", "model_turn", "slot_offer"}), _move, _tell, erase=_erase, moments=_moments
)
