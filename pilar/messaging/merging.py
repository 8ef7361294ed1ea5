"""Two leads are one person. What belongs here: putting them together, once, and who may be one.

What does not: what each room does with its rows (`pilar/people.py`).

All of it is one transaction that holds both leads, in the order of their ids. The one who stays keeps their id, and
the other's answers with it. Of what the two allowed and forbade the strictest counts, from now on.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.errors import Conflict
from pilar.messaging import consent, people_store, store
from pilar.messaging.rooms import People
from pilar.people import About

_ERASED = "erased"
_LIFECYCLES = ("staff", "customer", "former", "lead")
"""What counts of two, the first before the others."""


def merge(
    connection: Connection,
    clocks: Clocks,
    people: People,
    workspace_id: UUID,
    stays: UUID,
    goes: UUID,
    actor: str,
    reason: str,
    story: Cause,
) -> bool:
    """Put one lead into another; return whether they were two until now.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        people: every room that keeps something about leads.
        workspace_id: the studio's.
        stays: who keeps their id.
        goes: whose id answers with the other's from now on.
        actor: who says that they are one, as in the audit log.
        reason: why they are.
        story: the story it belongs to.

    Raises:
        NotFound: one of them is no lead of this studio's.
        Conflict: one of them was erased.
    """
    for one in sorted((stays, goes)):
        store.lock_lead(connection, workspace_id, one)
    keep, drop = (store.lock_lead(connection, workspace_id, one) for one in (stays, goes))
    if keep.id == drop.id:
        return False
    if _ERASED in (keep.lifecycle, drop.lifecycle):
        raise Conflict("One of the two was erased: there is nothing left of them to put together.")
    now = clocks.business.now()
    forbidden = {
        scope
        for one in (keep, drop)
        for scope, granted in store.consents(connection, workspace_id, one.id).items()
        if not granted
    }
    about = About(connection, workspace_id, drop.id, now)
    for room in people.rooms:
        room.move(about, keep.id)
    people_store.drop_lead(connection, workspace_id, drop.id)
    store.change_lead(connection, workspace_id, keep.id, _together(keep, drop))
    alias = {"old_id": drop.id, "lead_id": keep.id, "reason": reason, "merged_by": actor, "merged_at": now}
    people_store.add_alias(connection, {"workspace_id": workspace_id, **alias})
    _keep_strictest(connection, clocks, workspace_id, keep.id, drop.id, forbidden, story, people)
    audit.record(
        connection,
        actor=actor,
        action="lead.merged",
        subject=f"lead:{keep.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details={"merged": str(drop.id), "reason": reason},
    )
    return True


def _keep_strictest(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    merged: UUID,
    forbidden: set[str],
    story: Cause,
    people: People,
) -> None:
    now = clocks.business.now()
    counts = store.consents(connection, workspace_id, lead_id)
    for scope in sorted(forbidden):
        if counts.get(scope):
            values = {"scope": scope, "granted": False, "source": "merge", "proof": f"merge:{merged}"}
            store.add_consent(connection, workspace_id, lead_id, {**values, "recorded_at": now})
    for scope in sorted(forbidden - {"founder"}):
        narrow: consent.ConsentScope = "marketing" if scope == "marketing" else "email" if scope == "email" else "all"
        consent.call_off(connection, clocks, workspace_id, lead_id, narrow, "merge", f"merge:{merged}", story, people)


def _together(keep: Row[Any], drop: Row[Any]) -> dict[str, Any]:
    """The row of who stays, with what only the other told."""
    values = {
        name: getattr(drop, name)
        for name in ("phone", "name", "country", "time_zone")
        if getattr(keep, name) is None and getattr(drop, name) is not None
    }
    # An address goes with what is known of it.
    if keep.email is None and drop.email is not None:
        values |= {"email": drop.email, "email_refused": drop.email_refused}
    # An id towards this business says more than one that is only the number.
    if keep.provider_user_id.isdigit() and not drop.provider_user_id.isdigit():
        values["provider_user_id"] = drop.provider_user_id
    return {
        **values,
        "tags": list(dict.fromkeys((*keep.tags, *drop.tags))),
        "properties": {**drop.properties, **keep.properties},
        "lifecycle": min(keep.lifecycle, drop.lifecycle, key=_rank),
        "created_at": min(keep.created_at, drop.created_at),
    }


def _rank(lifecycle: str) -> int:
    return _LIFECYCLES.index(lifecycle) if lifecycle in _LIFECYCLES else len(_LIFECYCLES)
