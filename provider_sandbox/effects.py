"""What was really done, counted. What belongs here: asking for effects; counting one is `Transaction.effect`."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from provider_sandbox.state import State, Transaction


class Wanted(BaseModel):
    """Which effects are asked for; what is left out doesn't matter."""

    model_config = ConfigDict(extra="forbid")

    provider: str | None = None
    kind: str | None = None
    """A shell pattern: `meta.message_*`."""
    key: str | None = None
    """Whom it happened to, exactly."""
    since: AwareDatetime | None = None
    """The first moment that counts, in real time."""


def effects_router(state: State) -> APIRouter:
    """`/control/effects`."""
    router = APIRouter()

    @router.get("/control/effects")
    async def effects(wanted: Annotated[Wanted, Query()]) -> dict[str, Any]:
        """What happened in the outside world, and how often."""
        where, values = _condition(wanted)
        with state.transaction() as tx:
            rows = tx.run(
                f"select kind, key, count(*) as count, min(at) as first_at, max(at) as last_at from effect {where}"
                " group by kind, key order by kind, key",
                *values,
            )
        kinds: dict[str, int] = {}
        for row in rows:
            kinds[row["kind"]] = kinds.get(row["kind"], 0) + row["count"]
        return {"total": sum(kinds.values()), "by_kind": kinds, "by_kind_and_key": [dict(row) for row in rows]}

    return router


def by_kind(tx: Transaction) -> dict[str, int]:
    """How often each kind of effect happened."""
    return {row["kind"]: row["count"] for row in tx.run("select kind, count(*) as count from effect group by kind")}


def _condition(wanted: Wanted) -> tuple[str, list[str]]:
    # Kept in UTC and in one form, so that text compares as moments do.
    since = wanted.since.astimezone(UTC).isoformat() if wanted.since else None
    conditions = {"provider = ?": wanted.provider, "kind glob ?": wanted.kind, "key = ?": wanted.key, "at >= ?": since}
    given = {condition: value for condition, value in conditions.items() if value is not None}
    return ("where " + " and ".join(given) if given else ""), list(given.values())
