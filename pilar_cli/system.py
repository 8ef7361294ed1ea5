"""The programs that PILAR consists of. What belongs here: the command line, environment and readiness of each.

What does not: running them (`crew.py`). They get their settings from the environment as anybody's programs would.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from pilar.settings import Settings
from pilar_cli.configuration import environment
from pilar_cli.ports import LOOPBACK, listening
from pilar_cli.processes import ProcessSpec

USUAL_PORTS = {"web": 8000, "dagster": 3000, "dagster-code": 4000}
SANDBOX_PORTS = {"sandbox": 4010, "sandbox-mail": 4025}

_ROOT = Path(__file__).parents[1]
_READY_SECONDS = 120.0
"""Generous: a machine that is busy with something else still gets there."""


@dataclass(frozen=True)
class Dagster:
    """Where Dagster's instance and its list of code servers lie."""

    home: Path
    workspace_file: Path
    variables: Mapping[str, str]


def prepare_dagster(home: Path, database_url: str, code_port: int) -> Dagster:
    """Write Dagster's configuration."""
    from pilar_pipelines.instance import ENVIRONMENT, write_instance, write_workspace

    place = home / "dagster"
    write_instance(place, database_url)
    return Dagster(place, write_workspace(place, code_port), ENVIRONMENT)


def web_service(settings: Settings, port: int, *, host: str = LOOPBACK, workers: int = 1) -> ProcessSpec:
    """The web service: the door for webhooks, the API and the pages."""
    return ProcessSpec(
        "web",
        _module(
            "uvicorn",
            *("--factory", "webhook_ingest.main:app", "--host", host, "--port", str(port)),
            *("--loop", "uvloop", "--http", "webhook_ingest.protocol:BoundedProtocol"),
            *("--no-access-log", "--workers", str(workers), "--timeout-graceful-shutdown", "5"),
            # By default a process that has not come up within five seconds is killed, again and again.
            *("--timeout-worker-healthcheck", str(round(_READY_SECONDS))),
            # Whom forwarded headers are believed from is said in one place, where it is said.
            *(("--no-proxy-headers",) if settings.trusted_proxies else ()),
        ),
        env=environment(settings),
        ready=lambda: _health(port).get("database") == "reachable",
        ready_timeout=_READY_SECONDS,
        cwd=_ROOT,
    )


def worker(settings: Settings, web_port: int) -> ProcessSpec:
    """The warm worker; the web service tells whether it is alive."""
    return ProcessSpec(
        "worker",
        _module("pilar_cli.main", "worker"),
        env=environment(settings),
        ready=lambda: _health(web_port).get("workers_alive", 0) > 0,
        ready_timeout=_READY_SECONDS,
        cwd=_ROOT,
    )


def dagster_programs(settings: Settings, dagster: Dagster, code_port: int, web_port: int) -> list[ProcessSpec]:
    """Code server, daemon and webserver."""
    env = environment(settings) | dict(dagster.variables) | {"DAGSTER_HOME": str(dagster.home)}
    workspace = ("-w", str(dagster.workspace_file))

    def program(name: str, argv: list[str], ready: Callable[[], bool] | None = None) -> ProcessSpec:
        return ProcessSpec(name, argv, env=env, ready=ready, ready_timeout=_READY_SECONDS, cwd=_ROOT)

    return [
        program(
            "dagster-code",
            _module(
                "dagster",
                *("api", "grpc", "-m", "pilar_pipelines.definitions", "-h", LOOPBACK, "-p", str(code_port)),
                # Runs are started with this very Python, wherever it lies.
                "--use-python-environment-entry-point",
            ),
            ready=lambda: listening(code_port),
        ),
        program(
            "dagster-webserver",
            _module("dagster_webserver", "-h", LOOPBACK, "-p", str(web_port), "--path-prefix", "/dagster", *workspace),
            ready=lambda: _answers(web_port, "/dagster/server_info"),
        ),
        program("dagster-daemon", [str(Path(sys.executable).with_name("dagster-daemon")), "run", *workspace]),
    ]


def sandbox(
    state: Path, keys: Mapping[str, str], *, port: int, mail_port: int, webhooks: Mapping[str, str]
) -> ProcessSpec:
    """The provider sandbox.

    Args:
        state: the directory in which it remembers everything.
        keys: what it shares with the product, by the names of its options.
        port: HTTP.
        mail_port: SMTP.
        webhooks: the product's doors, by provider.
    """
    options = {
        "port": str(port),
        "smtp-port": str(mail_port),
        "state": str(state),
        **{f"{provider}-webhook-url": url for provider, url in webhooks.items()},
        **keys,
    }
    return ProcessSpec(
        "sandbox",
        _module("provider_sandbox", *(f"--{name}={value}" for name, value in options.items())),
        ready=lambda: _answers(port, "/control/health"),
        ready_timeout=_READY_SECONDS,
        cwd=_ROOT,
    )


def _module(name: str, *options: str) -> list[str]:
    return [sys.executable, "-m", name, *options]


def _answers(port: int, path: str) -> bool:
    status, _ = _get(port, path)
    return status == HTTPStatus.OK


def _health(port: int) -> dict[str, Any]:
    """What the web service says about the system; nothing while it does not answer."""
    _, content = _get(port, "/api/health/autopilot")
    try:
        health = json.loads(content)
    except ValueError:
        return {}
    return health if isinstance(health, dict) else {}


def _get(port: int, path: str) -> tuple[int, bytes]:
    """Status and content of an answer; 0 while nobody gives one. It is asked often, so it costs little."""
    with closing(HTTPConnection(LOOPBACK, port, timeout=2.0)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            return 0, b""
