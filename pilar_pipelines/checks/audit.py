"""Whether the audit log is sealed and whole. What belongs here: the checks; how it is verified is the backplane's."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from pilar_pipelines.assets.health import fleet_health
from pilar_pipelines.resources.pilar import PilarResource

SEALED_WITHIN = timedelta(minutes=15)
"""Sealing runs every five minutes, and waits for whoever is still writing."""


@dg.asset_check(
    asset=fleet_health,
    description="The newest segments of the audit log are what was sealed; goes on where it stopped.",
)
def audit_chain_holds(pilar: PilarResource) -> dg.AssetCheckResult:
    """Go over what was sealed since the last look; `pilar audit verify` goes over all of it."""
    from pilar.backplane.verifying import verify_new

    found = verify_new(pilar.database, pilar.clocks)
    metadata: dict[str, int | str] = {"segments": found.segments, "entries": found.entries, "hash": found.hash or ""}
    if found.broken is None:
        return dg.AssetCheckResult(passed=True, metadata=metadata)
    where = f"segment {found.broken.segment}, position {found.broken.position}: {found.broken.what}"
    return dg.AssetCheckResult(passed=False, description=f"The chain breaks at {where}.", metadata=metadata)


@dg.asset_check(asset=fleet_health, description="Each entry of the audit log is sealed within fifteen minutes.")
def audit_is_sealed(pilar: PilarResource) -> dg.AssetCheckResult:
    """A transaction that writes for very long keeps the sealer waiting, and shows here too."""
    from pilar.backplane.verifying import oldest_unsealed
    from pilar.database.engine import Scope

    with pilar.database.transaction(Scope.fleet()) as connection:
        oldest = oldest_unsealed(connection)
    age = pilar.clocks.real.now() - oldest if oldest is not None else timedelta(0)
    return dg.AssetCheckResult(passed=age <= SEALED_WITHIN, metadata={"oldest_unsealed_seconds": age.total_seconds()})
