"""Everything at once, as the founder asks for with one click. What belongs here: the two jobs."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import dagster as dg

from pilar_pipelines import assets
from pilar_pipelines.policies import executor, longest


def _assets(*, partitioned: bool) -> list[dg.AssetsDefinition]:
    """All assets that are made (not only told of), with or without partitions."""
    rooms = [import_module(f"{assets.__name__}.{room.name}") for room in pkgutil.iter_modules(assets.__path__)]
    found = [thing for room in rooms for thing in vars(room).values() if isinstance(thing, dg.AssetsDefinition)]
    return [one for one in found if (one.partitions_def is not None) == partitioned]


everything_about_all_studios = dg.define_asset_job(
    "everything_about_all_studios",
    selection=dg.AssetSelection.assets(*_assets(partitioned=True)),
    executor_def=executor,
    run_tags=longest(7_200),
    description="Make everything about a range of studios anew, in one run.",
)

everything_about_the_fleet = dg.define_asset_job(
    "everything_about_the_fleet",
    selection=dg.AssetSelection.assets(*_assets(partitioned=False)),
    executor_def=executor,
    run_tags=longest(3_600),
    description="Make everything about the fleet anew, and put the system's promises to the test.",
)
