"""A studio's rules as its people keep them. What belongs here: saving a rule, and putting it in or out of force."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents import store
from pilar.agents.rules import RuleDocument
from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.ids import new_id


def save_rule(connection: Connection, clocks: Clocks, workspace_id: UUID, rule: RuleDocument, actor: str) -> int:
    """Save a rule by its name, and return its version: the same document makes no new one.

    Args:
        connection: a transaction.
        clocks: both clocks.
        workspace_id: the studio's.
        rule: what it says and does; it was checked when it was made.
        actor: who, as in the audit log.
    """
    now, content = clocks.business.now(), as_stored(rule)
    fresh = {
        **content,
        "workspace_id": workspace_id,
        "id": new_id(),
        "version": 1,
        "active": True,
        "created_at": now,
        "changed_at": now,
    }
    version = 1
    if not store.add_rules(connection, [fresh]):
        found = store.find_rule(connection, workspace_id, rule.name)
        if found is None or all(getattr(found, name) == value for name, value in content.items()):
            return int(found.version) if found else version
        version = int(found.version) + 1
        store.change_rule(connection, workspace_id, found.id, {**content, "version": version, "changed_at": now})
    _audit(connection, clocks, workspace_id, actor, "rule.saved", rule.name, {"version": version})
    return version


def set_active(
    connection: Connection, clocks: Clocks, workspace_id: UUID, rule_id: UUID, *, active: bool, actor: str
) -> bool:
    """Put a rule in or out of force; return whether that is a change.

    Raises:
        NotFound: the studio has no such rule.
    """
    name = store.set_active(connection, workspace_id, rule_id, active, clocks.business.now())
    if name is not None:
        _audit(connection, clocks, workspace_id, actor, f"rule.{'activated' if active else 'deactivated'}", name, {})
    return name is not None


def as_stored(rule: RuleDocument) -> dict[str, Any]:
    """A rule's columns, as far as the document says them."""
    document = rule.model_dump(mode="json")
    return {name: document[name] for name in ("name", "goal", "priority", "conditions", "actions", "variants")}


def _audit(
    connection: Connection, clocks: Clocks, workspace_id: UUID, actor: str, action: str, name: str, details: Any
) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"rule:{name}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details=details,
    )
