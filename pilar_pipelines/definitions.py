"""What Dagster loads. What belongs here: putting the rooms together with the resources; nothing is opened by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from pilar_pipelines import assets, checks, jobs, policies, sensors
from pilar_pipelines.resources.pilar import PilarResource


def build_definitions(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions, over the environment's system or over the resources that are given."""
    rooms = (dg.load_definitions_from_package_module(room) for room in (assets, checks, jobs, sensors))
    own = dg.Definitions(resources=resources or {"pilar": PilarResource()}, executor=policies.executor)
    return dg.Definitions.merge(*rooms, own)


defs = build_definitions()
