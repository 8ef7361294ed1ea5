"""What Dagster loads. What belongs here: putting the rooms together with the resources; nothing is opened by it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from pilar_pipelines import assets, checks, jobs, policies, sensors
from pilar_pipelines.resources.pilar import PilarResource


def build_definitions(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions, over the environment's system or over the resources that are given."""
    own = dg.Definitions(resources=resources or {"pilar": PilarResource()}, executor=policies.executor)
    with warnings.catch_warnings():
        # The loader calls itself a preview, and what it does inside a beta; the version is pinned, the result tested.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        rooms = [dg.load_definitions_from_package_module(room) for room in (assets, checks, jobs, sensors)]
        merged = dg.Definitions.merge(*rooms, own)
        merged.get_repository_def()  # kept by Dagster, which would resolve it next anyway, and then warn
    return merged


defs = build_definitions()
