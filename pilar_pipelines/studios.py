"""What every asset with a partition per studio has in common.

What belongs here: which studios a run takes, that a broken one fails alone, and how that is told. What does not: the
work (a room's, set-based, in a transaction per chunk) and the check's words (the asset's).

An asset whose work is a room's function is one call of `studio_asset`. One that has more to tell takes the studios by
`take_studios`, and tells by `tell_studios`.
"""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import dagster as dg

from pilar_pipelines.markdown import table
from pilar_pipelines.partitions import workspace_asset
from pilar_pipelines.policies import KEYS_PER_TRANSACTION
from pilar_pipelines.resources.pilar import PilarResource

if TYPE_CHECKING:
    from sqlalchemy import Connection

SHOWN = 20
"""Rows of a table in metadata; failed studios that are marked in their own partition."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Taken(Generic[Result]):
    """What a run did.

    Attributes:
        results: of each chunk that was done.
        failed: the studios that failed, with the reason; what they had stays as it was.
        closed: how many of the run's studios were closed meanwhile.
    """

    results: Sequence[Result]
    failed: Mapping[UUID, str]
    closed: int


def studio_asset(
    name: str,
    refresh: str,
    *,
    check: str,
    promises: str,
    description: str,
    counted: str | Sequence[str] = "refreshed",
    kinds: set[str] | None = None,
    **given: Any,
) -> dg.AssetsDefinition:
    """An asset whose whole work is a room's function over the run's studios.

    Args:
        name: of the asset.
        refresh: the room's function, as `module:function`, loaded when a run needs it. It takes a transaction, the
            clocks and a chunk of studios; it may be called again with a part of it, after a rollback, and what it
            raises for a single studio is that studio's failure.
        check: the check that turns red when a studio fails.
        promises: what the check says.
        description: of the asset.
        counted: what the sum of its answers is called in the metadata, where it answers with a count; else the fields
            of its answer that are told, each as its sum; `told=field` tells one by another name.
        kinds: what it works with.
        given: more of `dg.asset`.
    """

    @workspace_asset(
        name=name,
        description=description,
        kinds=kinds or {"postgres"},
        check_specs=[dg.AssetCheckSpec(check, asset=name, description=promises)],
        **given,
    )
    def refreshed(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
        module, _, function = refresh.partition(":")
        work, clocks = getattr(import_module(module), function), pilar.clocks
        taken: Taken[Any] = take_studios(context, pilar, lambda connection, chunk: work(connection, clocks, chunk))
        if isinstance(counted, str):
            return tell_studios(context, check, taken, {counted: sum(taken.results)})
        counts = {}
        for one in counted:
            told, _, field = one.partition("=")
            counts[told] = sum(getattr(result, field or told) for result in taken.results)
        return tell_studios(context, check, taken, counts)

    return refreshed


def take_studios(
    context: dg.AssetExecutionContext, pilar: PilarResource, work: Callable[["Connection", Sequence[UUID]], Result]
) -> Taken[Result]:
    """Do set-based work on those of the run's studios that are open, a transaction per chunk."""
    from pilar.database.engine import Scope
    from pilar.workspaces.chunks import in_chunks
    from pilar.workspaces.fleet import open_workspaces

    with pilar.database.transaction(Scope.fleet()) as connection:
        studios, closed = sorted_out(context.partition_keys, open_workspaces(connection))
    done = in_chunks(pilar.database, studios, work, size=KEYS_PER_TRANSACTION)
    return Taken(done.results, done.failed, len(closed))


def tell_studios(
    context: dg.AssetExecutionContext,
    check_name: str,
    taken: Taken[Any],
    counts: Mapping[str, int],
    tables: Mapping[str, dg.MetadataValue[Any]] | None = None,
) -> dg.MaterializeResult:
    """Mark failed studios in their own partitions, and make the result with its check.

    Args:
        context: the run's.
        check_name: the check of the asset that turns red when a studio fails.
        taken: what the run did.
        counts: what there is to tell in numbers, told on each partition; failed and closed studios are added.
        tables: more, told once, with the check.
    """
    for studio, reason in list(taken.failed.items())[:SHOWN]:
        context.add_asset_metadata({"failed_because": reason}, partition_key=str(studio))
    # Repeated on each partition's event, so it is numbers only; the tables are told once, with the check.
    numbers = {**counts, "failed": len(taken.failed), "closed": taken.closed}
    told = {**numbers, **failures(taken.failed), **(tables or {})}
    return dg.MaterializeResult(
        metadata=numbers,
        check_results=[dg.AssetCheckResult(check_name=check_name, passed=not taken.failed, metadata=told)],
    )


def sorted_out(keys: Iterable[str], are_open: Iterable[UUID]) -> tuple[list[UUID], list[str]]:
    """Partition keys as the studios that there are, and the keys of those that have been closed meanwhile."""
    known = {str(workspace_id): workspace_id for workspace_id in are_open}
    keys = list(keys)
    return [known[key] for key in keys if key in known], [key for key in keys if key not in known]


def failures(failed: Mapping[UUID, str]) -> dict[str, Any]:
    """Failed studios as metadata."""
    shown = [(str(studio), reason) for studio, reason in list(failed.items())[:SHOWN]]
    return {"failed": len(failed), "failed_studios": dg.MetadataValue.md(table(("studio", "reason"), shown))}
