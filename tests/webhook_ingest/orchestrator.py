"""A small server that answers as Dagster's GraphQL door does. What belongs here: the few answers that triggers need.

That the questions are ones Dagster understands is seen in `tests/pilar_pipelines/test_dagster_client.py`, and with
its real processes in `test_triggers.py` there.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from pilar.providers.dagster.client import GRAPHQL_PATH


@dataclass
class Orchestrator:
    """The runs that were launched, and how the next launch goes."""

    url: str = ""
    studios: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    launches: int = 0
    answers_after_launch: bool = True
    launching: threading.Event | None = None
    """Waited for in the middle of a launch."""
    is_asked: threading.Event = field(default_factory=threading.Event)

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "runOrError" in query:
            found = [run for run in self.runs if run["runId"] == variables["run"]]
            return {"runOrError": found[0] if found else {"__typename": "RunNotFoundError", "message": "no"}}
        if "runsOrError" in query:
            wanted = variables["filter"]
            found = [
                run
                for run in reversed(self.runs)
                if run["jobName"] == wanted["pipelineName"]
                and run["status"] in wanted.get("statuses", [run["status"]])
                and all(tag in run["tags"] for tag in wanted.get("tags", []))
            ]
            return {"runsOrError": {"__typename": "Runs", "results": found[: variables["limit"]]}}
        if "launchPipelineExecution" in query:
            self.is_asked.set()
            if self.launching:
                assert self.launching.wait(20)
            self.launches += 1
            parameters = variables["parameters"]
            run = {
                "__typename": "Run", "runId": str(uuid4()), "jobName": parameters["selector"]["jobName"],
                "status": "QUEUED", "creationTime": 1.0 * self.launches, "startTime": None, "endTime": None,
                "tags": parameters["executionMetadata"]["tags"],
            }  # fmt: skip
            self.runs.append(run)
            return {"launchPipelineExecution": {"__typename": "LaunchRunSuccess", "run": run}}
        assert "partitionKeys" in query
        return {"assetNodeOrError": {"partitionKeys": self.studios}}


@contextmanager
def orchestrating() -> Iterator[Orchestrator]:
    """The server, on a port of its own."""
    orchestrator = Orchestrator()
    app = FastAPI()

    @app.post(GRAPHQL_PATH)
    async def graphql(request: Request) -> Response:
        asked = json.loads(await request.body())
        data = await asyncio.to_thread(orchestrator.answer, asked["query"], asked["variables"])
        if "launchPipelineExecution" in data and not orchestrator.answers_after_launch:
            return Response(status_code=502)
        return JSONResponse({"data": data})

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        listener.listen()  # from here on connections wait, whether or not the server has begun
        thread.start()
        orchestrator.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield orchestrator
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
