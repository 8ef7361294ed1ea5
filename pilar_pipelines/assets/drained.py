"""Work that was drained, by the worker or by Dagster's runs: told once a minute by `sensors/drained.py`."""

from __future__ import annotations

import dagster as dg

work_drained = dg.AssetSpec(
    "work_drained",
    group_name="backplane",
    description="What left the queue: counts and lags in seconds, per lane. Told, not made: there is nothing to run.",
)
