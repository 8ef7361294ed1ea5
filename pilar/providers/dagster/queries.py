"""What is asked of Dagster, in GraphQL. What belongs here: the texts; a test holds them against Dagster's schema."""

from __future__ import annotations

_RUN = "runId jobName status creationTime startTime endTime tags { key value }"

PARTITIONS = """
query Partitions($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode { partitionKeys } }
}
"""
STATS = """
query Materialized {
  assetNodes {
    assetKey { path } isPartitioned partitionStats { numMaterialized } assetMaterializations(limit: 1) { runId }
  }
}
"""
LAUNCH = """
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
KNOWN = """
query Known($assets: [AssetKeyInput!]!) { assetNodes(assetKeys: $assets) { assetKey { path } isPartitioned } }
"""
BACKFILL = """
mutation Backfill($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}
"""
BACKFILL_STATUS = """
query BackfillStatus($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) {
    __typename
    ... on PartitionBackfill { status }
    ... on Error { message }
  }
}
"""
RUN = f"""
query Run($run: ID!) {{
  runOrError(runId: $run) {{ __typename ... on Run {{ {_RUN} }} ... on Error {{ message }} }}
}}
"""
RUNS = f"""
query Runs($filter: RunsFilter!, $limit: Int!) {{
  runsOrError(filter: $filter, limit: $limit) {{
    __typename
    ... on Runs {{ results {{ {_RUN} }} }}
    ... on Error {{ message }}
  }}
}}
"""
CHECKS = """
query Checks {
  assetNodes {
    assetKey { path }
    assetChecksOrError {
      ... on AssetChecks { checks { name executionForLatestMaterialization { status } } }
    }
  }
}
"""

ALL = (PARTITIONS, STATS, LAUNCH, KNOWN, BACKFILL, BACKFILL_STATUS, RUN, RUNS, CHECKS)
"""Every one of them."""
