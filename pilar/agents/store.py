"""The SQL of rules and firings. What belongs here: reading and writing rows; the rules are elsewhere in this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.agents.rules import ACTIONS, CONDITIONS, Rule
from pilar.agents.tables import ai_rule, rule_firing, rule_performance
from pilar.errors import NotFound
from pilar.messaging.tables import lead

# Rules


def active_rules(connection: Connection, workspace_id: UUID) -> list[Rule]:
    """A studio's rules that are in force."""
    query = select(ai_rule).filter_by(workspace_id=workspace_id, active=True)
    return [_rule(row) for row in connection.execute(query)]


def find_rule(connection: Connection, workspace_id: UUID, name: str) -> Row[Any] | None:
    """A rule's row by its name, held until the transaction ends."""
    query = select(ai_rule).filter_by(workspace_id=workspace_id, name=name).with_for_update()
    return connection.execute(query).one_or_none()


def add_rules(connection: Connection, rules: Sequence[Mapping[str, Any]]) -> int:
    """Write rules; those whose name is there already stay as they are. Return how many are new."""
    statement = insert(ai_rule).values([dict(rule) for rule in rules])
    return connection.execute(statement.on_conflict_do_nothing(index_elements=["workspace_id", "name"])).rowcount


def change_rule(connection: Connection, workspace_id: UUID, rule_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a rule's row."""
    connection.execute(update(ai_rule).filter_by(workspace_id=workspace_id, id=rule_id).values(dict(values)))


def set_active(connection: Connection, workspace_id: UUID, rule_id: UUID, active: bool, now: datetime) -> str | None:
    """Put a rule in or out of force; its name if that is a change, else None; raise `NotFound` where there is none."""
    row = connection.execute(
        select(ai_rule.c.name, ai_rule.c.active).filter_by(workspace_id=workspace_id, id=rule_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such rule.")
    if row.active == active:
        return None
    change_rule(connection, workspace_id, rule_id, {"active": active, "changed_at": now})
    return str(row.name)


def adopt_variant(connection: Connection, workspace_id: UUID | None, name: str, variant: str, now: datetime) -> int:
    """Have a rule do what one of its variants does, in a studio or (None) in all; return how many studios changed."""
    adopted = ai_rule.c.variants[variant]
    statement = update(ai_rule).where(ai_rule.c.name == name, adopted.is_not(None), ai_rule.c.actions != adopted)
    if workspace_id is not None:
        statement = statement.where(ai_rule.c.workspace_id == workspace_id)
    values = {"actions": adopted, "version": ai_rule.c.version + 1, "changed_at": now}
    return connection.execute(statement.values(values)).rowcount


# Firings


def was_answered(connection: Connection, workspace_id: UUID, message_id: UUID) -> bool:
    """Whether a message has had its rule."""
    query = select(rule_firing.c.message_id).filter_by(workspace_id=workspace_id, message_id=message_id)
    return connection.execute(query).first() is not None


def add_firing(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep which rule answered a message; return whether it is the first that did."""
    statement = insert(rule_firing).values(**values).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def slots_on_offer(connection: Connection, workspace_id: UUID, besides: UUID | None, since: datetime) -> set[datetime]:
    """The times that were offered to other leads since a moment of business time and are not answered yet."""
    at, offered = lead.c.properties["offered_at"].astext, lead.c.properties["offered_slot"].astext
    query = select(at, offered).where(lead.c.workspace_id == workspace_id, lead.c.properties.has_key("offered_slot"))
    if besides is not None:
        query = query.where(lead.c.id != besides)
    found = [tuple(map(datetime.fromisoformat, row)) for row in connection.execute(query)]
    return {slot for offered_at, slot in found if offered_at >= since}


# Reading for pages


def rules_with_performance(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """A studio's rules with what came of them, a row per rule and variant; in the order in which they are tried."""
    same = and_(rule_performance.c.workspace_id == ai_rule.c.workspace_id, rule_performance.c.rule_id == ai_rule.c.id)
    measured = [column for column in rule_performance.c if column.name not in {"workspace_id", "rule_id", "name"}]
    query = (
        select(ai_rule.c.id, ai_rule.c.name, ai_rule.c.goal, ai_rule.c.priority, ai_rule.c.version, ai_rule.c.active)
        .add_columns(*measured)
        .outerjoin_from(ai_rule, rule_performance, same)
        .where(ai_rule.c.workspace_id == workspace_id)
        .order_by(ai_rule.c.priority.desc(), ai_rule.c.name, rule_performance.c.variant)
    )
    return list(connection.execute(query))


def _rule(row: Row[Any]) -> Rule:
    return Rule(
        id=row.id,
        name=row.name,
        goal=row.goal,
        priority=row.priority,
        version=row.version,
        conditions=CONDITIONS.validate_python(row.conditions),
        actions=ACTIONS.validate_python(row.actions),
        variants={key: ACTIONS.validate_python(actions) for key, actions in (row.variants or {}).items()},
        active=row.active,
    )
