"""Dagster's own installation on this machine. What belongs here: its files and environment; it needs no Dagster.

The template for production, which reads the database's address from the environment, is `deploy/dagster.yaml`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sqlalchemy.engine import make_url

from pilar.providers.dagster.client import LOCATION

ENVIRONMENT = {"DAGSTER_EVENT_BATCH_SIZE": "1000", "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "true"}
"""For daemon, code server, webserver and runs: a partition costs half a millisecond of bookkeeping in place of 31."""

_INSTANCE = """\
# Artifacts and logs lie in this directory, which is DAGSTER_HOME.
storage:
  postgres:
    postgres_url: {url}

telemetry:
  enabled: false
nux:
  enabled: false

run_coordinator:
  module: dagster
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1

concurrency:
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits:
      # The sensor asks for one at a time; the second is for when that one hangs.
      - key: pilar/drain
        limit: 2

run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  max_runtime_seconds: 7200
  poll_interval_seconds: 30

sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 4

retention:
  schedule:
    purge_after_days:
      skipped: 7
      success: 30
      failure: 30
      started: 30
  sensor:
    purge_after_days:
      skipped: 1
      success: 3
      failure: 14
      started: 3
"""

_WORKSPACE = """\
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: {location}
"""


def write_instance(home: Path, database_url: str) -> Path:
    """Write `dagster.yaml` for an installation on this machine.

    Args:
        home: becomes DAGSTER_HOME; made if need be.
        database_url: Dagster's own database; which PostgreSQL driver it names does not matter.

    Returns:
        The file. It holds the database's password, so only its owner may read it.
    """
    return _write(home / "dagster.yaml", _INSTANCE.format(url=json.dumps(storage_url(database_url))))


def write_workspace(home: Path, port: int) -> Path:
    """Write the workspace file of daemon and webserver: the code server on that port; return the file."""
    return _write(home / "workspace.yaml", _WORKSPACE.format(port=port, location=LOCATION))


def storage_url(database_url: str) -> str:
    """A database's address as Dagster needs it: with the driver named.

    With SQLAlchemy 2.1 a bare `postgresql://` means psycopg 3, with which Dagster's notifications fail at the first
    event. What is special in user and password is percent-encoded.
    """
    return make_url(database_url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def _write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    return draft.replace(path)
