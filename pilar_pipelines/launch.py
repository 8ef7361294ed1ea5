"""Asking a running Dagster from outside, over its GraphQL door. It needs no Dagster itself.

What belongs here: the few questions that the command line has.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from pilar.errors import Conflict, NotFound, Transient
from pilar_pipelines.instance import LOCATION

SCORES = "workspace_health_score"
JOB = "score_all_studios"
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
"""The statuses that a run keeps."""

_REPOSITORY = "__repository__"
_TIMEOUT = 30

_PARTITIONS = """
query Partitions($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode { partitionKeys } }
}
"""
_STATS = """
query Materialized($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode { isPartitioned partitionStats { numMaterialized } assetMaterializations(limit: 1) { runId } }
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


def materialize_all_studios(url: str) -> str:
    """Launch one run that scores all studios, and return its id.

    Raises:
        NotFound: there is no studio.
        Conflict: Dagster refuses the run.
        Transient: Dagster does not answer.
    """
    keys = partition_keys(url)
    if not keys:
        raise NotFound("Dagster knows no studio yet.")
    # Spelt out, since the module with the partitions imports Dagster.
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    parameters = {
        "selector": {"repositoryLocationName": LOCATION, "repositoryName": _REPOSITORY, "jobName": JOB},
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    answer = _ask(url, _LAUNCH, {"parameters": parameters})["launchPipelineExecution"]
    if answer["__typename"] != "LaunchRunSuccess":
        errors = [answer.get("message"), *(error["message"] for error in answer.get("errors", []))]
        raise Conflict(f"Dagster refuses the run: {'; '.join(filter(None, errors)) or answer['__typename']}")
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


def materialized_partitions(url: str, asset: str) -> int:
    """How many of an asset's partitions are materialised; of an unpartitioned asset, 1 or 0."""
    node = _asset(url, _STATS, asset)
    if node["isPartitioned"]:
        return int(node["partitionStats"]["numMaterialized"])
    return len(node["assetMaterializations"])


def failed_checks(url: str) -> list[str]:
    """The checks that did not pass when they were last evaluated, as `asset:check`."""
    failed = []
    for node in _ask(url, _CHECKS, {})["assetNodes"]:
        for check in node["assetChecksOrError"].get("checks", []):
            latest = check["executionForLatestMaterialization"]
            if latest and latest["status"] in ("FAILED", "EXECUTION_FAILED"):
                failed.append(f"{'/'.join(node['assetKey']['path'])}:{check['name']}")
    return sorted(failed)


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
