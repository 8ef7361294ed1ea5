"""The promises of the system as asset checks. What belongs here: the translation; the promises are the rooms'."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import pkgutil
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import dagster as dg

import pilar as product
from pilar.backplane.invariants import Invariant
from pilar_pipelines.assets.health import fleet_health
from pilar_pipelines.markdown import table
from pilar_pipelines.resources.pilar import PilarResource


def promises() -> tuple[Invariant, ...]:
    """The invariants of all rooms: each keeps them in a file of that name. A test holds them against the app's."""
    rooms = sorted(module.name for module in pkgutil.iter_modules(product.__path__) if module.ispkg)
    files = [f"pilar.{room}.invariants" for room in rooms]
    return tuple(promise for file in files if find_spec(file) for promise in import_module(file).INVARIANTS)


INVARIANTS = {invariant.name: invariant for invariant in promises()}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(invariant.name, asset=fleet_health.key, description=invariant.promise)
        for invariant in INVARIANTS.values()
    ],
    can_subset=True,
)
def invariants(context: dg.AssetCheckExecutionContext, pilar: PilarResource) -> Iterator[dg.AssetCheckResult]:
    """Each promise is looked at in a transaction of its own; one that can't be looked at counts as broken."""
    wanted = {key.name for key in context.selected_asset_check_keys}
    for name, invariant in INVARIANTS.items():
        if name in wanted:
            yield check(pilar, invariant)


def check(pilar: PilarResource, invariant: Invariant) -> dg.AssetCheckResult:
    """Look at one promise."""
    from sqlalchemy.exc import DBAPIError

    from pilar.backplane.breaches import find_breaches
    from pilar.database.engine import Scope
    from pilar.masking import mask_text

    result = partial(dg.AssetCheckResult, asset_key=fleet_health.key, check_name=invariant.name)
    try:
        with pilar.database.transaction(Scope.fleet()) as connection:
            found = find_breaches(connection, pilar.clocks, invariant)
    except DBAPIError as error:
        return result(
            passed=False, description="It can't be looked at.", metadata={"error": mask_text(str(error.orig))}
        )
    if not found.rows:
        return result(passed=True, description=invariant.promise)
    rows = dg.MetadataValue.md(table(list(found.rows[0]), [list(row.values()) for row in found.rows]))
    count = f"{found.count} or more" if found.more else str(found.count)
    return result(
        passed=False,
        description=f"{count} breaches: {invariant.promise}",
        metadata={"breaches": found.count, "rows": rows},
    )
