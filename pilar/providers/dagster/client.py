"""Asking a running Dagster from outside, over its GraphQL door. It needs no Dagster itself.

What belongs here: the few questions that command line and web service have, and what the answers mean. What does not:
when a run is asked for, and by whom (`operator/triggers.py`); Dagster's definitions (`pilar_pipelines`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from pilar.errors import Conflict, NotFound, Transient
from pilar.providers.calls import CONNECT_SECONDS, Provider, Refusal
from pilar.providers.dagster import queries

LOCATION = "pilar"
"""The name of the code location."""

GRAPHQL_PATH = "/dagster/graphql"
"""Where the door is below the webserver's address: its pages are served under this prefix by us too."""

SCORES = "workspace_health_score"
STUDIOS_JOB = "everything_about_all_studios"
FLEET_JOB = "everything_about_the_fleet"

SUCCESS = "SUCCESS"
ENDED = frozenset({SUCCESS, "FAILURE", "CANCELED"})
"""The statuses that a run keeps."""

UNDER_WAY = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED")
"""The statuses of a run that will do its work or is doing it."""

BACKFILLED = "COMPLETED_SUCCESS"
BACKFILL_ENDED = frozenset({BACKFILLED, "COMPLETED_FAILED", "FAILED", "CANCELED"})
"""The statuses that a backfill keeps."""

TIMEOUT_SECONDS = 30.0

_REPOSITORY = "__repository__"
# Spelt out, since the module with the partitions imports Dagster.
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class Run:
    """A run of a job, as Dagster tells it; times are real time."""

    id: str
    job: str
    status: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    tags: Mapping[str, str] = field(default_factory=dict)


def range_of(keys: Sequence[str]) -> dict[str, str]:
    """The tags of a run that takes all studios between the first and the last of these, in Dagster's order."""
    return {_RANGE_START: keys[0], _RANGE_END: keys[-1]}


class DagsterClient:
    """Dagster's GraphQL door; safe to share between threads. Nothing is opened before the first question.

    Every question raises `Transient` where Dagster does not answer or has not loaded its definitions, and one that
    has it do something `OutcomeUnknown` where it may have done it all the same.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take the door's address, such as `http://127.0.0.1:3000/dagster/graphql`, and the longest wait."""
        self.url = url
        # On this machine or beside it: no proxy of the environment stands between.
        timeout = httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS))
        # Certificates take longer to load than everything else here, and plain HTTP looks at none.
        self._http = httpx.Client(timeout=timeout, trust_env=False, verify=not url.startswith("http://"))
        self._calls = Provider("Dagster", table={})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def partition_keys(self) -> list[str]:
        """The studios that Dagster knows as partitions, in its order."""
        node = self._read(queries.PARTITIONS, {"asset": {"path": [SCORES]}})["assetNodeOrError"]
        if not node:
            raise Transient(f"Dagster does not know the asset {SCORES}: are its definitions loaded?")
        return list(node["partitionKeys"])

    def launch(self, job: str, keys: Sequence[str] | None = None, *, tags: Mapping[str, str] | None = None) -> str:
        """Launch one run of a job, and return its id.

        Args:
            job: its name.
            keys: the studios it takes, all between the first and the last in Dagster's order; None: it has no
                partitions.
            tags: more, by which the run is found again.

        Raises:
            NotFound: there is no studio.
            Conflict: Dagster refuses the run.
        """
        if keys is not None and not keys:
            raise NotFound("Dagster knows no studio yet.")
        all_tags = {**(tags or {}), **(range_of(keys) if keys else {})}
        parameters = {
            "selector": {"repositoryLocationName": LOCATION, "repositoryName": _REPOSITORY, "jobName": job},
            "runConfigData": {},
            "executionMetadata": {"tags": _tag_list(all_tags)},
        }
        answer = self._change(queries.LAUNCH, {"parameters": parameters})["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise Conflict(f"Dagster refuses the run: {_reasons(answer)}")
        return str(answer["run"]["runId"])

    def run(self, run_id: str) -> Run:
        """One run; raise `NotFound` where there is none by that id."""
        answer = self._read(queries.RUN, {"run": run_id})["runOrError"]
        if answer["__typename"] == "RunNotFoundError":
            raise NotFound(f"Dagster has no run {run_id}.")
        if answer["__typename"] != "Run":
            raise Transient(f"Dagster does not tell how run {run_id} stands: {_reasons(answer)}")
        return _run(answer)

    def runs(
        self,
        job: str,
        *,
        statuses: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 1,
    ) -> list[Run]:
        """The newest runs of a job.

        Args:
            job: its name.
            statuses: those that count; None: all.
            tags: what each of them carries.
            limit: how many at most.
        """
        wanted: dict[str, Any] = {"pipelineName": job}
        wanted |= {"statuses": list(statuses)} if statuses else {}
        wanted |= {"tags": _tag_list(tags)} if tags else {}
        answer = self._read(queries.RUNS, {"filter": wanted, "limit": limit})["runsOrError"]
        if answer["__typename"] != "Runs":
            raise Transient(f"Dagster does not tell the runs of {job}: {_reasons(answer)}")
        return [_run(one) for one in answer["results"]]

    def backfill(self, assets: Sequence[str], keys: Sequence[str] | None = None) -> str:
        """Have assets made anew for some studios, in as few runs as may be, and return the backfill's id.

        Args:
            assets: their names; each has a partition per studio.
            keys: the studios, these and no others; None: all that Dagster knows.

        Raises:
            NotFound: there is no studio, or no asset of that name that has a partition per studio.
            Conflict: Dagster refuses: it does not know one of the studios.
        """
        if not (self.partition_keys() if keys is None else keys):
            raise NotFound("Dagster knows no studio yet.")
        selection = [{"path": [asset]} for asset in assets]
        nodes = self._read(queries.KNOWN, {"assets": selection})["assetNodes"]
        known = [node["assetKey"] for node in nodes if node["isPartitioned"]]
        if unknown := ", ".join(asset["path"][0] for asset in selection if asset not in known):
            # Asked all the same, Dagster would fail without saying why.
            raise NotFound(f"Dagster knows no asset with a partition per studio called {unknown}.")
        parameters: dict[str, Any] = {"assetSelection": selection}
        parameters |= {"allPartitions": True} if keys is None else {"partitionNames": list(keys)}
        answer = self._change(queries.BACKFILL, {"parameters": parameters})["launchPartitionBackfill"]
        if answer["__typename"] != "LaunchBackfillSuccess":
            raise Conflict(f"Dagster refuses the backfill: {_reasons(answer)}")
        return str(answer["backfillId"])

    def backfill_status(self, backfill_id: str) -> str:
        """The status of a backfill, such as REQUESTED, or one of `BACKFILL_ENDED`; `NotFound` where there is none."""
        answer = self._read(queries.BACKFILL_STATUS, {"backfill": backfill_id})["partitionBackfillOrError"]
        if answer["__typename"] != "PartitionBackfill":
            raise NotFound(answer.get("message") or f"Dagster has no backfill {backfill_id}.")
        return str(answer["status"])

    def materializations(self) -> dict[str, int]:
        """How much of each asset is materialised: partitions, of an unpartitioned one 1; what is not is left out."""
        counts = {}
        for node in self._read(queries.STATS, {})["assetNodes"]:
            is_there = len(node["assetMaterializations"])
            count = int(node["partitionStats"]["numMaterialized"]) if node["isPartitioned"] else is_there
            if count:
                counts["/".join(node["assetKey"]["path"])] = count
        return counts

    def failed_checks(self) -> list[str]:
        """The checks that did not pass when they were last evaluated, as `asset:check`."""
        failed = []
        for node in self._read(queries.CHECKS, {})["assetNodes"]:
            for check in node["assetChecksOrError"].get("checks", []):
                latest = check["executionForLatestMaterialization"]
                if latest and latest["status"] in ("FAILED", "EXECUTION_FAILED"):
                    failed.append(f"{'/'.join(node['assetKey']['path'])}:{check['name']}")
        return sorted(failed)

    def _read(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        with self._calls.reads("query"):
            return self._ask(query, variables)

    def _change(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        with self._calls.changes("mutation"):
            return self._ask(query, variables)

    def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        response = self._http.post(self.url, json={"query": query, "variables": variables})
        if response.status_code != httpx.codes.OK:
            raise Refusal(response.status_code)
        answer = response.json()
        if answer.get("errors"):
            raise Refusal(response.status_code, message=str(answer["errors"][0]["message"]))
        data: dict[str, Any] = answer["data"]
        return data


def _run(answer: Mapping[str, Any]) -> Run:
    return Run(
        id=str(answer["runId"]),
        job=str(answer["jobName"]),
        status=str(answer["status"]),
        created_at=datetime.fromtimestamp(answer["creationTime"], UTC),
        started_at=_moment(answer["startTime"]),
        ended_at=_moment(answer["endTime"]),
        tags={tag["key"]: tag["value"] for tag in answer["tags"]},
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _reasons(answer: Mapping[str, Any]) -> str:
    """Why Dagster did not do what was asked for, in its words."""
    errors = [answer.get("message"), *(error["message"] for error in answer.get("errors", []))]
    return "; ".join(filter(None, errors)) or str(answer["__typename"])
