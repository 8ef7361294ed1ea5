"""Asking a running Dagster from outside, over its GraphQL door. It needs no Dagster itself.

What belongs here: the few questions that the command line has.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from pilar.errors import Conflict, NotFound, Transient
from pilar_pipelines.instance import LOCATION

SCORES = "workspace_health_score"
STUDIOS_JOB = "everything_about_all_studios"
FLEET_JOB = "everything_about_the_fleet"
SUCCESS = "SUCCESS"
ENDED = frozenset({SUCCESS, "FAILURE", "CANCELED"})
"""The statuses that a run keeps."""

BACKFILLED = "COMPLETED_SUCCESS"
BACKFILL_ENDED = frozenset({BACKFILLED, "COMPLETED_FAILED", "FAILED", "CANCELED"})
"""The statuses that a backfill keeps."""

_REPOSITORY = "__repository__"
_TIMEOUT = 30

_PARTITIONS = """
query Partitions($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode { partitionKeys } }
}
"""
_STATS = """
query Materialized {
  assetNodes {
    assetKey { path } isPartitioned partitionStats { numMaterialized } assetMaterializations(limit: 1) { runId }
  }
}
"""
_LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message }
    ... on UnauthorizedError { message }
    ... on RunConflict { message }
  }
}
"""
_KNOWN = """
query Known($assets: [AssetKeyInput!]!) { assetNodes(assetKeys: $assets) { assetKey { path } isPartitioned } }
"""
_BACKFILL = """
mutation Backfill($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}
"""
_BACKFILL_STATUS = """
query BackfillStatus($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) {
    __typename
    ... on PartitionBackfill { status }
    ... on Error { message }
  }
}
"""
_STATUS = """
query Status($run: ID!) {
  runOrError(runId: $run) { __typename ... on Run { status } ... on PythonError { message } }
}
"""
_CHECKS = """
query Checks {
  assetNodes {
    assetKey { path }
    assetChecksOrError {
      ... on AssetChecks { checks { name executionForLatestMaterialization { status } } }
    }
  }
}
"""


def partition_keys(url: str) -> list[str]:
    """The studios that Dagster knows as partitions, in its order.

    Args:
        url: Dagster's GraphQL door, such as `http://127.0.0.1:3000/dagster/graphql`.

    Raises:
        Transient: Dagster does not answer, or has not loaded its definitions.
    """
    return list(_asset(url, _PARTITIONS, SCORES)["partitionKeys"])


def launch(url: str, job: str, keys: Sequence[str] | None = None) -> str:
    """Launch one run of a job, and return its id.

    Args:
        url: Dagster's GraphQL door.
        job: its name.
        keys: the studios it takes, all between the first and the last in Dagster's order; None: it has no partitions.

    Raises:
        NotFound: there is no studio.
        Conflict: Dagster refuses the run.
        Transient: Dagster does not answer.
    """
    if keys is not None and not keys:
        raise NotFound("Dagster knows no studio yet.")
    # Spelt out, since the module with the partitions imports Dagster.
    tags = (
        {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]} if keys else {}
    )
    parameters = {
        "selector": {"repositoryLocationName": LOCATION, "repositoryName": _REPOSITORY, "jobName": job},
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    answer = _ask(url, _LAUNCH, {"parameters": parameters})["launchPipelineExecution"]
    if answer["__typename"] != "LaunchRunSuccess":
        raise Conflict(f"Dagster refuses the run: {_reasons(answer)}")
    return str(answer["run"]["runId"])


def run_status(url: str, run_id: str) -> str:
    """The status of a run, such as QUEUED, STARTED, or one of `ENDED`.

    Raises:
        NotFound: there is no such run.
        Transient: Dagster does not answer.
    """
    answer = _ask(url, _STATUS, {"run": run_id})["runOrError"]
    if answer["__typename"] != "Run":
        raise NotFound(answer.get("message") or f"Dagster has no run {run_id}.")
    return str(answer["status"])


def backfill(url: str, assets: Sequence[str], keys: Sequence[str] | None = None) -> str:
    """Have Dagster make assets anew for some studios, in as few runs as may be, and return the backfill's id.

    Args:
        url: Dagster's GraphQL door.
        assets: their names; each has a partition per studio.
        keys: the studios, these and no others; None: all that Dagster knows.

    Raises:
        NotFound: there is no studio, or no asset of that name that has a partition per studio.
        Conflict: Dagster refuses: it does not know one of the studios.
        Transient: Dagster does not answer.
    """
    if not (partition_keys(url) if keys is None else keys):
        raise NotFound("Dagster knows no studio yet.")
    selection = [{"path": [asset]} for asset in assets]
    known = [
        node["assetKey"] for node in _ask(url, _KNOWN, {"assets": selection})["assetNodes"] if node["isPartitioned"]
    ]
    if unknown := ", ".join(asset["path"][0] for asset in selection if asset not in known):
        # Asked all the same, Dagster would fail without saying why.
        raise NotFound(f"Dagster knows no asset with a partition per studio called {unknown}.")
    parameters: dict[str, Any] = {"assetSelection": selection}
    parameters |= {"allPartitions": True} if keys is None else {"partitionNames": list(keys)}
    answer = _ask(url, _BACKFILL, {"parameters": parameters})["launchPartitionBackfill"]
    if answer["__typename"] != "LaunchBackfillSuccess":
        raise Conflict(f"Dagster refuses the backfill: {_reasons(answer)}")
    return str(answer["backfillId"])


def backfill_status(url: str, backfill_id: str) -> str:
    """The status of a backfill, such as REQUESTED, or one of `BACKFILL_ENDED`.

    Raises:
        NotFound: there is no such backfill.
        Transient: Dagster does not answer.
    """
    answer = _ask(url, _BACKFILL_STATUS, {"backfill": backfill_id})["partitionBackfillOrError"]
    if answer["__typename"] != "PartitionBackfill":
        raise NotFound(answer.get("message") or f"Dagster has no backfill {backfill_id}.")
    return str(answer["status"])


def materializations(url: str) -> dict[str, int]:
    """How much of each asset is materialised: partitions, of an unpartitioned one 1; what is not is left out."""
    counts = {}
    for node in _ask(url, _STATS, {})["assetNodes"]:
        is_there = len(node["assetMaterializations"])
        count = int(node["partitionStats"]["numMaterialized"]) if node["isPartitioned"] else is_there
        if count:
            counts["/".join(node["assetKey"]["path"])] = count
    return counts


def failed_checks(url: str) -> list[str]:
    """The checks that did not pass when they were last evaluated, as `asset:check`."""
    failed = []
    for node in _ask(url, _CHECKS, {})["assetNodes"]:
        for check in node["assetChecksOrError"].get("checks", []):
            latest = check["executionForLatestMaterialization"]
            if latest and latest["status"] in ("FAILED", "EXECUTION_FAILED"):
                failed.append(f"{'/'.join(node['assetKey']['path'])}:{check['name']}")
    return sorted(failed)


def _reasons(answer: dict[str, Any]) -> str:
    """Why Dagster did not do what was asked for, in its words."""
    errors = [answer.get("message"), *(error["message"] for error in answer.get("errors", []))]
    return "; ".join(filter(None, errors)) or str(answer["__typename"])


def _asset(url: str, query: str, asset: str) -> dict[str, Any]:
    node: dict[str, Any] = _ask(url, query, {"asset": {"path": [asset]}})["assetNodeOrError"]
    if not node:
        raise Transient(f"Dagster does not know the asset {asset}: are its definitions loaded?")
    return node


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ValueError("Dagster's GraphQL door is an HTTP address")
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - the same
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise Transient(f"Dagster does not answer at {url}: {error}") from error
    if answer.get("errors"):
        raise Transient(f"Dagster's answer is an error: {answer['errors'][0]['message']}")
    data: dict[str, Any] = answer["data"]
    return data
